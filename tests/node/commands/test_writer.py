"""Works that share a commit."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from heliograph.core import CommandRefusedError, OutputError
from heliograph.link.database import Database
from heliograph.node.commands.writer import Work, Writer
from heliograph.testing.disk import disk_full_beyond


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(
        tmp_path / "numbers.db",
        application=1,
        version=1,
        schema="CREATE TABLE numbers (number INTEGER);",
        opened=lambda connection: None,
        report=pytest.fail,
    )
    yield database
    database.close()


@pytest.fixture
def writer(database: Database) -> Iterator[Writer]:
    writer = Writer(database)
    yield writer
    writer.close()


def add(number: int) -> Work[int]:
    def work(connection: sqlite3.Connection) -> int:
        connection.execute("INSERT INTO numbers VALUES (?)", (number,))
        if number % 2:
            raise CommandRefusedError(f"{number} is odd")
        return number

    return work


def numbers(database: Database) -> list[int]:
    with database.query("SELECT number FROM numbers ORDER BY number") as rows:
        return [number for (number,) in rows]


def test_an_error_that_nobody_expected_stops_neither_who_waits_nor_the_writer(
    writer: Writer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(database, "transaction", lambda: 1 / 0)
        with pytest.raises(OutputError, match="division"):
            writer.do(add(2))
    assert writer.do(add(4)) == 4
    assert numbers(database) == [4]


def add_together(writer: Writer, count: int) -> list[object]:
    """Have works added while the writer is at another, so that they wait together; gives the outcome of each."""
    busy, going = threading.Event(), threading.Event()
    outcomes: list[object] = []

    def do(work: Work[object]) -> None:
        try:
            outcomes.append(writer.do(work))
        except (CommandRefusedError, OutputError) as error:
            outcomes.append(error)

    def hold(_: sqlite3.Connection) -> None:
        busy.set()
        going.wait(10)

    holding = threading.Thread(target=writer.do, args=(hold,))
    holding.start()
    assert busy.wait(10)
    threads = [threading.Thread(target=do, args=(add(number),)) for number in range(count)]
    for thread in threads:
        thread.start()
    deadline_s = time.monotonic() + 10
    while writer._waiting.qsize() < count:
        assert time.monotonic() < deadline_s
        time.sleep(0.001)
    going.set()
    for thread in (holding, *threads):
        thread.join()
    return outcomes


def test_works_that_wait_together_share_a_commit(database: Database, writer: Writer) -> None:
    """Each with its own outcome: one that raises undoes what it did, and nothing else."""
    statements: list[str] = []
    writer.do(lambda connection: connection.set_trace_callback(statements.append))
    outcomes = add_together(writer, 10)
    writer.do(lambda connection: connection.set_trace_callback(None))
    assert sorted(each for each in outcomes if isinstance(each, int)) == [0, 2, 4, 6, 8]
    assert sum(isinstance(each, CommandRefusedError) for each in outcomes) == 5
    assert numbers(database) == [0, 2, 4, 6, 8]
    # Of the trace's own beginning, of the one that holds the others up, and of the ten.
    assert statements.count("COMMIT") == 3


def test_where_nothing_can_be_committed_all_of_them_are_told(database: Database, writer: Writer) -> None:
    with disk_full_beyond(0), pytest.raises(OutputError, match="free some room"):
        writer.do(add(0))
    assert numbers(database) == []
    assert writer.do(add(2)) == 2


def test_a_closed_writer_takes_nothing(writer: Writer) -> None:
    writer.close()
    with pytest.raises(OutputError, match="is closed"):
        writer.do(add(0))
