"""Which block goes next: live before backlog, several on their way, again what was not acknowledged. Sans-IO."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from heliograph.link.pace import Pace
from heliograph.link.spooled import MESSAGE_BYTES, Spooled
from heliograph.link.telemetry import Range

_MOST_ON_THE_WAY = 1_024
_LIVE_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Sweep:
    """Asks for backlog: read blocks after one id, up to another."""

    session: int
    after_id: int
    up_to_id: int
    most_bytes: int


@dataclass(frozen=True, slots=True)
class Again:
    """Asks for blocks to be sent again, those that are still there."""

    ids: tuple[int, ...]


@dataclass(slots=True)
class _OnTheWay:
    ids: tuple[int, ...]
    schema: str
    size_bytes: int
    sent_ns: int
    declared: bool
    again: bool


class Outbox:
    """The state of one spool's delivery to one archive; holds no block, and as much however long the backlog is.

    A block is behind the cursor, or on its way, or gone: so each is sent until it is acknowledged.
    """

    def __init__(self, newest_id: int) -> None:
        self._newest_id = newest_id
        self._session = 0
        self._present = False
        self._cursor = 0
        self._on_the_way: dict[Range, _OnTheWay] = {}
        self._ids: set[int] = set()
        self._bytes = 0
        self._known: set[tuple[str, str]] = set()
        self._due: list[Range] = []
        self._pace = Pace()

    @property
    def archive_present(self) -> bool:
        """Whether anybody acknowledges."""
        return self._present

    @property
    def message_bytes(self) -> int:
        """How much to join into one message: less where the link is slow."""
        return min(self._pace.window_bytes // 4, MESSAGE_BYTES)

    def archive_came(self) -> None:
        """Begin anew: everything that is not acknowledged goes again, with its declarations."""
        self._session += 1
        self._present = True
        self._cursor = 0
        self._known.clear()
        self._forget_on_the_way()
        self._pace = Pace()

    def archive_went(self) -> None:
        """Send nothing but live blocks, which viewers follow."""
        self._session += 1
        self._present = False
        self._forget_on_the_way()

    def live(self, block: Spooled, now_ns: int) -> bool:
        """Take note of a block that was just committed and is being sent; tells whether its declaration goes along."""
        caught_up = self._cursor == self._newest_id
        self._newest_id = max(self._newest_id, *block.ids)
        if not self._present or block.range in self._on_the_way:
            return False
        declare = (block.stream, block.schema) not in self._known
        if len(self._on_the_way) < _MOST_ON_THE_WAY and self._bytes < _LIVE_BYTES:
            if caught_up:
                self._cursor = self._newest_id
            self._track(block, now_ns, declare, again=False)
        # Else the sweep finds it, since the cursor stays before it.
        return declare

    def passed_over(self, block: Spooled) -> None:
        """Take note of a block that was committed and cannot be sent live: the sweep will find it."""
        self._newest_id = max(self._newest_id, *block.ids)

    def next(self, now_ns: int) -> Sweep | Again | None:
        """Give what to read and send now, if anything."""
        if not self._present:
            return None
        if expired := self._expired(now_ns):
            return Again(self._take_back(expired).ids)
        room_bytes = self._pace.window_bytes - self._bytes
        if self._cursor < self._newest_id and (room_bytes > 0 and len(self._on_the_way) < _MOST_ON_THE_WAY):
            return Sweep(self._session, self._cursor, self._newest_id, min(room_bytes, MESSAGE_BYTES))
        return None

    def swept(self, sweep: Sweep, blocks: Iterable[Spooled]) -> list[Spooled]:
        """Take note of what a sweep found; gives those blocks of it that are not on their way yet."""
        found = list(blocks)
        if sweep.session != self._session:
            return []
        self._cursor = max(self._cursor, found[-1].ids[-1] if found else sweep.up_to_id)
        return [each for each in found if self._ids.isdisjoint(each.ids)]

    def sent(self, block: Spooled, now_ns: int, *, again: bool) -> bool:
        """Take note of a block out of the backlog that is being sent; tells whether its declaration goes along."""
        declare = (block.stream, block.schema) not in self._known
        if self._present and block.range not in self._on_the_way:
            self._track(block, now_ns, declare, again)
        return declare

    def acknowledged(self, done: Range, now_ns: int) -> None:
        """Take note of what the archive has committed."""
        entry = self._on_the_way.get(done)
        if entry is None:
            return
        busy = 2 * self._bytes > self._pace.window_bytes
        self._take_back(done)
        self._known.add((done.stream, entry.schema))
        if not entry.again:
            self._pace.note_delay(now_ns - entry.sent_ns, entry.size_bytes, busy=busy)

    def unknown(self, stream: str, schema: str) -> None:
        """Take note that the archive lacks a declaration: blocks that were sent without it are due at once."""
        self._known.discard((stream, schema))
        self._due = [
            range_
            for range_, entry in self._on_the_way.items()
            if (range_.stream, entry.schema) == (stream, schema) and not entry.declared
        ] + self._due

    def wake_ns(self) -> int | None:
        """Give the time at which `next` has something at the latest, None when only an event changes that."""
        first = next(iter(self._on_the_way.values()), None)
        return None if first is None else first.sent_ns + self._pace.timeout_ns

    def _expired(self, now_ns: int) -> Range | None:
        while self._due:
            if (due := self._due.pop()) in self._on_the_way:
                return due
        oldest = next(iter(self._on_the_way), None)
        if oldest is None or now_ns - self._on_the_way[oldest].sent_ns < self._pace.timeout_ns:
            return None
        self._pace.note_loss(self._on_the_way[oldest].sent_ns, now_ns)
        return oldest

    def _track(self, block: Spooled, now_ns: int, declared: bool, again: bool) -> None:
        self._on_the_way[block.range] = _OnTheWay(
            block.ids, block.schema, block.size_bytes, now_ns, declared and bool(block.schema), again
        )
        self._ids.update(block.ids)
        self._bytes += block.size_bytes

    def _take_back(self, range_: Range) -> _OnTheWay:
        entry = self._on_the_way.pop(range_)
        self._ids.difference_update(entry.ids)
        self._bytes -= entry.size_bytes
        return entry

    def _forget_on_the_way(self) -> None:
        self._on_the_way.clear()
        self._ids.clear()
        self._due.clear()
        self._bytes = 0
