"""The journal of transfers, in SQLite: what is in it survives the power's failing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path

import msgspec

from heliograph.core import TransferError
from heliograph.link.cfdp.entry import Entry
from heliograph.link.cfdp.transaction import TransactionId

_KEPT = 1_000
_LAYOUT = """
CREATE TABLE IF NOT EXISTS transfer (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, closed INTEGER NOT NULL, entry BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS counter (one INTEGER PRIMARY KEY, next INTEGER NOT NULL);
"""


class Journal:
    """Transfers under way, and the last thousand that are over. One program at a time has it open.

    Raises `TransferError` when it cannot be opened. Its calls may come from one thread after another.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=1.0)
            # Taken before WAL: nobody else can have it open then, so none else runs these transfers.
            for pragma in ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=FULL"):
                self._database.execute(f"PRAGMA {pragma}")
            self._database.executescript(_LAYOUT)
        except (OSError, sqlite3.Error) as error:
            hint = "another program uses it" if "locked" in str(error) else str(error)
            raise TransferError(f"{path}: the journal of transfers cannot be opened: {hint}") from error
        self._entries = msgspec.msgpack.Decoder(Entry)

    def close(self) -> None:
        """Close it."""
        self._database.close()

    def entries(self) -> list[Entry]:
        """Give all transfers, oldest first. Raises `TransferError` for a journal that is damaged."""
        try:
            rows = self._database.execute("SELECT entry FROM transfer ORDER BY number").fetchall()
            return [self._entries.decode(row[0]) for row in rows]
        except (sqlite3.Error, msgspec.MsgspecError) as error:
            raise TransferError(f"{self._path}: the journal of transfers cannot be read: {error}") from error

    def next_number(self, first: int) -> int:
        """Give the number for the next transaction of this entity; `first` where there was none."""
        row = self._database.execute(
            "INSERT INTO counter (one, next) VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET next = next + 1"
            " RETURNING next",
            (first,),
        ).fetchone()
        return int(row[0])

    def write(self, entries: Iterable[Entry]) -> list[TransactionId]:
        """Have entries on the disk when this returns; gives transfers that were forgotten. Raises `sqlite3.Error`."""
        try:
            self._database.execute("BEGIN IMMEDIATE")
            for entry in entries:
                row = (str(entry.id), entry.closed, msgspec.msgpack.encode(entry))
                self._database.execute(
                    "INSERT INTO transfer (id, closed, entry) VALUES (?, ?, ?)"
                    " ON CONFLICT (id) DO UPDATE SET closed = excluded.closed, entry = excluded.entry",
                    row,
                )
            forgotten = self._database.execute(
                "DELETE FROM transfer WHERE closed AND number <="
                " (SELECT number FROM transfer WHERE closed ORDER BY number DESC LIMIT 1 OFFSET ?) RETURNING id",
                (_KEPT,),
            ).fetchall()
            self._database.execute("COMMIT")
        except sqlite3.Error:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise
        return [TransactionId.parse(row[0]) for row in forgotten]
