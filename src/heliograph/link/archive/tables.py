"""The tables of an archive in SQLite, and how its file is opened."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec

from heliograph.core import OutputError, SourceError, SourceNotFoundError
from heliograph.core.atomic import sync_folder
from heliograph.link.channel import Stream

MINUTE_NS = 60_000_000_000
"""The grain of the index by time."""
_APPLICATION = 0x48454C41
_VERSION = 1
# At 20 000 samples/s of 18 doubles this is a checkpoint every four seconds.
_CHECKPOINT_PAGES = 4000
_PATIENCE_S = 10.0

# The key of a sample is series * 2**40 + number: the table is its own index, and grows at the end of each series.
# `held` has what is there as ranges, `lost` what the node had to drop; `minute` says where in a series the minutes of a
# wall clock lie.
_TABLES = f"""
PRAGMA application_id = {_APPLICATION};
PRAGMA user_version = {_VERSION};
CREATE TABLE node (id TEXT PRIMARY KEY, name TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE run (node TEXT, boot TEXT, ground_minus_boot_ns INTEGER NOT NULL, PRIMARY KEY (node, boot)) WITHOUT ROWID;
CREATE TABLE declaration (
    id INTEGER PRIMARY KEY, node TEXT, stream TEXT, schema TEXT, packed BLOB NOT NULL, UNIQUE (node, stream, schema));
CREATE TABLE series (id INTEGER PRIMARY KEY, node TEXT, boot TEXT, stream TEXT, UNIQUE (node, stream, boot));
CREATE TABLE sample (
    id INTEGER PRIMARY KEY, boot_time_ns INTEGER NOT NULL, wall_time_ns INTEGER NOT NULL,
    declaration INTEGER NOT NULL, synchronised INTEGER NOT NULL, row BLOB NOT NULL);
CREATE TABLE event (
    id INTEGER PRIMARY KEY, boot_time_ns INTEGER NOT NULL, wall_time_ns INTEGER NOT NULL,
    severity INTEGER NOT NULL, name TEXT NOT NULL, message TEXT NOT NULL, arguments BLOB NOT NULL);
CREATE INDEX event_by_time ON event (wall_time_ns);
CREATE TABLE held (series INTEGER, first INTEGER, last INTEGER NOT NULL, PRIMARY KEY (series, first)) WITHOUT ROWID;
CREATE TABLE lost (series INTEGER, first INTEGER, last INTEGER NOT NULL, PRIMARY KEY (series, first)) WITHOUT ROWID;
CREATE TABLE minute (
    series INTEGER, minute INTEGER, first INTEGER NOT NULL, last INTEGER NOT NULL,
    PRIMARY KEY (series, minute)) WITHOUT ROWID;
"""


def open_file(path: Path) -> sqlite3.Connection:
    """Open an archive so that a commit is on the disk when it returns; one that is not there is begun.

    Raises `SourceError` for a file that is something else, `OutputError` when it cannot be written.
    """
    try:
        connection = sqlite3.connect(path, timeout=_PATIENCE_S, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise OutputError(
            f"cannot open the archive {path} ({error}): does its folder exist, and is it yours?"
        ) from error
    try:
        _prepare(connection, path)
    except sqlite3.OperationalError as error:
        connection.close()
        raise OutputError(
            f"cannot write the archive {path} ({error}): may you write there, and is there room?"
        ) from error
    except sqlite3.DatabaseError as error:
        connection.close()
        raise SourceError(f"{path} is no archive of telemetry ({error}): give another file") from error
    except BaseException:
        connection.close()
        raise
    return connection


def check_file(path: Path) -> None:
    """Raise `SourceNotFoundError` for an archive that is not there, `SourceError` for a file that cannot be read."""
    if not path.exists():
        raise SourceNotFoundError(f"there is no archive {path}: telemetry NODE --follow --archive {path} begins one")
    try:
        with closing(connect_to_read(path)) as connection:
            new = _is_new(connection, path)
    except sqlite3.Error as error:
        raise SourceError(
            f"cannot read {path} as an archive of telemetry ({error}): may you, and is it one?"
        ) from error
    if new:
        raise SourceError(f"{path} is no archive of telemetry: give another file")


def connect_to_read(path: Path) -> sqlite3.Connection:
    """Connect to an archive that may be somebody else's, or on a disk that nobody writes. Raises `sqlite3.Error`."""
    connection = _connect(path, "mode=ro")
    try:
        connection.execute("PRAGMA user_version")
    except sqlite3.OperationalError:
        connection.close()
        if path.with_name(f"{path.name}-wal").exists():
            raise
        # Readers share a file beside it, which cannot be made here; without a log nobody writes meanwhile.
        return _connect(path, "immutable=1")
    return connection


def _connect(path: Path, how: str) -> sqlite3.Connection:
    place = f"{path.absolute().as_uri()}?{how}"
    return sqlite3.connect(place, uri=True, timeout=_PATIENCE_S, isolation_level=None, check_same_thread=False)


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    # Before anything is written: somebody else's database stays as it is.
    new = _is_new(connection, path)
    # WAL: who reads does not hold up who writes. FULL: each commit is an fsync of the log.
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")
    if new:
        connection.execute("BEGIN IMMEDIATE")
        # Unless another process was quicker.
        if _is_new(connection, path):
            for statement in _TABLES.split(";"):
                connection.execute(statement)
        connection.execute("COMMIT")
        sync_folder(path.parent)


def _is_new(connection: sqlite3.Connection, path: Path) -> bool:
    application, version, tables = (
        connection.execute(question).fetchone()[0]
        for question in ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master")
    )
    if not (application or version or tables):
        return True
    if application != _APPLICATION:
        raise SourceError(f"{path} is no archive of telemetry: give another file")
    if version > _VERSION:
        raise SourceError(f"{path} was written by a newer heliograph: bring this one up to date")
    return False


def key_of(series: int, sequence: int) -> int:
    """Give the key of a sample or event."""
    return (series << 40) + sequence


def stream_of(packed: bytes) -> Stream:
    """Give a declaration as it was packed."""
    return msgspec.msgpack.decode(packed, type=Stream)
