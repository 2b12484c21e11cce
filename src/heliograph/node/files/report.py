"""Lets it be known what became of transfers."""

from __future__ import annotations

from heliograph.link.cfdp.transaction import Role, State, TransactionId, TransferStatus
from heliograph.link.event import Severity
from heliograph.node.outlet import Emit


class Reporter:
    """Makes events of how transfers end, and of those that cannot go on."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._under_way: dict[TransactionId, tuple[str, int] | None] = {}
        """With why and where each was held up last."""

    def told(self, status: TransferStatus) -> None:
        """Take the state of a transfer; one that a former run ended is no event."""
        if status.state.final:
            if status.id in self._under_way:
                del self._under_way[status.id]
                self._ended(status)
            return
        before = self._under_way.setdefault(status.id, None)
        # A full disk is tried again and again, which is news only when something came in between.
        if status.state is State.SUSPENDED and before != (status.reason, status.verified_bytes):
            self._under_way[status.id] = status.reason, status.verified_bytes
            self._say(status, Severity.WARNING, "file.suspended", f"was suspended ({status.reason})")

    def _ended(self, status: TransferStatus) -> None:
        if status.state is State.COMPLETED:
            done = "sent" if status.role is Role.SENDING else "received"
            self._say(status, Severity.ACTIVITY, f"file.{done}", f"was {done}: {status.size_bytes} bytes")
            return
        reason = f" ({status.reason})" if status.reason else ""
        self._say(status, Severity.WARNING, "file.failed", f"was {status.state.value}{reason}")

    def _say(self, status: TransferStatus, severity: Severity, name: str, what: str) -> None:
        path = path_of(status)
        self._emit(
            severity,
            name,
            f"{path} {what}",
            transaction=str(status.id),
            path=path,
            size_bytes=status.size_bytes,
            peer=status.peer,
        )


def path_of(status: TransferStatus) -> str:
    """Give the path below the root, out of the name that the journal keeps."""
    if status.role is Role.SENDING:
        return status.name.partition(" ")[2]
    # A label has digits and a dash.
    return status.name.lstrip("0123456789-")[1:]
