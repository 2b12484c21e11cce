"""Which counters of signed commands have been used: none is admitted twice, whatever order they come in."""

from __future__ import annotations

import msgspec

ROOM = 63
"""How far commands may overtake one another; the bitmap and the highest counter fit a database's signed integers."""
_LIMIT = 1 << 63


class CounterWindow(msgspec.Struct, frozen=True):
    """The counters that one key has used for one node.

    >>> window = CounterWindow().with_counter(10)
    >>> window.admits(10), window.admits(9), window.with_counter(9).admits(9)
    (False, True, False)
    """

    highest: int = 0
    bitmap: int = 0
    """Bit n is set when `highest - 1 - n` was used."""

    def admits(self, counter: int) -> bool:
        """Tell whether a counter is new; one too far below the highest is not, used or unused."""
        if counter > self.highest:
            return counter < _LIMIT
        place = self.highest - counter - 1
        return counter > 0 and 0 <= place < ROOM and not self.bitmap >> place & 1

    def with_counter(self, counter: int) -> CounterWindow:
        """Give the window after a counter was used. Raises `ValueError` for one that it does not admit."""
        if not self.admits(counter):
            raise ValueError(f"counter {counter} was used, or may have been")
        if counter <= self.highest:
            return CounterWindow(self.highest, self.bitmap | 1 << (self.highest - counter - 1))
        step = counter - self.highest
        # Before the first there was none: 0 is no counter that anybody used.
        moved = (self.bitmap << 1 | 1) << (step - 1) if self.highest and step <= ROOM else 0
        return CounterWindow(counter, moved & ((1 << ROOM) - 1))
