"""The journal of commands: what was asked and what became of it, on the disk before anything happens."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from heliograph.core import CommandRefusedError
from heliograph.link.command import Answer, Command, JournalEntry, JournalRequest, Stage
from heliograph.link.counters import CounterWindow
from heliograph.link.database import Database
from heliograph.link.message import decode, encode
from heliograph.node.commands.run import Stages, with_stage
from heliograph.node.commands.writer import T, Work, Writer

logger = logging.getLogger(__name__)

_APPLICATION = 0x4847_636D
_SCHEMA = """
CREATE TABLE commands (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, key TEXT NOT NULL, digest BLOB NOT NULL,
    command BLOB NOT NULL);
CREATE TABLE outcomes (
    number INTEGER PRIMARY KEY REFERENCES commands, final INTEGER NOT NULL, size_bytes INTEGER NOT NULL,
    stages BLOB NOT NULL);
CREATE INDEX sizes ON outcomes (size_bytes);
CREATE TABLE counters (key TEXT PRIMARY KEY, window BLOB NOT NULL);
"""
# Room that the file keeps for itself: a full disk does not keep an operator from the command that makes room.
_RESERVE_BYTES = 1 << 20
_MOST_ASKED = 1_000
_LARGEST_ANSWER_BYTES = 1 << 20
NOT_BEGUN = "the node ended before it began: it did nothing"
LEFT_RUNNING = "the node ended while it ran: how far it came is unknown, and it is not run again"


class CommandJournal:
    """Keeps the newest commands with their stages, and for ever which counters each key has used.

    What a method has written is on the disk (fsync) when it returns. A damaged file is put aside, of which `report` is
    told. Safe for use from any thread; every method but `window_of` raises `OutputError` when the file cannot be used.
    """

    def __init__(
        self,
        path: Path,
        *,
        max_entries: int = 10_000,
        max_bytes: int = 64 << 20,
        report: Callable[[str], None] = logger.error,
    ) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._windows: dict[str, CounterWindow] = {}
        self._counting = threading.Lock()
        self._database = Database(
            path, application=_APPLICATION, version=1, schema=_SCHEMA, opened=self._opened, report=report
        )
        self._writer = Writer(self._database)

    def window_of(self, key: str) -> CounterWindow:
        """Give the counters that a key (64 hexadecimal digits) has used."""
        return self._windows.get(key, CounterWindow())

    def spend(self, key: str, counter: int) -> bool:
        """Use a counter up for this run of the node, on the disk or not; tells whether it was new.

        What was told to be refused never runs later, though its refusal could not be written: another run of the node
        refuses it for its boot.
        """
        with self._counting:
            window = self.window_of(key)
            if not window.admits(counter):
                return False
            self._windows[key] = window.with_counter(counter)
            return True

    def enter(self, entry: JournalEntry, digest: bytes = b"", *, counted: bool = False) -> Stages | None:
        """Write a new command with its first stages; with `counted` its counter is used up, in the same transaction.

        Gives None, or for a command that is known (its digest is the same, or none is given) the stages it has come to:
        then nothing is written. Raises `CommandRefusedError` for a known id with another digest, and for a counter that
        was used.
        """

        def work(connection: sqlite3.Connection) -> Stages | None:
            known = connection.execute(
                "SELECT digest, stages FROM commands JOIN outcomes USING (number) WHERE id = ?", (entry.command.id,)
            ).fetchone()
            if known:
                if digest not in (b"", known[0]):
                    raise CommandRefusedError(f"another command had the id {entry.command.id}: draw a new one")
                return _stages(known[1])
            if counted:
                self._use(connection, entry)
            self._insert(connection, entry, digest)
            self._prune(connection)
            return None

        return self._do(work)

    def write(self, command: str, stages: Stages) -> None:
        """Write the stages that a command has come to."""
        self._do(lambda connection: _write(connection, command, stages))

    def known(self, command: str, digest: bytes) -> Stages:
        """Give the stages of a command that came before, signed as it is; none for any other."""
        statement = "SELECT stages FROM commands JOIN outcomes USING (number) WHERE id = ? AND digest = ?"
        with self._database.query(statement, (command, digest)) as rows:
            return next((_stages(packed) for (packed,) in rows), ())

    def entries(self, request: JournalRequest) -> tuple[JournalEntry, ...]:
        """Give the command that is asked for, or the newest ones, oldest first: 1000 and 1 MiB of them at most."""
        where, values = (" WHERE id = ?", (request.command,)) if request.command else ("", ())
        statement = (
            f"SELECT key, size_bytes, command, stages FROM commands JOIN outcomes USING (number){where}"
            " ORDER BY number DESC LIMIT ?"
        )
        limit = min(max(request.limit, 0), _MOST_ASKED)
        found: list[JournalEntry] = []
        left_bytes = _LARGEST_ANSWER_BYTES
        # Not by the writer: questions, however many, hold no command up.
        with self._database.query(statement, (*values, limit)) as rows:
            for key, size_bytes, command, stages in rows:
                left_bytes -= size_bytes
                if left_bytes < 0 and found:
                    break
                found.append(JournalEntry(command=decode(command, Command), key=key, stages=_stages(stages)))
        return tuple(reversed(found))

    def interrupt(self) -> tuple[JournalEntry, ...]:
        """End every command that has no end: a former run of the node left it so. Gives them."""

        def work(connection: sqlite3.Connection) -> tuple[JournalEntry, ...]:
            rows = connection.execute(
                "SELECT key, command, stages FROM commands JOIN outcomes USING (number) WHERE NOT final ORDER BY number"
            ).fetchall()
            ended = []
            for key, command, packed in rows:
                reason = NOT_BEGUN if _stages(packed)[-1].stage is Stage.ACCEPTED else LEFT_RUNNING
                stages = with_stage(_stages(packed), Stage.INTERRUPTED, reason)
                ended.append(JournalEntry(command=decode(command, Command), key=key, stages=stages))
                _write(connection, ended[-1].command.id, stages)
            return tuple(ended)

        return self._do(work)

    def close(self) -> None:
        """Finish what is being written and close the file."""
        self._writer.close()
        self._database.close()

    def _do(self, work: Work[T]) -> T:
        return self._writer.do(work)

    def _opened(self, connection: sqlite3.Connection) -> None:
        """Read the counters; those of this run go into a file that begins anew."""
        rows = connection.execute("SELECT key, window FROM counters").fetchall()
        kept = {key: msgspec.msgpack.decode(window, type=CounterWindow) for key, window in rows}
        with self._counting:
            self._windows = kept | {key: _joined(kept.get(key), spent) for key, spent in self._windows.items()}
        for key, window in self._windows.items():
            if kept.get(key) != window:
                _write_window(connection, key, window)
        _reserve(connection)

    def _use(self, connection: sqlite3.Connection, entry: JournalEntry) -> None:
        if not self.spend(entry.key, entry.command.counter):
            raise CommandRefusedError(f"replayed: counter {entry.command.counter} was used before")
        _write_window(connection, entry.key, self.window_of(entry.key))

    def _insert(self, connection: sqlite3.Connection, entry: JournalEntry, digest: bytes) -> None:
        command = encode(entry.command)
        stages = encode(Answer(command=entry.command.id, stages=entry.stages))
        number = connection.execute(
            "INSERT INTO commands (id, key, digest, command) VALUES (?, ?, ?, ?)",
            (entry.command.id, entry.key, digest, command),
        ).lastrowid
        connection.execute(
            "INSERT INTO outcomes VALUES (?, ?, ?, ?)",
            (number, entry.stages[-1].stage.final, len(command) + len(stages), stages),
        )

    def _prune(self, connection: sqlite3.Connection) -> None:
        """Forget the oldest commands that have ended, beyond what is kept."""
        count, size_bytes = connection.execute("SELECT count(*), total(size_bytes) FROM outcomes").fetchone()
        while count > self._max_entries or size_bytes > self._max_bytes:
            oldest = connection.execute(
                "SELECT number, size_bytes FROM outcomes WHERE final ORDER BY number LIMIT 1"
            ).fetchone()
            if oldest is None:
                return
            for table in ("commands", "outcomes"):
                connection.execute(f"DELETE FROM {table} WHERE number = ?", oldest[:1])
            count, size_bytes = count - 1, size_bytes - oldest[1]


def _write(connection: sqlite3.Connection, command: str, stages: Stages) -> None:
    packed = encode(Answer(command=command, stages=stages))
    connection.execute(
        "UPDATE outcomes SET final = ?, size_bytes = size_bytes - length(stages) + ?, stages = ?"
        " WHERE number = (SELECT number FROM commands WHERE id = ?)",
        (stages[-1].stage.final, len(packed), packed, command),
    )


def _write_window(connection: sqlite3.Connection, key: str, window: CounterWindow) -> None:
    connection.execute("INSERT OR REPLACE INTO counters VALUES (?, ?)", (key, msgspec.msgpack.encode(window)))


def _joined(kept: CounterWindow | None, spent: CounterWindow) -> CounterWindow:
    """Give a window that admits nothing that either of two does not."""
    if kept in (None, spent):
        return spent
    return CounterWindow(max(kept.highest, spent.highest))


def _reserve(connection: sqlite3.Connection) -> None:
    """Have the file, and the log beside it, keep room of their own; on a full disk they have what they have."""
    # The log starts again from its beginning well within what it takes here.
    connection.execute("PRAGMA wal_autocheckpoint = 100")
    try:
        connection.execute("CREATE TABLE IF NOT EXISTS reserve (room BLOB)")
        # In two commits: pages that one commit takes and gives back are never written.
        connection.execute("INSERT INTO reserve VALUES (zeroblob(?))", (_RESERVE_BYTES,))
        connection.execute("DROP TABLE reserve")
    except sqlite3.OperationalError as error:
        logger.warning("the journal of commands has no room in reserve: %s", error)


def _stages(packed: bytes) -> Stages:
    return decode(packed, Answer).stages
