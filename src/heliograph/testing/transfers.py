"""Two ends of file transfers over a simulated path, in simulated time: engine, disk and journal are the product's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from heliograph.link.cfdp.disk import Disk
from heliograph.link.cfdp.entity import Entity
from heliograph.link.cfdp.entry import Entry
from heliograph.link.cfdp.files import FileSource, FileTarget, Identity
from heliograph.link.cfdp.journal import Journal
from heliograph.link.cfdp.peer import Address
from heliograph.link.cfdp.transaction import Role, State, TransactionId, TransferStatus
from heliograph.sim.net import NetworkPath, PathModel

S = 1_000_000_000
DATAGRAM_BYTES = 1_400


class End:
    """One end: what a program with `Transfers` is, without its socket and threads."""

    def __init__(self, folder: Path, entity: int, rate_bps: float | None) -> None:
        self.address = (f"end-{entity}", entity)
        self._folder = folder
        self._number = entity
        self._rate_bps = rate_bps
        self.start()

    def start(self, other: Address | None = None) -> None:
        """Begin, with what the journal has, and perhaps with the address of the other end."""
        self._journal = Journal(self._folder / f"{self._number}.sqlite")
        self.disk = Disk(self._journal, FileSource, FileTarget.named)
        self.entity = Entity(self._number, datagram_bytes=lambda _: DATAGRAM_BYTES, rate_bps=self._rate_bps)
        for entry in self._journal.entries():
            self.take_on(entry if other is None else replace(entry, address=other))

    def kill(self) -> None:
        """End at once: nothing is written any more."""
        self.entity.close()
        self.disk.close()
        self._journal.close()

    def take_on(self, entry: Entry) -> None:
        """Begin with a transfer that is in the journal."""
        if entry.role is Role.SENDING:
            self.entity.send(entry, FileSource(entry.name))
        else:
            self.entity.receive(entry, FileTarget.named(entry.name))

    def write(self, entry: Entry) -> None:
        """Have a new transfer in the journal, and begin with it."""
        self._journal.write([entry])
        self.take_on(entry)

    def work(self, now_ns: int) -> None:
        """Do what the engine wants done on the disk."""
        while (actions := self.entity.take_actions()) or self.disk.digesting:
            answers = self.disk.do(actions)
            if self.disk.digesting:
                answers += self.disk.digest()
            for answer in answers:
                answer(self.entity, now_ns)


class Pair:
    """Entity 1 sends to entity 2.

    >>> with Pair(Path("/tmp/pair"), PathModel(), seed=1) as pair:                      # doctest: +SKIP
    ...     transaction = pair.send(b"x" * 100_000)
    ...     pair.run(lambda: pair.over(transaction), 60)
    """

    def __init__(self, folder: Path, model: PathModel, seed: int, rate_bps: float | None = None) -> None:
        self.folder = folder
        self.now_ns = 1_000 * S
        self.cut = False
        """Whether everything that is sent is lost."""
        self.sender, self.receiver = End(folder, 1, rate_bps), End(folder, 2, rate_bps)
        self.bytes_sent = 0
        """By the sender."""
        self.astray: list[tuple[bytes, Address]] = []
        """What was sent to where neither end is."""
        self._ways = [
            (self.sender, self.receiver, NetworkPath(model, seed)),
            (self.receiver, self.sender, NetworkPath(model, seed + 1)),
        ]
        self._numbers = 0

    def __enter__(self) -> Pair:
        return self

    def __exit__(self, *exception: object) -> None:
        self.sender.kill()
        self.receiver.kill()

    def send(
        self, data: bytes, sha256: bytes | None = None, priority: int = 0, *, found_by_sender: bool = False
    ) -> TransactionId:
        """Queue a file at the sender and announce it to the receiver; one of them knows where the other is."""
        self._numbers += 1
        id = TransactionId(1, self._numbers)
        source = self.folder / f"source-{id}"
        source.write_bytes(data)
        with source.open("rb", buffering=0) as file:
            identity = Identity.of(file)
        sending = Entry(
            id,
            Role.SENDING,
            2,
            str(source),
            "copy",
            len(data),
            priority=priority,
            identity=identity,
            sha256=sha256,
            address=self.receiver.address if found_by_sender else None,
        )
        address = None if found_by_sender else self.sender.address
        target = FileTarget(self.copy(id))
        self.sender.write(sending)
        self.receiver.write(
            Entry(id, Role.RECEIVING, 1, target.name, "copy", len(data), address=address, sha256=sha256)
        )
        return id

    def copy(self, id: TransactionId) -> Path:
        """Give where a file arrives."""
        return self.folder / f"copy-{id}"

    def statuses(self, id: TransactionId) -> tuple[TransferStatus, TransferStatus]:
        """Tell how a transfer is, at the sender and at the receiver."""
        return self.sender.entity.status(id), self.receiver.entity.status(id)

    def states(self, id: TransactionId) -> tuple[State, State]:
        """Tell the states of a transfer, at the sender and at the receiver."""
        sender, receiver = self.statuses(id)
        return sender.state, receiver.state

    def over(self, id: TransactionId) -> bool:
        """Tell whether a transfer is over at both ends."""
        return all(state.final for state in self.states(id))

    def settled(self, id: TransactionId) -> bool:
        """Tell whether each end knows that a transfer is over at the other."""
        entries = (self.sender.entity.entry(id), self.receiver.entity.entry(id))
        return all(entry is not None and entry.closed for entry in entries)

    def run(self, until: Callable[[], bool], longest_s: float) -> float:
        """Let time pass until something is so, or so much has passed; gives how much has, in seconds."""
        start_ns = self.now_ns
        end_ns = start_ns + int(longest_s * S)
        self._step()
        while not until() and self.now_ns < end_ns:
            self.now_ns = min(max(self._next_ns(), self.now_ns + 1), end_ns)
            self._step()
        return (self.now_ns - start_ns) / S

    def _step(self) -> None:
        for origin, destination, path in self._ways:
            for datagram in path.arrived(self.now_ns):
                if not self.cut:
                    destination.entity.receive_datagram(datagram, origin.address, self.now_ns)
            destination.work(self.now_ns)
        for origin, destination, path in self._ways:
            for datagram, address in origin.entity.datagrams_to_send(self.now_ns):
                if origin is self.sender:
                    self.bytes_sent += len(datagram)
                if address != destination.address:
                    self.astray.append((datagram, address))
                elif not self.cut:
                    path.send(datagram, self.now_ns)
            origin.work(self.now_ns)

    def _next_ns(self) -> int:
        due_ns = [end.entity.next_timer_ns(self.now_ns) for end in (self.sender, self.receiver)]
        due_ns += [arrival for *_, path in self._ways if (arrival := path.next_arrival_ns()) is not None]
        return min(due_ns)
