"""An archive in one SQLite file."""

from __future__ import annotations

import sqlite3
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Self

from heliograph.core import OutputError, SourceError
from heliograph.link.archive.contract import Gap
from heliograph.link.archive.ingest import add_range, merged, series_of, store_drops, store_events, store_samples
from heliograph.link.archive.retrieval import SAMPLE, event_of_row, gaps_of, samples_of_rows
from heliograph.link.archive.tables import MINUTE_NS, check_file, connect_to_read, key_of, open_file, stream_of
from heliograph.link.channel import Stream
from heliograph.link.event import ArchivedEvent, Severity
from heliograph.link.intake import HIGHEST_NUMBER, Samples
from heliograph.link.telemetry import DROPS, EVENTS_STREAM, Block

_PORTION = 5000


class SqliteArchive:
    """Keeps samples and events in a file, which others may read meanwhile.

    Raises `OutputError` when it cannot be written, `SourceError` for a file that is something else. With `read_only` it
    need not be one that may be written, and must be there: raises `SourceNotFoundError` otherwise.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._path = path
        if read_only:
            check_file(path)
        self._writer = None if read_only else open_file(path)
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._writer is not None:
                self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def store(self, blocks: Sequence[Block], ground_minus_boot_ns: Mapping[tuple[str, str], int] | None = None) -> None:
        """Commit checked blocks, all or none: see `Archive.store`."""
        with self._transaction() as db:
            came: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
            for block in blocks:
                series = series_of(db, block.node, block.boot, block.stream)
                if block.stream == EVENTS_STREAM:
                    store_events(db, series, block)
                else:
                    store_samples(db, series, block)
                    if block.schema == DROPS.schema:
                        store_drops(db, block)
                came[series].append((block.first, block.first + block.count - 1))
            for series, ranges in came.items():
                for first, last in merged(ranges):
                    add_range(db, "held", series, first, last)
            db.executemany(
                "INSERT INTO run VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET"
                " ground_minus_boot_ns = min(ground_minus_boot_ns, excluded.ground_minus_boot_ns)",
                [(*run, offset_ns) for run, offset_ns in (ground_minus_boot_ns or {}).items()],
            )

    def declaration(self, node: str, stream: str, schema: str) -> Stream | None:
        """Give a declaration that came with a stored block."""
        with self._reading() as db:
            found = db.execute(
                "SELECT packed FROM declaration WHERE (node, stream, schema) = (?, ?, ?)", (node, stream, schema)
            ).fetchone()
        return stream_of(found[0]) if found else None

    def name_node(self, node: str, name: str) -> None:
        """Keep the label of a node. Raises `OutputError`."""
        with self._transaction() as db:
            db.execute("INSERT OR REPLACE INTO node VALUES (?, ?)", (node, name))

    def nodes(self) -> dict[str, str]:
        """Give every node there is something of, and its label, which may be empty."""
        with self._reading() as db:
            return dict(
                db.execute(
                    "SELECT each.id, coalesce(node.name, '') FROM"
                    " (SELECT id FROM node UNION SELECT DISTINCT node FROM series) each LEFT JOIN node USING (id)"
                )
            )

    def samples(
        self, node: str, stream: str, after_ns: int, before_ns: int, limit: int | None = None
    ) -> Iterator[Samples]:
        """Give samples between two times, run by run: see `Archive.samples`."""
        left = HIGHEST_NUMBER if limit is None else limit
        minutes = (after_ns // MINUTE_NS, before_ns // MINUTE_NS)
        with self._reading() as db:
            found = db.execute(
                "SELECT series.id, min(first), max(last) FROM series JOIN minute ON minute.series = series.id"
                " WHERE node = ? AND stream = ? AND minute BETWEEN ? AND ? GROUP BY series.id ORDER BY min(minute), 1",
                (node, stream, *minutes),
            ).fetchall()
            for series, first, last in found:
                rows = db.execute(
                    f"SELECT {SAMPLE} FROM sample WHERE id BETWEEN ? AND ? AND wall_time_ns >= ? AND wall_time_ns < ?"
                    " ORDER BY id LIMIT ?",
                    (key_of(series, first), key_of(series, last), after_ns, before_ns, left),
                )
                while portion := rows.fetchmany(_PORTION):
                    left -= len(portion)
                    yield from samples_of_rows(db, series, portion)

    def newest(self, node: str) -> list[Samples]:
        """Give the newest sample of each stream: by the clock of the ground where an archive measured it."""
        with self._reading() as db:
            # SQLite takes the other columns from the row that has the maximum.
            found = db.execute(
                "SELECT series.id, sample.id, max(coalesce(boot_time_ns + ground_minus_boot_ns, wall_time_ns))"
                " FROM (SELECT series, max(last) AS last FROM held GROUP BY series)"
                " JOIN series ON series.id = series JOIN sample ON sample.id = (series << 40) + last"
                " LEFT JOIN run USING (node, boot) WHERE node = ? AND stream != ? GROUP BY stream ORDER BY stream",
                (node, EVENTS_STREAM),
            ).fetchall()
            return [
                samples
                for series, key, _ in found
                for samples in samples_of_rows(
                    db, series, db.execute(f"SELECT {SAMPLE} FROM sample WHERE id = ?", (key,)).fetchall()
                )
            ]

    def events(
        self, node: str, after_ns: int, before_ns: int, *, severity: Severity, text: str = "", limit: int = 100
    ) -> list[ArchivedEvent]:
        """Give the newest `limit` events that fit, oldest first: see `Archive.events`."""
        with self._reading() as db:
            db.create_function("folded", 1, str.casefold, deterministic=True)
            rows = db.execute(
                "SELECT boot, event.id, wall_time_ns, boot_time_ns, severity, name, message, arguments"
                " FROM event JOIN series ON series.id = event.id >> 40"
                " WHERE node = ? AND wall_time_ns >= ? AND wall_time_ns < ? AND severity >= ?"
                " AND (? = '' OR instr(folded(name || char(10) || message), ?))"
                " ORDER BY wall_time_ns DESC, event.id DESC LIMIT ?",
                (node, after_ns, before_ns, severity.rank, text, text.casefold(), limit),
            ).fetchall()
        return [event_of_row(*row) for row in reversed(rows)]

    def gaps(self, node: str, boot: str, stream: str) -> list[Gap]:
        """Give the numbers that are missing below the highest that is there or was dropped."""
        with self._reading() as db:
            held, lost = (
                db.execute(
                    f"SELECT first, last FROM {table} JOIN series ON series.id = series"
                    " WHERE (node, boot, stream) = (?, ?, ?) ORDER BY first",
                    (node, boot, stream),
                ).fetchall()
                for table in ("held", "lost")
            )
        return gaps_of(held, lost)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            writer = self._writer
            if writer is None:
                raise OutputError(f"the archive {self._path} was opened to be read only")
            try:
                writer.execute("BEGIN IMMEDIATE")
                yield writer
                writer.execute("COMMIT")
            except sqlite3.Error as error:
                raise OutputError(
                    f"cannot write the archive {self._path} ({error}): is there room on its disk?"
                ) from error
            finally:
                # After an error; a full disk has ended the transaction already.
                if writer.in_transaction:
                    with suppress(sqlite3.Error):
                        writer.execute("ROLLBACK")

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """Connect anew: who reads for long, or from another thread, is in nobody's way."""
        try:
            with closing(connect_to_read(self._path)) as db:
                db.execute("BEGIN")
                yield db
        except sqlite3.Error as error:
            raise SourceError(f"cannot read the archive {self._path} ({error})") from error
