"""How rows become samples and events again."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from typing import Any

import msgspec
import numpy as np

from heliograph.link.archive.contract import Gap
from heliograph.link.archive.tables import key_of, stream_of
from heliograph.link.event import ArchivedEvent, Event, Severity
from heliograph.link.intake import HIGHEST_NUMBER, Samples

_SEVERITIES = list(Severity)
SAMPLE = "id, boot_time_ns, wall_time_ns, declaration, synchronised, row"
"""Columns that samples are made of."""


def samples_of_rows(db: sqlite3.Connection, series: int, rows: list[tuple[Any, ...]]) -> Iterator[Samples]:
    """Give rows of `SAMPLE` of one series; a declaration that changed begins new samples."""
    node, boot, offset_ns = db.execute(
        "SELECT node, boot, ground_minus_boot_ns FROM series LEFT JOIN run USING (node, boot) WHERE series.id = ?",
        (series,),
    ).fetchone()
    for (declaration, synchronised), same in groupby(rows, lambda row: row[3:5]):
        keys, boot_times_ns, wall_times_ns, _, _, packed = zip(*same, strict=True)
        stream = stream_of(db.execute("SELECT packed FROM declaration WHERE id = ?", (declaration,)).fetchone()[0])
        yield Samples(
            node=node,
            boot=boot,
            stream=stream,
            sequences=np.array(keys) - key_of(series, 0),
            boot_times_ns=np.array(boot_times_ns),
            wall_times_ns=np.array(wall_times_ns),
            rows=np.frombuffer(b"".join(packed), stream.dtype),
            synchronised=bool(synchronised),
            ground_minus_boot_ns=offset_ns,
        )


def event_of_row(
    boot: str, key: int, wall_time_ns: int, boot_time_ns: int, severity: int, name: str, message: str, arguments: bytes
) -> ArchivedEvent:
    """Give the event that a row and the boot of its series stand for."""
    return ArchivedEvent(
        boot=boot,
        sequence=key & HIGHEST_NUMBER,
        wall_time_ns=wall_time_ns,
        event=Event(
            boot_time_ns=boot_time_ns,
            severity=_SEVERITIES[severity],
            name=name,
            message=message,
            arguments=msgspec.msgpack.decode(arguments),
        ),
    )


def gaps_of(held: Sequence[tuple[int, int]], lost: Sequence[tuple[int, int]]) -> list[Gap]:
    """Give what is missing between 1 and the highest number of either; ranges are in order and do not overlap.

    >>> [(gap.first, gap.last, gap.dropped) for gap in gaps_of([(3, 4), (9, 9)], [(2, 3), (6, 7)])]
    [(1, 1, False), (2, 2, True), (5, 5, False), (6, 7, True), (8, 8, False)]
    """
    highest = max((last for _, last in (*held, *lost)), default=0)
    gaps = []
    next_lost = 0
    for (_, before), (after, _) in pairwise([(0, 0), *held, (highest + 1, highest + 1)]):
        at = before + 1
        while next_lost < len(lost) and lost[next_lost][0] < after:
            begin, end = max(at, lost[next_lost][0]), min(after - 1, lost[next_lost][1])
            if begin <= end:
                gaps += [Gap(at, begin - 1), Gap(begin, end, dropped=True)]
                at = end + 1
            if lost[next_lost][1] >= after:
                break  # it may go on behind what is held
            next_lost += 1
        gaps.append(Gap(at, after - 1))
    return [gap for gap in gaps if gap.count > 0]
