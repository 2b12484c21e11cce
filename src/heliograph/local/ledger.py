"""The writer's book of who holds which slot: no socket, no memory, no clock."""

from __future__ import annotations

from dataclasses import dataclass, field

from heliograph.core.errors import CameraBusyError, FramesHeldError, RemoteProtocolError, SettingError

MAX_DEPTH = 64
"""Most frames that one reader may hold: their messages must fit the stock socket buffer (277 short ones do)."""


@dataclass(slots=True)
class _Reader:
    slots: set[int] = field(default_factory=set)
    dropped: int = 0


class SlotLedger:
    """Who holds which slot of a ring.

    >>> ledger = SlotLedger(depth=2, max_readers=1, writer_slots=1)
    >>> ledger.add_reader(7)
    >>> slot = ledger.acquire()
    >>> ledger.publish(slot)
    [7]
    >>> ledger.release(7, slot)

    A slot is free, or filled by the writer, or leased to readers. There are `max_readers * depth + writer_slots`
    slots, so that a writer who fills fewer than `writer_slots` always finds a free one, whatever readers do.

    Raises `SettingError` for sizes below 1 or a depth above `MAX_DEPTH`.
    """

    def __init__(self, depth: int, max_readers: int, writer_slots: int) -> None:
        if not 1 <= depth <= MAX_DEPTH:
            raise SettingError(f"the depth of a frame ring must be 1 to {MAX_DEPTH}, not {depth}")
        if max_readers < 1 or writer_slots < 1:
            raise SettingError("a frame ring needs at least 1 reader and 1 slot for its writer")
        self.depth = depth
        self.slot_count = max_readers * depth + writer_slots
        self._max_readers = max_readers
        self._writer_slots = writer_slots
        # A stack: the slot freed last is still in the cache, and slots never needed never take memory.
        self._free = list(range(self.slot_count - 1, -1, -1))
        self._filling: set[int] = set()
        self._lease_counts = [0] * self.slot_count
        self._readers: dict[int, _Reader] = {}

    def add_reader(self, reader: int) -> None:
        """Take a reader, named by any number that no other has; raises `CameraBusyError` when there are too many."""
        if len(self._readers) >= self._max_readers:
            raise CameraBusyError(
                f"{self._max_readers} programs read this camera's frames already: close one, or allow more readers"
            )
        self._readers[reader] = _Reader()

    def remove_reader(self, reader: int) -> None:
        """Forget a reader; what it held is given back."""
        for slot in self._readers.pop(reader).slots:
            self._give_back(slot)

    def acquire(self) -> int:
        """Give a free slot to fill, the one freed last; raises `FramesHeldError` when the writer fills too many."""
        if len(self._filling) >= self._writer_slots:
            raise FramesHeldError(
                f"the writer of this frame ring fills {len(self._filling)} slots already: "
                "publish or discard one, or make the ring with more writer_slots"
            )
        slot = self._free.pop()
        self._filling.add(slot)
        return slot

    def publish(self, slot: int) -> list[int]:
        """Lease a filled slot to every reader that holds fewer than `depth`, and give their names.

        For every other reader the frame counts as dropped. Raises `SettingError` when the slot is not being filled.
        """
        self._end_filling(slot)
        takers = []
        for name, reader in self._readers.items():
            if len(reader.slots) < self.depth:
                reader.slots.add(slot)
                takers.append(name)
            else:
                reader.dropped += 1
        self._lease_counts[slot] = len(takers)
        if not takers:
            self._free.append(slot)
        return takers

    def discard(self, slot: int) -> None:
        """Free a slot without publishing it; raises `SettingError` when the slot is not being filled."""
        self._end_filling(slot)
        self._free.append(slot)

    def release(self, reader: int, slot: int) -> None:
        """Take a slot back from a reader; raises `RemoteProtocolError` when it does not hold that slot."""
        held = self._readers[reader].slots
        if slot not in held:
            raise RemoteProtocolError(f"a frame ring's reader released slot {slot}, which it does not hold")
        held.remove(slot)
        self._give_back(slot)

    def withdraw(self, reader: int, slot: int) -> None:
        """Take back a lease of which the reader could not be told: it counts as dropped."""
        self.release(reader, slot)
        self._readers[reader].dropped += 1

    def dropped(self, reader: int) -> int:
        """Give the count of frames that were not leased to this reader."""
        return self._readers[reader].dropped

    def _end_filling(self, slot: int) -> None:
        if slot not in self._filling:
            raise SettingError(f"slot {slot} is not being filled: publish or discard a slot once, after acquire()")
        self._filling.remove(slot)

    def _give_back(self, slot: int) -> None:
        self._lease_counts[slot] -= 1
        if self._lease_counts[slot] == 0:
            self._free.append(slot)
