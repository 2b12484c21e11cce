"""The durable spool: what was measured stays on the disk until an archive has it, or until there is no more room."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import msgspec

from heliograph.core import OutputError, SettingError
from heliograph.link.channel import Stream
from heliograph.link.database import Database
from heliograph.link.spooled import Spooled
from heliograph.link.telemetry import DROPS_STREAM, EVENTS_STREAM, Range

_log = logging.getLogger(__name__)

LEAST_BYTES = 1_000_000
RESERVE_BYTES = 16 * 1024 * 1024
"""Nothing is spooled while the disk has less."""
_APPLICATION = 0x48656C53  # "HelS"
_VERSION = 1
_ROWS_A_READ = 512
_MOST_DROPPED = 4_096
_MOST_REMOVALS = 100_000
_COLUMNS = "id, boot, stream, schema, first, count, times, rows, wall_minus_boot_ns, clock_synchronised"
_SCHEMA = """
CREATE TABLE block (
    id INTEGER PRIMARY KEY, boot TEXT NOT NULL, stream TEXT NOT NULL, schema TEXT NOT NULL,
    first INTEGER NOT NULL, count INTEGER NOT NULL, wall_minus_boot_ns INTEGER NOT NULL,
    clock_synchronised INTEGER NOT NULL, kept INTEGER NOT NULL, times BLOB NOT NULL, rows BLOB NOT NULL
);
CREATE UNIQUE INDEX block_number ON block (boot, stream, first);
CREATE INDEX block_importance ON block (kept, id, count);
CREATE TABLE declaration (
    stream TEXT NOT NULL, schema TEXT NOT NULL, content BLOB NOT NULL, PRIMARY KEY (stream, schema)
) WITHOUT ROWID;
CREATE TABLE lost (
    boot TEXT NOT NULL, stream TEXT NOT NULL, first INTEGER NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (boot, stream, first)
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Appended:
    """What a commit did."""

    blocks: tuple[Spooled, ...]
    """As they were given, with their ids."""
    dropped: tuple[Range, ...]
    """What had to go to make room."""


class Spool:
    """Blocks in one SQLite file of at most `max_bytes`; its log, some 4 MB, comes on top. Safe for use from any thread.

    What `append` has returned outlives a power cut. A file that is damaged or somebody else's is moved aside, which
    `report` is told in one line. Raises `OutputError` when the folder cannot be made, `SettingError` for no room.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     spool = Spool(Path(folder) / "spool.sqlite", max_bytes=10_000_000)
    ...     done = spool.append([Spooled("b1", "health", "", 1, 1, bytes(8), bytes(8), 0, False)])
    ...     print(spool.samples, spool.read(0, spool.newest_id, 1_000)[0].range)
    ...     spool.close()
    1 Range(boot='b1', stream='health', first=1, count=1)
    """

    def __init__(self, path: Path, *, max_bytes: int, report: Callable[[str], None] = _log.warning) -> None:
        if max_bytes < LEAST_BYTES:
            raise SettingError(f"a spool of {max_bytes} bytes is too small: give it {LEAST_BYTES} or more")
        self._max_bytes = max_bytes
        self._folder = path.parent
        self._appending = threading.Lock()
        self._removals: list[Range] = []
        self._declared: set[str] = set()
        self._newest_id = 0
        self._samples = 0
        self._database = Database(
            path, application=_APPLICATION, version=_VERSION, schema=_SCHEMA, opened=self._count, report=report
        )

    @property
    def newest_id(self) -> int:
        """Id of the newest block that was committed."""
        return self._newest_id

    @property
    def samples(self) -> int:
        """How many samples and events wait."""
        return self._samples

    def append(
        self,
        blocks: Sequence[Spooled],
        *,
        declarations: Iterable[Stream] = (),
        lost: Iterable[Range] = (),
        reported: Iterable[Range] = (),
    ) -> Appended:
        """Commit blocks, what was lost before it came here, and what waits to be removed; drop the oldest for room.

        `reported` are the losses that one of the blocks tells of. Raises `OutputError` when nothing was committed.
        """
        if blocks:
            self._check_reserve()
        with self._appending:
            removals, self._removals = self._removals, []
            try:
                return self._append(blocks, declarations, lost, reported, removals)
            except OutputError:
                self._removals = removals + self._removals
                raise

    def remove(self, ranges: Iterable[Range]) -> None:
        """Forget what an archive has committed, with the next `append` or `settle`."""
        with self._appending:
            # On a disk that stays full they could grow; what is forgotten here is sent again.
            self._removals.extend(islice(ranges, _MOST_REMOVALS - len(self._removals)))

    def settle(self) -> None:
        """Commit what waits to be removed. Raises `OutputError`."""
        if self._removals:
            self.append(())

    def read(self, after_id: int, up_to_id: int, most_bytes: int) -> list[Spooled]:
        """Give blocks, oldest first: one, and as many more as fit into so many bytes. Raises `OutputError`."""
        statement = f"SELECT {_COLUMNS} FROM block WHERE id > ? AND id <= ? ORDER BY id LIMIT {_ROWS_A_READ}"
        found: list[Spooled] = []
        with self._database.query(statement, (after_id, up_to_id)) as rows:
            for row in rows:
                found.append(_spooled(row))
                most_bytes -= found[-1].size_bytes
                if most_bytes <= 0:
                    break
        return found

    def fetch(self, ids: Sequence[int]) -> list[Spooled]:
        """Give those of some blocks that are still there. Raises `OutputError`."""
        statement = f"SELECT {_COLUMNS} FROM block WHERE id IN ({','.join('?' * len(ids))}) ORDER BY id"
        with self._database.query(statement, tuple(ids)) as rows:
            return [_spooled(row) for row in rows]

    def newest_of(self, stream: str) -> list[Spooled]:
        """Give the newest blocks of a stream, a bounded number, oldest first. Raises `OutputError`."""
        statement = f"SELECT {_COLUMNS} FROM block WHERE stream = ? ORDER BY id DESC LIMIT {_ROWS_A_READ}"
        with self._database.query(statement, (stream,)) as rows:
            return [_spooled(row) for row in rows][::-1]

    def declaration(self, stream: str, schema: str) -> Stream | None:
        """Give a declaration that was committed with blocks, of this boot or a former one. Raises `OutputError`."""
        statement = "SELECT content FROM declaration WHERE stream = ? AND schema = ?"
        with self._database.query(statement, (stream, schema)) as rows:
            return next((msgspec.msgpack.decode(content, type=Stream) for (content,) in rows), None)

    def losses(self, limit: int = 1_000) -> list[Range]:
        """Give what was dropped and not reported yet. Raises `OutputError`."""
        with self._database.query("SELECT boot, stream, first, count FROM lost LIMIT ?", (limit,)) as rows:
            return [Range(*row) for row in rows]

    def close(self) -> None:
        """Commit what waits to be removed, as far as that is possible, and close the file."""
        with contextlib.suppress(OutputError):
            self.settle()
        self._database.close()

    def _append(
        self,
        blocks: Sequence[Spooled],
        declarations: Iterable[Stream],
        lost: Iterable[Range],
        reported: Iterable[Range],
        removals: list[Range],
    ) -> Appended:
        with self._database.transaction() as database:
            fresh = tuple(replace(each, ids=(self._newest_id + at,)) for at, each in enumerate(blocks, 1))
            removed = sum(_delete(database, each) for each in removals)
            fresh_declarations = [each for each in declarations if each.schema not in self._declared]
            database.executemany(
                "INSERT OR IGNORE INTO declaration VALUES (?, ?, ?)",
                [(each.name, each.schema, msgspec.msgpack.encode(each)) for each in fresh_declarations],
            )
            database.executemany(
                f"INSERT INTO block ({_COLUMNS}, kept) VALUES (?,?,?,?,?,?,?,?,?,?,?)", [_row(each) for each in fresh]
            )
            database.executemany(
                "DELETE FROM lost WHERE boot = ? AND stream = ? AND first = ? AND count = ?",
                [msgspec.structs.astuple(each) for each in reported],
            )
            dropped = self._make_room(database)
            for each in (*lost, *dropped):
                _note_loss(database, each)
        self._declared.update(each.schema for each in fresh_declarations)
        if fresh:
            self._newest_id = fresh[-1].ids[0]
        self._samples += sum(each.count for each in fresh) - removed - sum(each.count for each in dropped)
        return Appended(fresh, tuple(dropped))

    def _make_room(self, database: sqlite3.Connection) -> list[Range]:
        """Drop the oldest of the least important: samples first, then events and what tells of drops."""
        ((page_bytes,),) = database.execute("PRAGMA page_size")
        dropped: list[Range] = []
        while len(dropped) < _MOST_DROPPED:
            ((pages,),) = database.execute("PRAGMA page_count")
            ((free,),) = database.execute("PRAGMA freelist_count")
            if (pages - free) * page_bytes <= self._max_bytes:
                break
            gone = database.execute(
                "DELETE FROM block WHERE id = (SELECT id FROM block ORDER BY kept, id LIMIT 1)"
                " RETURNING boot, stream, first, count"
            ).fetchall()
            if not gone:
                break
            dropped += [Range(*row) for row in gone]
        return dropped

    def _check_reserve(self) -> None:
        """The last of the disk is for removals, which need some themselves, and for what else the node must write."""
        try:
            disk = os.statvfs(self._folder)
        except OSError:
            return  # the commit itself will tell
        if (free_bytes := disk.f_bavail * disk.f_frsize) < RESERVE_BYTES:
            raise OutputError(
                f"the disk of {self._folder} has {free_bytes} bytes left, fewer than {RESERVE_BYTES}: free some room"
            )

    def _count(self, database: sqlite3.Connection) -> None:
        ((newest, samples),) = database.execute("SELECT max(id), sum(count) FROM block")
        # Never an id twice while the program runs, whatever became of the file.
        self._newest_id = max(self._newest_id, newest or 0)
        self._samples = samples or 0
        self._declared.clear()


def _row(block: Spooled) -> tuple[object, ...]:
    return (
        *block.ids,
        block.boot,
        block.stream,
        block.schema,
        block.first,
        block.count,
        block.times,
        block.rows,
        block.wall_minus_boot_ns,
        block.clock_synchronised,
        block.stream in (EVENTS_STREAM, DROPS_STREAM),
    )


def _spooled(row: tuple[int, str, str, str, int, int, bytes, bytes, int, int]) -> Spooled:
    return Spooled(*row[1:9], clock_synchronised=bool(row[9]), ids=(row[0],))


def _delete(database: sqlite3.Connection, gone: Range) -> int:
    """Give the number of samples that went."""
    end = gone.first + gone.count
    rows = database.execute(
        "DELETE FROM block WHERE boot = ? AND stream = ? AND first >= ? AND first < ? AND first + count <= ?"
        " RETURNING count",
        (gone.boot, gone.stream, gone.first, end, end),
    )
    return sum(count for (count,) in rows.fetchall())


def _note_loss(database: sqlite3.Connection, loss: Range) -> None:
    """Together with its neighbours, so that a long outage is a few rows."""
    first, count = loss.first, loss.count
    series = (loss.boot, loss.stream)
    before = database.execute(
        "SELECT first, count FROM lost WHERE boot = ? AND stream = ? AND first < ? ORDER BY first DESC LIMIT 1",
        (*series, first),
    ).fetchone()
    if before and before[0] + before[1] == first:
        first, count = before[0], before[1] + count
    after = database.execute(
        "DELETE FROM lost WHERE boot = ? AND stream = ? AND first = ? RETURNING count",
        (*series, loss.first + loss.count),
    ).fetchone()
    count += after[0] if after else 0
    database.execute("INSERT OR REPLACE INTO lost VALUES (?, ?, ?, ?)", (*series, first, count))
