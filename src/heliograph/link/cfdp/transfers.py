"""File transfers of one entity: a socket, a thread that runs the engine, and a thread that does the disk's work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Self

from heliograph.link.cfdp.files import FileSource, FileTarget, Source, Target
from heliograph.link.cfdp.transaction import Offer, TransactionId, TransferStatus


class Transfers:
    """Sends and receives files; what it was doing goes on after a restart, from its journal in `folder`.

    `sources` and `targets` make a `Source` or `Target` anew from its name in the journal. `accept` is asked about
    transfers that nobody announced by `expect`; without it they are refused. `on_event` is told of every change of
    state, and of progress a few times a second, in the thread of the socket: it hands over and returns.
    """

    def __init__(
        self,
        folder: Path,
        *,
        entity: int,
        listen: tuple[str, int] = ("127.0.0.1", 0),
        rate_bps: float | None = None,
        datagram_bytes: int | None = None,
        on_event: Callable[[TransferStatus], None] | None = None,
        accept: Callable[[Offer], Target | None] | None = None,
        sources: Callable[[str], Source] = FileSource,
        targets: Callable[[str], Target] = FileTarget.named,
    ) -> None:
        raise NotImplementedError

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        raise NotImplementedError

    def start(self) -> Self:
        """Begin, and go on with what the journal has."""
        raise NotImplementedError

    def close(self) -> None:
        """Stop; what is under way goes on at the next start."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.close()

    def send(
        self,
        source: Source,
        destination: str,
        *,
        peer: int,
        peer_address: tuple[str, int] | None = None,
        priority: int = 0,
        sha256: bytes | None = None,
        foreign: bool = False,
    ) -> TransactionId:
        """Queue a file; it is in the journal when this returns. Raises `TransferError` when it cannot be read.

        Without `peer_address` it waits until the peer is heard. `foreign` is a CFDP entity that is no Heliograph.
        """
        raise NotImplementedError

    def expect(
        self,
        transaction: TransactionId,
        target: Target,
        *,
        size_bytes: int,
        sha256: bytes,
        priority: int = 0,
        peer_address: tuple[str, int] | None = None,
    ) -> None:
        """Be ready for a file that was announced; asks for it where `peer_address` is given or known.

        Expecting again what is expected already changes nothing.
        """
        raise NotImplementedError

    def suspend(self, transaction: TransactionId) -> None:
        """Hold it until `resume`, over restarts too. Raises `TransferError` for one that is unknown or over."""
        raise NotImplementedError

    def resume(self, transaction: TransactionId) -> None:
        """Let it go on."""
        raise NotImplementedError

    def cancel(self, transaction: TransactionId) -> None:
        """End it at both ends; what came so far is removed."""
        raise NotImplementedError

    def abandon(self, transaction: TransactionId) -> None:
        """End it here, without a word to the other end."""
        raise NotImplementedError

    def status(self, transaction: TransactionId) -> TransferStatus:
        """Tell how it is getting on. Raises `TransferError` for one that is unknown."""
        raise NotImplementedError

    def statuses(self) -> list[TransferStatus]:
        """Tell of all that the journal has: those under way, and the last of those that are over."""
        raise NotImplementedError

    def wait(self, transaction: TransactionId, timeout_s: float) -> TransferStatus:
        """Wait until it is over, or the time is up; gives how it is then."""
        raise NotImplementedError
