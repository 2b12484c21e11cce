"""Events as they are archived on board: bounded, searchable, there after a restart."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
import numpy as np

from heliograph.core import OutputError
from heliograph.link.database import Database
from heliograph.link.event import ArchivedEvent, Event, Events, EventsRequest
from heliograph.link.spooled import Spooled

_log = logging.getLogger(__name__)

_APPLICATION = 0x48656C45  # "HelE"
_VERSION = 1
_SCHEMA = """
CREATE TABLE event (
    id INTEGER PRIMARY KEY, boot TEXT NOT NULL, sequence INTEGER NOT NULL, wall_time_ns INTEGER NOT NULL,
    severity INTEGER NOT NULL, content BLOB NOT NULL, UNIQUE (boot, sequence)
);
"""
_MOST_EVENTS = 1_000
_ANSWER_BYTES = 1_000_000

_events = msgspec.msgpack.Decoder(list[Event])
_event = msgspec.msgpack.Decoder(Event)


class EventArchive:
    """The newest `kept` events of this node, of this run and former ones."""

    def __init__(self, path: Path, *, kept: int, report: Callable[[str], None] = _log.warning) -> None:
        self._kept = kept
        self._database = Database(
            path, application=_APPLICATION, version=_VERSION, schema=_SCHEMA, opened=_nothing, report=report
        )

    def store(self, blocks: Iterable[Spooled]) -> None:
        """Commit the events of blocks; those that are there already stay as they are. Raises `OutputError`."""
        rows = [row for block in blocks for row in _rows(block)]
        if not rows:
            return
        with self._database.transaction() as database:
            database.executemany(
                "INSERT OR IGNORE INTO event (boot, sequence, wall_time_ns, severity, content) VALUES (?, ?, ?, ?, ?)",
                rows,
            )
            database.execute("DELETE FROM event WHERE id <= (SELECT max(id) FROM event) - ?", (self._kept,))

    def catch_up(self, spooled: list[Spooled]) -> None:
        """Store what the last run spooled and had no time to archive. Raises `OutputError`."""
        last = [block for block in spooled if block.boot == spooled[-1].boot]
        if last:
            statement = "SELECT max(sequence) FROM event WHERE boot = ?"
            with self._database.query(statement, (last[0].boot,)) as rows:
                archived = next(rows)[0] or 0
            self.store(block for block in last if block.first > archived)

    def search(self, request: EventsRequest) -> Events:
        """Give the newest events that fit a request, oldest first; at most 1000, and 1 MB."""
        wanted = request.text.casefold()
        limit = min(request.limit, _MOST_EVENTS)
        found: list[ArchivedEvent] = []
        size_bytes = 0
        statement = "SELECT boot, sequence, wall_time_ns, content FROM event WHERE severity >= ? ORDER BY id DESC"
        try:
            with self._database.query(statement, (request.severity.rank,)) as rows:
                for boot, sequence, wall_time_ns, content in rows:
                    if len(found) >= limit or size_bytes > _ANSWER_BYTES:
                        break
                    event = _event.decode(content)
                    if wanted in f"{event.name}\n{event.message}".casefold():
                        size_bytes += len(content)
                        found.append(
                            ArchivedEvent(boot=boot, sequence=sequence, wall_time_ns=wall_time_ns, event=event)
                        )
        except OutputError as error:
            _log.warning("events on board cannot be searched: %s", error)
        return Events(events=tuple(reversed(found)))

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def _rows(block: Spooled) -> list[tuple[str, int, int, int, bytes]]:
    times_ns = np.frombuffer(block.times, "<i8").tolist()
    return [
        (
            block.boot,
            block.first + at,
            times_ns[at] + block.wall_minus_boot_ns,
            event.severity.rank,
            msgspec.msgpack.encode(event),
        )
        for at, event in enumerate(_events.decode(block.rows))
    ]


def _nothing(_: sqlite3.Connection) -> None:
    """The file alone says it all."""
