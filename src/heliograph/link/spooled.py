"""Blocks as the spool holds them, and how small ones that follow one another become one message."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from heliograph.link.channel import Stream
from heliograph.link.telemetry import Block, Range

BLOCK_BYTES = 24 * 1024
"""What a block may hold: the bus drops what finds no room for 0.1 s, and a slow link has little of it."""
MESSAGE_BYTES = 256 * 1024
"""What one message of joined blocks may hold on a fast link."""
_SAME_CLOCK_NS = 1_000_000


@dataclass(frozen=True, slots=True)
class Spooled:
    """Samples of one stream with consecutive numbers; the fields are those of `Block`."""

    boot: str
    stream: str
    schema: str
    first: int
    count: int
    times: bytes
    rows: bytes
    wall_minus_boot_ns: int
    clock_synchronised: bool
    ids: tuple[int, ...] = ()
    """Of the spool's rows that it is made of, in rising order; none before it is committed."""

    @property
    def range(self) -> Range:
        """What an archive acknowledges when it has committed this."""
        return Range(self.boot, self.stream, self.first, self.count)

    @property
    def size_bytes(self) -> int:
        """Of times and values."""
        return len(self.times) + len(self.rows)

    def block(self, node: str, *, live: bool, declaration: Stream | None = None) -> Block:
        """Give the message."""
        return Block(
            node=node,
            boot=self.boot,
            stream=self.stream,
            schema=self.schema,
            first=self.first,
            count=self.count,
            times=self.times,
            rows=self.rows,
            wall_minus_boot_ns=self.wall_minus_boot_ns,
            clock_synchronised=self.clock_synchronised,
            live=live,
            declaration=declaration,
        )


def joined(pieces: Iterable[Spooled], most_bytes: int = MESSAGE_BYTES) -> Iterator[Spooled]:
    """Make one of those that follow one another in a stream, up to `most_bytes`; every sample stays what it is.

    Without it a slow stream's backlog would be a message for every sample.
    """
    runs: dict[tuple[str, str], list[Spooled]] = {}
    sizes_bytes: dict[tuple[str, str], int] = {}
    for piece in pieces:
        series = (piece.boot, piece.stream)
        run = runs.setdefault(series, [])
        size_bytes = sizes_bytes.get(series, 0) + piece.size_bytes
        if run and (size_bytes > most_bytes or not _follows(run, piece)):
            yield _one(run)
            run.clear()
            size_bytes = piece.size_bytes
        run.append(piece)
        sizes_bytes[series] = size_bytes
    for run in runs.values():
        yield _one(run)


def _follows(run: list[Spooled], piece: Spooled) -> bool:
    last = run[-1]
    return (
        # Events are lists of their own, and have no schema.
        piece.schema == last.schema != ""
        and piece.first == last.first + last.count
        and piece.clock_synchronised == last.clock_synchronised
        and abs(piece.wall_minus_boot_ns - run[0].wall_minus_boot_ns) < _SAME_CLOCK_NS
    )


def _one(run: list[Spooled]) -> Spooled:
    if len(run) == 1:
        return run[0]
    return replace(
        run[0],
        count=sum(each.count for each in run),
        times=b"".join(each.times for each in run),
        rows=b"".join(each.rows for each in run),
        ids=tuple(id_ for each in run for id_ in each.ids),
    )
