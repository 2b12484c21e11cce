"""What the journal keeps, what it forgets, and what it does when the disk does not let it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from heliograph.core import CommandRefusedError, OutputError
from heliograph.link.command import Command, JournalEntry, JournalRequest, Stage
from heliograph.node.commands.journal import CommandJournal
from heliograph.node.commands.run import stage_report, with_stage
from heliograph.testing.disk import disk_full_beyond

KEY = "cd" * 32
Start = Callable[..., CommandJournal]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Give what opens the journal of the test, after closing the one that was open."""
    opened: list[CommandJournal] = []

    def start(**options: Any) -> CommandJournal:
        for each in opened:
            each.close()
        opened.append(CommandJournal(tmp_path / "commands.db", **options))
        return opened[-1]

    yield start
    for each in opened:
        each.close()


def entry_of(number: int, *, final: bool = True, counter: int = 0, **arguments: Any) -> JournalEntry:
    command = Command(
        id=f"{number:032x}",
        node="ef" * 32,
        boot="boot",
        counter=counter or number,
        expires_boot_ns=1,
        name="note",
        arguments=arguments,
    )
    stages = with_stage((stage_report(command.id, 1, Stage.RECEIVED),), Stage.ACCEPTED)
    return JournalEntry(command=command, key=KEY, stages=with_stage(stages, Stage.COMPLETED) if final else stages)


def test_what_is_entered_is_there_after_a_restart(start: Start) -> None:
    entry = entry_of(1, text="hello", values=[1, 2.5, None])
    assert start().enter(entry) is None
    assert start().entries(JournalRequest()) == (entry,)


def test_the_newest_are_given_oldest_first(start: Start) -> None:
    journal = start()
    for number in range(1, 6):
        journal.enter(entry_of(number))
    assert [each.command.counter for each in journal.entries(JournalRequest(limit=2))] == [4, 5]
    assert journal.entries(JournalRequest(limit=-1)) == ()
    assert [each.command.counter for each in journal.entries(JournalRequest(command=f"{3:032x}"))] == [3]
    assert journal.entries(JournalRequest(command="nobody's")) == ()


def test_an_answer_is_bounded(start: Start) -> None:
    journal = start()
    for number in range(1, 10):
        journal.enter(entry_of(number, text="x" * 200_000))
    assert [each.command.counter for each in journal.entries(JournalRequest())] == [5, 6, 7, 8, 9]


@pytest.mark.parametrize("bounds", [{"max_entries": 10}, {"max_bytes": 10 * 10_500}])
def test_the_oldest_that_ended_are_forgotten(start: Start, bounds: dict[str, int]) -> None:
    journal = start(**bounds)
    for number in range(1, 31):
        journal.enter(entry_of(number, final=number != 2, text="x" * 10_000), counted=True)
    kept = [each.command.counter for each in journal.entries(JournalRequest())]
    assert kept[0] == 2
    assert kept[-1] == 30
    assert 9 <= len(kept) <= 10


def test_a_forgotten_command_does_not_come_back(start: Start) -> None:
    journal = start(max_entries=1)
    for number in range(1, 101):
        journal.enter(entry_of(number), b"bytes", counted=True)
    for number in (1, 50, 99):
        with pytest.raises(CommandRefusedError, match="replayed"):
            journal.enter(entry_of(number), b"bytes", counted=True)
    journal = start()
    assert journal.window_of(KEY).highest == 100
    assert journal.window_of("another").highest == 0
    with pytest.raises(CommandRefusedError, match="replayed"):
        journal.enter(entry_of(99), b"bytes", counted=True)


def test_a_counter_that_was_refused_for_its_id_is_not_used_up(start: Start) -> None:
    journal = start()
    journal.enter(entry_of(1), b"bytes", counted=True)
    with pytest.raises(CommandRefusedError, match="draw a new one"):
        journal.enter(entry_of(1, counter=2), b"other bytes", counted=True)
    assert journal.enter(entry_of(2), b"bytes", counted=True) is None


def test_on_a_full_disk_nothing_is_entered_and_the_counter_is_used_up(start: Start) -> None:
    journal = start()
    journal.enter(entry_of(1), counted=True)
    with disk_full_beyond(0), pytest.raises(OutputError, match="free some room"):
        journal.enter(entry_of(2), counted=True)
    # It was told that it was refused: it must not run when there is room.
    with pytest.raises(CommandRefusedError, match="replayed"):
        journal.enter(entry_of(3, counter=2), counted=True)
    assert journal.enter(entry_of(4), counted=True) is None
    assert [each.command.counter for each in start().entries(JournalRequest())] == [1, 4]


@pytest.mark.parametrize("starts", [1, 2])
def test_a_disk_that_others_filled_leaves_room_for_commands(start: Start, tmp_path: Path, starts: int) -> None:
    for _ in range(starts):
        journal = start()
    largest_bytes = max(each.stat().st_size for each in tmp_path.iterdir())
    with disk_full_beyond(largest_bytes):
        for number in range(1, 101):
            journal.enter(entry_of(number, final=False), counted=True)
            journal.write(f"{number:032x}", entry_of(number).stages)
    assert len(start().entries(JournalRequest(limit=1000))) == 100


def test_a_damaged_file_is_put_aside(start: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "commands.db").write_bytes(b"not a database, but long enough to be looked at" * 100)
    with caplog.at_level(logging.ERROR):
        journal = start()
    assert "is kept as commands.db.aside" in caplog.text
    assert journal.enter(entry_of(1)) is None


def test_counters_of_this_run_outlive_a_damaged_file(start: Start, tmp_path: Path) -> None:
    told: list[str] = []
    journal = start(report=told.append)
    journal.enter(entry_of(1), counted=True)
    journal._database._damaged = True  # as an error of the file in the middle of a run notes it
    with pytest.raises(CommandRefusedError, match="replayed"):
        journal.enter(entry_of(2, counter=1), counted=True)
    assert len(told) == 1
    assert start().window_of(KEY).highest == 1


def test_a_file_that_opens_late_forgets_no_counter(start: Start, tmp_path: Path) -> None:
    for number in (1, 5):
        start().enter(entry_of(number), counted=True)
    start().close()
    file, away = tmp_path / "commands.db", tmp_path / "away.db"
    file.rename(away)
    file.mkdir()
    journal = start()
    assert journal.spend(KEY, 3)
    file.rmdir()
    away.rename(file)
    assert journal.enter(entry_of(7), counted=True) is None
    for number in (1, 3, 5, 7):
        assert not journal.spend(KEY, number)
    assert start().window_of(KEY).highest == 7


def test_where_no_file_can_be_every_call_says_so(tmp_path: Path) -> None:
    (tmp_path / "commands.db").mkdir()
    told: list[str] = []
    journal = CommandJournal(tmp_path / "commands.db", report=told.append)
    assert len(told) == 1
    with pytest.raises(OutputError, match="cannot be opened"):
        journal.enter(entry_of(1))
    journal.close()
    with pytest.raises(OutputError, match="is closed"):
        journal.enter(entry_of(1))
