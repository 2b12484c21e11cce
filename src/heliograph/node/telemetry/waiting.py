"""Blocks on their way to the disk: what was taken since the last commit, or, on a full disk, since longer."""

from __future__ import annotations

from collections.abc import Iterator

from heliograph.link.spooled import BLOCK_BYTES, Spooled, joined
from heliograph.link.telemetry import DROPS_STREAM, EVENTS_STREAM, Range
from heliograph.node.telemetry.losses import with_loss
from heliograph.node.telemetry.recorder import Taken

_MOST_BYTES = 16 * 1024 * 1024
_COMMIT_BYTES = 1024 * 1024
_MOST_BLOCKS = 2_000
_COST_BYTES = 500
"""What a block takes beside its samples."""


class Waiting:
    """Blocks of one run of the node, in bounded memory; what has no room is counted among the losses."""

    def __init__(self, boot: str) -> None:
        self._boot = boot
        self.blocks: list[Spooled] = []
        self.losses: list[Range] = []

    def add(self, stream: str, schema: str, taken: Taken, wall_minus_boot_ns: int, synchronised: bool) -> list[Spooled]:
        """Take what a recorder gave; gives the blocks that were made of it."""
        if taken.lost:
            self._lose(Range(self._boot, stream, taken.first + taken.count, taken.lost))
        made = [
            Spooled(self._boot, stream, schema, *piece, wall_minus_boot_ns, synchronised)
            for piece in _pieces(taken, divisible=stream != EVENTS_STREAM)
        ]
        self.blocks += made
        return made

    def shrink(self) -> None:
        """Join small blocks, then lose the oldest samples, then the oldest events, until what waits fits."""
        if len(self.blocks) > _MOST_BLOCKS:
            self.blocks = list(joined(self.blocks, BLOCK_BYTES))
        size_bytes = sum(each.size_bytes + _COST_BYTES for each in self.blocks)
        for block in sorted(self.blocks, key=lambda each: each.stream in (EVENTS_STREAM, DROPS_STREAM)):
            if size_bytes <= _MOST_BYTES:
                return
            self.blocks.remove(block)
            self._lose(block.range)
            size_bytes -= block.size_bytes + _COST_BYTES

    def first(self) -> list[Spooled]:
        """Give what one commit takes: after an outage of the disk all at once might find no room for ever."""
        size_bytes, count = 0, 0
        for block in self.blocks:
            if size_bytes >= _COMMIT_BYTES:
                break
            size_bytes += block.size_bytes
            count += 1
        return self.blocks[:count]

    def forget(self, count: int) -> None:
        """The first blocks are committed, and all losses."""
        del self.blocks[:count]
        self.losses = []

    def _lose(self, loss: Range) -> None:
        self.losses = with_loss(self.losses, loss)


def _pieces(taken: Taken, *, divisible: bool) -> Iterator[tuple[int, int, bytes, bytes]]:
    """First number, count, times and rows of blocks of at most `BLOCK_BYTES`; lists of events are no longer already."""
    if not taken.count:
        return
    row_bytes = len(taken.rows) // taken.count
    step = max(BLOCK_BYTES // (row_bytes + 8), 1) if divisible else taken.count
    for at in range(0, taken.count, step):
        count = min(step, taken.count - at)
        times = taken.times[8 * at : 8 * (at + count)]
        rows = taken.rows[row_bytes * at : row_bytes * (at + count)] if divisible else taken.rows
        yield taken.first + at, count, times, rows
