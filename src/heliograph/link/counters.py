"""Which counters of signed commands have been used: none is admitted twice, whatever order they come in."""

from __future__ import annotations

import msgspec

ROOM = 64
"""How many commands may overtake one. Counters follow a clock, so that how far they are apart says nothing."""
_LIMIT = 1 << 63


class CounterWindow(msgspec.Struct, frozen=True):
    """The counters that one key has used for one node.

    >>> window = CounterWindow().with_counter(1_000_000)
    >>> window.admits(1_000_000), window.admits(9), window.with_counter(9).admits(9)
    (False, True, False)
    """

    closed: int = 0
    """This one and all below it count as used."""
    used: tuple[int, ...] = ()
    """Those above it that were used, the lowest first; at most `ROOM`."""

    @property
    def highest(self) -> int:
        """The highest that was used, or may have been."""
        return self.used[-1] if self.used else self.closed

    def admits(self, counter: int) -> bool:
        """Tell whether a counter is new; one that more than `ROOM` used ones are above is not, used or unused."""
        return self.closed < counter < _LIMIT and counter not in self.used

    def with_counter(self, counter: int) -> CounterWindow:
        """Give the window after a counter was used. Raises `ValueError` for one that it does not admit."""
        if not self.admits(counter):
            raise ValueError(f"counter {counter} was used, or may have been")
        used = sorted((*self.used, counter))
        if len(used) <= ROOM:
            return CounterWindow(self.closed, tuple(used))
        return CounterWindow(used[0], tuple(used[1:]))
