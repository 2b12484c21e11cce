"""How blocks become rows; what is there already is left alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from heliograph.core import OutputError
from heliograph.link.archive.tables import MINUTE_NS, key_of, stream_of
from heliograph.link.channel import Stream
from heliograph.link.intake import HIGHEST_NUMBER, events_of, row_bytes
from heliograph.link.telemetry import DROPS, Block


def series_of(db: sqlite3.Connection, node: str, boot: str, stream: str) -> int:
    """Give the number of a series, which may be new."""
    who = (node, boot, stream)
    db.execute("INSERT OR IGNORE INTO series (node, boot, stream) VALUES (?, ?, ?)", who)
    found: int = db.execute("SELECT id FROM series WHERE (node, boot, stream) = (?, ?, ?)", who).fetchone()[0]
    return found


def store_samples(db: sqlite3.Connection, series: int, block: Block) -> None:
    """Insert the samples of a block. Raises `OutputError` when its declaration never came."""
    declaration, stream = _declaration(db, block)
    boot_times_ns = np.frombuffer(block.times, "<i8")
    # One statement for the block: SQLite takes rows and times apart, and Python is free meanwhile.
    db.execute(
        "INSERT OR IGNORE INTO sample SELECT :key + key, value, value + :offset, :declaration, :synchronised,"
        " substr(:rows, key * :size + 1, :size) FROM json_each(:times)",
        {
            "key": key_of(series, block.first),
            "offset": block.wall_minus_boot_ns,
            "declaration": declaration,
            "synchronised": block.clock_synchronised,
            "rows": block.rows,
            "size": row_bytes(block, stream),
            "times": msgspec.json.encode(boot_times_ns.tolist()).decode(),
        },
    )
    db.executemany(
        "INSERT INTO minute VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET first = min(first, excluded.first), last = max(last, excluded.last)",
        [
            (series, minute, block.first + first, block.first + last)
            for minute, first, last in minutes_of(boot_times_ns + block.wall_minus_boot_ns)
        ],
    )


def store_events(db: sqlite3.Connection, series: int, block: Block) -> None:
    """Insert the events of a block."""
    db.executemany(
        "INSERT OR IGNORE INTO event VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (
                key_of(series, each.sequence),
                each.event.boot_time_ns,
                each.wall_time_ns,
                each.event.severity.rank,
                each.event.name,
                each.event.message,
                msgspec.msgpack.encode(each.event.arguments),
            )
            for each in events_of(block)
        ],
    )


def store_drops(db: sqlite3.Connection, block: Block) -> None:
    """Note the ranges of samples that a block of `DROPS_STREAM` says are lost."""
    for each in np.frombuffer(block.rows, DROPS.dtype):
        first, count = int(each["first"]), int(each["count"])
        if 1 <= first <= first + count - 1 <= HIGHEST_NUMBER:
            boot, stream = (each[name].decode("utf-8", "replace") for name in ("boot", "stream"))
            add_range(db, "lost", series_of(db, block.node, boot, stream), first, first + count - 1)


def add_range(db: sqlite3.Connection, table: str, series: int, first: int, last: int) -> None:
    """Add a range to those of `held` or `lost`: it takes in the ones that it touches."""
    before = db.execute(
        f"SELECT first, last FROM {table} WHERE series = ? AND first < ? ORDER BY first DESC LIMIT 1", (series, first)
    ).fetchone()
    if before and before[1] >= first - 1:
        first, last = before[0], max(last, before[1])
    within = (series, first, last + 1)
    touched = f"{table} WHERE series = ? AND first BETWEEN ? AND ?"
    highest = db.execute(f"SELECT max(last) FROM {touched}", within).fetchone()[0]
    db.execute(f"DELETE FROM {touched}", within)
    db.execute(f"INSERT INTO {table} VALUES (?, ?, ?)", (series, first, max(last, highest or 0)))


def merged(ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join ranges (first, last) that touch or overlap.

    >>> merged([(7, 9), (1, 2), (3, 4), (3, 3)])
    [(1, 4), (7, 9)]
    """
    joined: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return joined


def minutes_of(wall_times_ns: np.ndarray[Any, np.dtype[np.int64]]) -> list[tuple[int, int, int]]:
    """Give the minutes in which times lie, each with the first and the last index of those in it.

    >>> minutes_of(np.array([59, 61, 62, 58]) * 10**9)
    [(0, 0, 3), (1, 1, 2)]
    """
    minutes = wall_times_ns // MINUTE_NS
    found, first = np.unique(minutes, return_index=True)
    last = len(minutes) - 1 - np.unique(minutes[::-1], return_index=True)[1]
    return list(zip(found.tolist(), first.tolist(), last.tolist(), strict=True))


def _declaration(db: sqlite3.Connection, block: Block) -> tuple[int, Stream]:
    what = (block.node, block.stream, block.schema)
    if block.declaration is not None:
        db.execute(
            "INSERT OR IGNORE INTO declaration (node, stream, schema, packed) VALUES (?, ?, ?, ?)",
            (*what, msgspec.msgpack.encode(block.declaration)),
        )
    found = db.execute("SELECT id, packed FROM declaration WHERE (node, stream, schema) = (?, ?, ?)", what).fetchone()
    if found is None:
        raise OutputError(f"a block of {block.stream!r} cannot be stored for want of its declaration")
    return found[0], stream_of(found[1])
