"""Which parts of a file there are: ranges that neither overlap nor touch."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

import numpy as np


class Extents:
    """Half-open ranges of offsets.

    >>> extents = Extents()
    >>> extents.add(0, 10), extents.add(20, 30), extents.add(5, 12)
    (10, 10, 2)
    >>> list(extents), list(extents.missing(0, 40)), extents.prefix
    ([(0, 12), (20, 30)], [(12, 20), (30, 40)], 12)
    """

    def __init__(self, packed: bytes = b"") -> None:
        numbers = np.frombuffer(packed, "<u8").tolist()
        self._starts: list[int] = numbers[0::2]
        self._ends: list[int] = numbers[1::2]
        self.total = sum(self._ends) - sum(self._starts)
        """Bytes in all ranges."""

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(list(zip(self._starts, self._ends, strict=True)))

    def __bool__(self) -> bool:
        return bool(self._starts)

    @property
    def prefix(self) -> int:
        """Where the range that begins at 0 ends; 0 when there is none."""
        return self._ends[0] if self._starts and self._starts[0] == 0 else 0

    @property
    def end(self) -> int:
        """Where the last range ends."""
        return self._ends[-1] if self._ends else 0

    def pack(self) -> bytes:
        """Give the bytes to make them anew from: uint64 little-endian, start and end in turn."""
        numbers = np.empty(2 * len(self._starts), "<u8")
        numbers[0::2], numbers[1::2] = self._starts, self._ends
        return numbers.tobytes()

    def add(self, start: int, end: int) -> int:
        """Add a range; gives how many bytes were not there before."""
        if start >= end:
            return 0
        # The common case, all the time while nothing is lost.
        if self._ends and start == self._ends[-1]:
            self._ends[-1] = end
            self.total += end - start
            return end - start
        first = bisect_left(self._ends, start)
        last = bisect_right(self._starts, end)
        before = sum(self._ends[first:last]) - sum(self._starts[first:last])
        if first < last:
            start, end = min(start, self._starts[first]), max(end, self._ends[last - 1])
        self._starts[first:last] = [start]
        self._ends[first:last] = [end]
        new = end - start - before
        self.total += new
        return new

    def remove(self, start: int, end: int) -> None:
        """Take a range out."""
        if start >= end:
            return
        kept = [(a, b) for a, b in self._within(start, end) for a, b in ((a, start), (end, b)) if a < b]
        first = bisect_right(self._ends, start)
        last = bisect_left(self._starts, end)
        if first >= last:
            return
        self.total -= sum(self._ends[first:last]) - sum(self._starts[first:last])
        self.total += sum(b - a for a, b in kept)
        self._starts[first:last] = [a for a, _ in kept]
        self._ends[first:last] = [b for _, b in kept]

    def missing(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Give the parts of a range that are not there."""
        for a, b in self._within(start, end):
            if start < a:
                yield start, a
            start = max(start, b)
        if start < end:
            yield start, end

    def first(self, most_bytes: int) -> tuple[int, int]:
        """Give the beginning of the first range, at most so long; raises `IndexError` when there is none."""
        start = self._starts[0]
        return start, min(self._ends[0], start + most_bytes)

    def _within(self, start: int, end: int) -> list[tuple[int, int]]:
        """Give the ranges that have something in common with one."""
        first = bisect_right(self._ends, start)
        last = bisect_left(self._starts, end)
        return list(zip(self._starts[first:last], self._ends[first:last], strict=True))
