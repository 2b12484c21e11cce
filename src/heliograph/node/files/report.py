"""Lets it be known what became of transfers."""

from __future__ import annotations

from heliograph.link.cfdp.transaction import Role, State, TransactionId, TransferStatus
from heliograph.link.event import Severity
from heliograph.node.outlet import Emit


class Reporter:
    """Makes events of how transfers end, and of those that cannot go on."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._states: dict[TransactionId, State] = {}

    def told(self, status: TransferStatus) -> None:
        """Take the state of a transfer; one that is as it was before is no event, nor one that a former run ended."""
        before = self._states.get(status.id)
        if status.state.final:
            if self._states.pop(status.id, None):
                self._ended(status)
            return
        self._states[status.id] = status.state
        if status.state is State.SUSPENDED and before is not State.SUSPENDED:
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
