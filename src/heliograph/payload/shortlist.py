"""The best pictures so far, and no others."""

from __future__ import annotations

from dataclasses import dataclass, replace

from heliograph.core import Frame
from heliograph.payload.scorer import Score


def picture_number(number: int, count: int) -> str:
    """Give the number of a picture in a series of `count` as it stands in names and tables.

    >>> picture_number(7, 400), picture_number(7, 10_001)
    ('007', '00007')
    """
    return f"{number:0{max(3, len(str(count - 1)))}d}"


@dataclass(frozen=True, slots=True)
class Record:
    """What stays of every picture of a series."""

    number: int
    """Order of arrival, from 0."""
    score: Score
    frame_id: int
    timestamp_ns: int
    """Start of exposure by the clock of the frame."""
    received_ns: int
    """When the program had it, since 1970 UTC."""
    missing_packets: int = 0

    @property
    def rank(self) -> tuple[bool, Score, int]:
        """Sorts records from worse to better: whole before incomplete, then score, then the earlier one.

        Pixels of missing packets are 0, and demosaicing beside rows that lost their green makes red that was never
        there: an incomplete picture must not beat a whole one.
        """
        return self.missing_packets == 0, self.score, -self.number


@dataclass(frozen=True, slots=True)
class Pick:
    """A picture worth keeping; its frame holds its own copy of the pixels."""

    record: Record
    frame: Frame


def offer(picks: tuple[Pick, ...], size: int, record: Record, frame: Frame) -> tuple[Pick, ...]:
    """Give the best `size` of `picks` and this picture, best first.

    The frame may be a lease of a network camera's buffer: its pixels are copied if it stays and let go if not.
    """
    if len(picks) == size and record.rank < picks[-1].record.rank:
        return picks
    pick = Pick(record, replace(frame, data=frame.data.copy()))
    return tuple(sorted([*picks, pick], key=lambda each: each.record.rank, reverse=True)[:size])
