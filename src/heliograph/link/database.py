"""A durable SQLite file: a commit is an fsync, and a damaged file is moved aside instead of stopping the program."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from heliograph.core import OutputError
from heliograph.core.atomic import sync_folder

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class Database:
    """One file with one writer and one reader at a time, both with bounded caches; safe for use from any thread.

    What a `transaction` leaves behind outlives a power cut. A file that is damaged, or does not bear `application` and
    `version`, is kept beside under the name `NAME.aside`, and `report` is told in one line. `opened` is called with the
    connection whenever a file, old or new, was opened. Raises `OutputError` when the folder cannot be made; a file that
    cannot be opened yet, for the disk is full, is opened when there is room.
    """

    def __init__(
        self,
        path: Path,
        *,
        application: int,
        version: int,
        schema: str,
        opened: Callable[[sqlite3.Connection], None],
        report: Callable[[str], None],
    ) -> None:
        self.path = path
        self._mark = (application, version)
        self._schema = schema
        self._opened_with = opened
        self._report = report
        self._writing = threading.RLock()
        self._reading = threading.Lock()
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        self._damaged = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{path.parent} cannot be made ({error.strerror}): choose another folder") from error
        with self._writing:
            try:
                self._opened()
            except OutputError as error:
                report(str(error))

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Commit what the body does, with an fsync before it returns, or nothing of it. Raises `OutputError`."""
        with self._writing:
            database = self._opened()
            try:
                database.execute("BEGIN IMMEDIATE")
                yield database
                database.execute("COMMIT")
            except BaseException as error:
                with contextlib.suppress(sqlite3.Error):
                    database.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    self._note_damage(error)
                    raise OutputError(f"{self.path} cannot be written ({error}): {_advice(error)}") from error
                raise

    @contextlib.contextmanager
    def query(self, statement: str, values: tuple[object, ...] = ()) -> Iterator[Iterator[tuple[Any, ...]]]:
        """Give the rows that a statement finds, one by one. Raises `OutputError`."""
        with self._reading:
            if self._reader is None:
                raise OutputError(f"{self.path} is not open")
            try:
                with contextlib.closing(self._reader.execute(statement, values)) as cursor:
                    yield cursor
            except sqlite3.Error as error:
                self._note_damage(error)
                raise OutputError(f"{self.path} cannot be read ({error})") from error

    def close(self) -> None:
        """Close the file; a later transaction would open it again."""
        with self._writing:
            self._disconnect()

    def _note_damage(self, error: sqlite3.Error) -> None:
        self._damaged |= _code(error) in _DAMAGED

    def _opened(self) -> sqlite3.Connection:
        if self._damaged:
            self._move_aside("is damaged")
        if self._writer is None:
            try:
                return self._connect()
            except sqlite3.Error as error:
                self._disconnect()
                if _code(error) not in _DAMAGED:
                    raise OutputError(f"{self.path} cannot be opened ({error}): {_advice(error)}") from error
            self._move_aside("is damaged")
            return self._opened()
        return self._writer

    def _connect(self) -> sqlite3.Connection:
        writer = self._writer = _connection(self.path)
        ((application,),) = writer.execute("PRAGMA application_id")
        ((version,),) = writer.execute("PRAGMA user_version")
        ((tables,),) = writer.execute("SELECT count(*) FROM sqlite_master")
        if tables and (application, version) != self._mark:
            self._move_aside("is somebody else's or of another version")
            writer = self._writer = _connection(self.path)
            tables = 0
        if not tables:
            mark = "PRAGMA application_id = {}; PRAGMA user_version = {};".format(*self._mark)
            writer.executescript(f"BEGIN; {mark} {self._schema} COMMIT;")
            sync_folder(self.path.parent)
        with self._reading:
            self._reader = _connection(self.path)
        self._opened_with(writer)
        return writer

    def _disconnect(self) -> None:
        with self._reading:
            for each in (self._reader, self._writer):
                if each is not None:
                    each.close()
            self._reader = self._writer = None

    def _move_aside(self, reason: str) -> None:
        """Only the last one is kept, so that the disk stays bounded."""
        self._disconnect()
        aside = self.path.with_name(f"{self.path.name}.aside")
        try:
            for end in ("", "-wal", "-shm"):
                aside.with_name(aside.name + end).unlink(missing_ok=True)
                with contextlib.suppress(FileNotFoundError):
                    self.path.with_name(self.path.name + end).replace(aside.with_name(aside.name + end))
        except OSError as error:
            raise OutputError(f"{self.path} {reason} and cannot be moved ({error.strerror})") from error
        self._damaged = False
        self._report(f"{self.path} {reason}: it is kept as {aside.name}, a new one begins")


def _connection(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        # With WAL this is an fsync at every commit, before it returns.
        database.execute("PRAGMA synchronous = FULL")
        database.execute("PRAGMA cache_size = -2000")
    except sqlite3.Error:
        database.close()
        raise
    return database


def _advice(error: sqlite3.Error) -> str:
    full = _code(error) in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
    return "free some room" if full else "see that it is a file, and whose it is"


def _code(error: sqlite3.Error) -> int:
    """Without what SQLite adds in the upper bits; errors of the Python module itself have none."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
