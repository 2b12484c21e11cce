"""File transfers of one entity: a socket, a thread that runs the engine, and a thread that does the disk's work."""

from __future__ import annotations

import logging
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self, TypeVar

from heliograph.core import HeliographError, TransferError
from heliograph.link.cfdp.datagrams import datagram_bytes as route_datagram_bytes
from heliograph.link.cfdp.datagrams import listening_socket, resolve, room_bytes
from heliograph.link.cfdp.disk import Disk
from heliograph.link.cfdp.entity import Entity
from heliograph.link.cfdp.entry import Entry
from heliograph.link.cfdp.files import FileSource, FileTarget, Identity, Source, Target
from heliograph.link.cfdp.journal import Journal
from heliograph.link.cfdp.runner import Runner
from heliograph.link.cfdp.transaction import Offer, Role, TransactionId, TransferStatus

_log = logging.getLogger(__name__)

T = TypeVar("T")


class Transfers:
    """Sends and receives files; what it was doing goes on after a restart, from its journal in `folder`.

    `sources` and `targets` make a `Source` or `Target` anew from its name in the journal. `accept` is asked about
    transfers that nobody announced by `expect`; without it they are refused. `rate_bps` is what the path is known to
    carry; without it that is found out. `on_event` is told of every change of state, and of progress about once a
    second; it is called in the thread of the socket, so it hands over and returns, as does `accept`.

    >>> with Transfers(Path("/var/lib/heliograph/files"), entity=7) as transfers:           # doctest: +SKIP
    ...     transaction = transfers.send(FileSource("/data/a.tif"), "a.tif", peer=12, peer_address=("10.0.0.2", 4560))
    ...     transfers.wait(transaction, timeout_s=60).state

    Raises `AddressError` when it cannot listen, `TransferError` when another program uses the journal.
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
        self._entity_id = entity
        self._on_event = on_event
        self._sources = sources
        self._targets = targets
        self._journal = Journal(folder / "transfers.sqlite")
        try:
            self._socket = listening_socket(*listen)
        except HeliographError:
            self._journal.close()
            raise
        self._entity = Entity(
            entity,
            datagram_bytes=route_datagram_bytes if datagram_bytes is None else lambda _: datagram_bytes,
            rate_bps=rate_bps,
            room_bytes=room_bytes(self._socket),
            accept=accept,
        )
        self._changed = threading.Condition()
        self._last: dict[TransactionId, TransferStatus] = {}
        self._runner = Runner(self._socket, self._entity, Disk(self._journal, sources, targets), self._tell)

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        host, port, *_ = self._socket.getsockname()
        return host, port

    def start(self) -> Self:
        """Begin, and go on with what the journal has."""
        for entry in self._journal.entries():
            try:
                if entry.role is Role.SENDING:
                    self._entity.send(entry, self._sources(entry.name))
                else:
                    self._entity.receive(entry, self._targets(entry.name))
            except HeliographError as error:
                _log.warning("transfer %s of %s waits for the next start: %s", entry.id, entry.name, error)
                continue
            self._tell(self._entity.status(entry.id))
        self._runner.start()
        return self

    def close(self, linger_s: float = 2.0) -> None:
        """Stop; what is under way goes on at the next start.

        Waits so long for the other end to hear of transfers that are over.
        """
        end_s = time.monotonic() + linger_s
        while self._runner.running and time.monotonic() < end_s and self._call(self._entity.has_last_word):
            time.sleep(0.01)
        self._runner.stop()
        self._entity.close()
        self._socket.close()
        self._journal.close()

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
        try:
            with source.open() as file:
                identity = Identity.of(file)
        except OSError as error:
            raise TransferError(f"{source.name} cannot be read: {error.strerror or error}") from error
        address = None if peer_address is None else resolve(peer_address, self._socket.family)

        # Numbers of a lost journal must not come again: the other end may remember them.
        number = self._on_disk(lambda: self._journal.next_number(1 + secrets.randbelow(1 << 31)))
        entry = Entry(
            TransactionId(self._entity_id, number),
            Role.SENDING,
            peer,
            source.name,
            destination,
            identity.size_bytes,
            sha256=sha256,
            priority=priority,
            speaks=not foreign,
            address=address,
            identity=identity,
        )
        self._take_on(entry, lambda: self._entity.send(entry, source))
        return entry.id

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

        It is in the journal when this returns. Expecting again what is expected already only asks for it again.
        """
        address = None if peer_address is None else resolve(peer_address, self._socket.family)
        if self._call(lambda: self._entity.expect(transaction, address)):
            return
        entry = Entry(
            transaction,
            Role.RECEIVING,
            transaction.entity,
            target.name,
            target.name,
            size_bytes,
            sha256=sha256,
            priority=priority,
            address=address,
        )
        self._take_on(entry, lambda: self._entity.receive(entry, target))

    def suspend(self, transaction: TransactionId) -> None:
        """Hold it until `resume`, over restarts too. Raises `TransferError` for one that is unknown or over."""
        self._call(lambda: self._entity.suspend(transaction))

    def resume(self, transaction: TransactionId) -> None:
        """Let it go on."""
        self._call(lambda: self._entity.resume(transaction))

    def cancel(self, transaction: TransactionId) -> None:
        """End it at both ends; what came so far is removed."""
        self._call(lambda: self._entity.cancel(transaction))

    def abandon(self, transaction: TransactionId) -> None:
        """End it here, without a word to the other end."""
        self._call(lambda: self._entity.abandon(transaction))

    def status(self, transaction: TransactionId) -> TransferStatus:
        """Tell how it is getting on. Raises `TransferError` for one that is unknown."""
        return self._call(lambda: self._entity.status(transaction))

    def statuses(self) -> list[TransferStatus]:
        """Tell of all that the journal has: those under way, and the last of those that are over."""
        return self._call(self._entity.statuses)

    def wait(self, transaction: TransactionId, timeout_s: float) -> TransferStatus:
        """Wait until it is over, or the time is up; gives how it is then."""
        self.status(transaction)
        with self._changed:
            self._changed.wait_for(lambda: self._is_over(transaction), timeout_s)
        return self.status(transaction)

    def _take_on(self, entry: Entry, begin: Callable[[], None]) -> None:
        """Have an entry in the journal, then begin with it."""
        self._on_disk(lambda: self._journal.write([entry]))

        def tell() -> None:
            begin()
            self._tell(self._entity.status(entry.id))

        self._call(tell)

    def _call(self, function: Callable[[], T]) -> T:
        """Run a function in the thread of the engine."""
        return self._runner.call(function)

    def _on_disk(self, function: Callable[[], T]) -> T:
        """Run a function in the thread of the journal."""
        try:
            return self._runner.call_disk(function)
        except sqlite3.Error as error:
            raise TransferError(f"the journal of transfers cannot be written: {error}") from error

    def _is_over(self, transaction: TransactionId) -> bool:
        last = self._last.get(transaction)
        return last is None or last.state.final

    def _tell(self, status: TransferStatus) -> None:
        with self._changed:
            if self._last.get(status.id) == status:
                return
            self._last[status.id] = status
            for forgotten in [id for id in self._last if self._entity.entry(id) is None]:
                del self._last[forgotten]
            self._changed.notify_all()
        if self._on_event is not None:
            self._on_event(status)
