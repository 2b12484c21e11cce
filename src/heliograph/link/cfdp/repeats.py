"""How long to wait before the same is said again."""

from __future__ import annotations

_LONGEST_NS = 1_000_000_000
LAST_WORD_NS = 3_600_000_000_000
"""Who finds the way to us may ask for the end of a transfer later; one whose program died never will."""


class Repeats:
    """Waits that double, up to a second, or to what an answer takes where that is longer.

    >>> repeats = Repeats()
    >>> [repeats.next_ns(300_000_000) for _ in range(4)]
    [300000000, 600000000, 1000000000, 1000000000]
    """

    def __init__(self) -> None:
        self._factor = 1

    def next_ns(self, patience_ns: int) -> int:
        """Give the next wait; `patience_ns` is how long an answer may take."""
        wait_ns = max(patience_ns, min(self._factor * patience_ns, _LONGEST_NS))
        if wait_ns < _LONGEST_NS:
            self._factor *= 2
        return wait_ns
