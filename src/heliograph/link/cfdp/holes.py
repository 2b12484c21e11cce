"""When to ask for what is missing: not for what is only late, and not again before an answer can be there."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from heliograph.link.cfdp.extents import Extents

NEVER_NS = 1 << 62
# What is missing may only have been overtaken: wait a part of a round trip, within bounds.
_LATE_PART = 16
# A rate that was measured in a bad moment must not put off the next request for ever.
_MOST_QUEUE_NS = 10_000_000_000
_LEAST_LATE_NS, _MOST_LATE_NS = 1_000_000, 50_000_000


class Holes:
    """Ranges that are missing, each with the time to ask for it."""

    def __init__(self) -> None:
        self._seen: deque[tuple[int, int, int]] = deque()
        self._asked: deque[tuple[int, int, int]] = deque()
        self._answered_ns = 0

    @property
    def due_ns(self) -> int:
        """When to ask next."""
        return min((waiting[0][0] for waiting in (self._seen, self._asked) if waiting), default=NEVER_NS)

    def see(self, start: int, end: int, now_ns: int, round_trip_ns: int) -> None:
        """Note a hole that came to light."""
        late_ns = min(max(round_trip_ns // _LATE_PART, _LEAST_LATE_NS), _MOST_LATE_NS)
        self._seen.append((now_ns + late_ns, start, end))

    def refresh(self, holes: Iterable[tuple[int, int]]) -> None:
        """Ask for all of these at once, and for nothing that was known before."""
        self._asked.clear()
        self._answered_ns = 0
        self._seen = deque((0, start, end) for start, end in holes)

    def due(self, received: Extents, now_ns: int, patience_ns: int, rate_bytes_per_s: float) -> list[tuple[int, int]]:
        """Give what to ask for now.

        It is due again `patience_ns` after it, and all that was asked before it, can have come at this rate.
        """
        asked: list[tuple[int, int]] = []
        for waiting in (self._asked, self._seen):
            while waiting and waiting[0][0] <= now_ns:
                _, start, end = waiting.popleft()
                asked += received.missing(start, end)
        asked.sort()
        for start, end in asked:
            takes_ns = int((end - start) / rate_bytes_per_s * 1e9) if rate_bytes_per_s else 0
            self._answered_ns = min(max(self._answered_ns, now_ns) + takes_ns, now_ns + _MOST_QUEUE_NS)
            self._asked.append((self._answered_ns + patience_ns, start, end))
        return asked
