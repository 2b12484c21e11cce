"""Stages of commands, in their order, with everything that may come between."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from heliograph.core import CommandFailedError
from heliograph.link.command import JournalRequest, Stage

BEGINNING = [Stage.RECEIVED, Stage.ACCEPTED]


def test_a_command_is_received_accepted_started_and_completed(board: Any) -> None:
    command = board.command("note", {"text": "hello"})
    assert [each.stage for each in board.take(command)] == BEGINNING
    end = board.end_of(command)
    assert (end.stage, end.number, end.result) == (Stage.COMPLETED, 4, {"text": "hello"})
    assert board.stages_told(command) == [*BEGINNING, Stage.STARTED, Stage.COMPLETED]
    (entry,) = board.journal.entries(JournalRequest(command=command.id))
    assert list(entry.stages) == [each for each in board.told if each.command == command.id]
    assert entry.command == command


def test_what_came_before_is_not_run_again_and_gives_its_stages(board: Any) -> None:
    command = board.command("note")
    board.take(command)
    board.end_of(command)
    assert board.take(command)[-1].stage is Stage.COMPLETED
    assert board.executor.submit("fail", {}, user="", id=command.id).stage is Stage.COMPLETED
    assert board.runs == [command.id]


def test_the_same_id_with_other_bytes_is_refused(board: Any) -> None:
    command = board.command("note")
    board.take(command)
    other = board.take(board.command("fail", id=command.id), digest=b"another")
    assert other[-1].stage is Stage.REFUSED
    assert "draw a new one" in other[-1].reason
    assert board.end_of(command).stage is Stage.COMPLETED


def test_a_counter_is_used_once(board: Any) -> None:
    first, second = board.command("note", counter=7), board.command("note", counter=7)
    board.take(first)
    assert "replayed" in board.take(second)[-1].reason
    board.end_of(first)
    assert board.runs == [first.id]


@pytest.mark.parametrize(
    ("name", "stage", "reason"),
    [
        ("fail", Stage.FAILED, "the shutter is stuck"),
        ("break", Stage.FAILED, "unexpected ZeroDivisionError: by zero: this is a defect"),
        ("nothing", Stage.REFUSED, "no command 'nothing'"),
        ("memo", Stage.COMPLETED, ""),
    ],
)
def test_how_a_command_ends(board: Any, name: str, stage: Stage, reason: str) -> None:
    end = board.executor.submit(name, {}, user="sequence", id="1")
    assert (end.stage, end.reason) == (stage, reason)


@pytest.mark.parametrize(
    ("what", "reason"),
    [("large", "65541 bytes"), ("object", "type object"), ("surrogate", "utf-8"), ("huge number", "serialize ints")],
)
def test_a_result_that_cannot_be_sent_fails_the_command(board: Any, what: str, reason: str) -> None:
    end = board.executor.submit("give", {"what": what}, user="", id="1")
    assert end.stage is Stage.FAILED
    assert reason in end.reason


def test_a_result_is_plain_data(board: Any) -> None:
    assert board.executor.submit("give", {"what": "tuple"}, user="", id="1").result == [1, 2.5, True, None, "text"]


def test_arguments_of_the_node_itself_are_checked_too(board: Any) -> None:
    end = board.executor.submit("give", {"wat": "tuple"}, user="", id="1")
    assert end.stage is Stage.REFUSED
    assert "wat" in end.reason
    assert board.runs == []


def test_beyond_what_may_run_and_wait_commands_are_refused(board_in: Callable[..., Any], tmp_path: Path) -> None:
    board = board_in(tmp_path, workers=1, waiting=1)
    running, waiting, refused = (board.command("wait") for _ in range(3))
    board.take(running)
    assert board.begun.acquire(timeout=10)
    board.take(waiting)
    assert board.take(refused)[-1].reason == "busy: 1 commands run and 1 wait: send it again when some have ended"
    assert not board.journal.window_of("ab" * 32).admits(refused.counter)
    # A prompt one passes them by.
    assert board.executor.submit("note.prompt", {}, user="", id="2" * 32).result == "noted"
    board.go.set()
    assert board.end_of(waiting).stage is Stage.COMPLETED
    assert board.runs.count(refused.id) == 0


def test_a_running_command_ends_when_it_is_cancelled(board: Any) -> None:
    command = board.command("wait")
    board.take(command)
    assert board.begun.acquire(timeout=10)
    assert board.executor.cancel(command.id, by="ada") == "asked to end"
    end = board.end_of(command)
    assert (end.stage, end.reason) == (Stage.CANCELLED, "cancelled by ada: gave up")


def test_one_that_was_done_before_it_noticed_is_completed(board: Any) -> None:
    command = board.command("wait")
    board.take(command)
    assert board.begun.acquire(timeout=10)
    board.go.set()
    ended = board.end_of(command)
    assert ended.stage is Stage.COMPLETED
    with pytest.raises(CommandFailedError, match="under way"):
        board.executor.cancel(command.id, by="ada")


def test_one_that_waits_its_turn_is_cancelled_whatever_it_is(board_in: Callable[..., Any], tmp_path: Path) -> None:
    board = board_in(tmp_path, workers=1)
    running, waiting = board.command("wait.stubbornly"), board.command("wait.stubbornly")
    board.take(running)
    assert board.begun.acquire(timeout=10)
    board.take(waiting)
    assert board.executor.cancel(waiting.id, by="ada") == "cancelled before it began"
    assert board.end_of(waiting).reason == "cancelled by ada before it began"
    with pytest.raises(CommandFailedError, match="cannot be cancelled once it runs"):
        board.executor.cancel(running.id, by="ada")
    board.go.set()
    assert board.end_of(running).stage is Stage.COMPLETED
    assert board.runs == [running.id]


def test_one_that_takes_too_long_is_asked_to_end(board: Any) -> None:
    end = board.executor.submit("wait.briefly", {}, user="", id="1")
    assert end.stage is Stage.TIMED_OUT
    assert end.reason.startswith("took longer than 0.1 s and ended after 0.")
    assert end.reason.endswith("(gave up)")


def test_one_that_does_not_end_is_given_up_and_changes_nothing_later(board: Any) -> None:
    end = board.executor.submit("deaf", {}, user="", id="1")
    assert end.stage is Stage.TIMED_OUT
    assert "may still be at work" in end.reason
    board.go.set()
    threads = [each for each in threading.enumerate() if each.name.startswith("command ")]
    board.close()
    for thread in threads:
        thread.join(10.0)
    assert board.told[-1] == end


def test_one_that_expires_while_it_waits_does_not_run(board_in: Callable[..., Any], tmp_path: Path) -> None:
    board = board_in(tmp_path, workers=1)
    running = board.command("wait")
    board.take(running)
    assert board.begun.acquire(timeout=10)
    late = board.command("note", expires_boot_ns=time.clock_gettime_ns(time.CLOCK_BOOTTIME))
    board.take(late)
    board.go.set()
    end = board.end_of(late)
    assert (end.stage, end.reason) == (Stage.FAILED, "expired while it waited for others: it did not run")
    assert late.id not in board.runs


def test_progress_is_told_at_times_and_the_newest_is_not_lost(board: Any) -> None:
    command = board.command("count")
    board.take(command)
    end = board.end_of(command)
    told = [each for each in board.told if each.stage is Stage.PROGRESS]
    assert 2 <= len(told) <= 6
    assert told[-1].reason == "999"
    assert told[-1].fraction == 1.0
    assert [each.number for each in board.told] == list(range(1, end.number + 1))
    (entry,) = board.journal.entries(JournalRequest(command=command.id))
    assert [each.stage for each in entry.stages] == [*BEGINNING, Stage.STARTED, Stage.PROGRESS, Stage.COMPLETED]


def test_at_the_end_of_the_node_what_runs_is_asked_to_end(board_in: Callable[..., Any], tmp_path: Path) -> None:
    board = board_in(tmp_path, workers=2)
    willing, deaf, waiting = board.command("wait"), board.command("deaf.long"), board.command("note")
    for each in (willing, deaf, waiting):
        board.take(each)
    assert board.begun.acquire(timeout=10)
    assert board.begun.acquire(timeout=10)
    board.executor.close(0.3)
    ends = {each.command: (each.stage, each.reason) for each in board.told}
    assert ends[willing.id] == (Stage.CANCELLED, "the node ended: gave up")
    assert ends[deaf.id][0] is Stage.INTERRUPTED
    assert ends[waiting.id] == (Stage.CANCELLED, "the node ended before it began: it did nothing")
    assert waiting.id not in board.runs
    assert board.take(board.command("note"))[-1].reason == "the node is ending: it did not run"


def test_what_a_former_run_left_is_interrupted_and_never_run(board_in: Callable[..., Any], tmp_path: Path) -> None:
    former = board_in(tmp_path, workers=1)
    running, waiting = former.command("deaf.long"), former.command("note")
    former.take(running)
    assert former.begun.acquire(timeout=10)
    former.take(waiting)
    former.journal.close()  # as if the program had died here: what it does from now on is written nowhere

    board = board_in(tmp_path)
    assert {each.command: each.stage for each in board.told} == dict.fromkeys(
        (running.id, waiting.id), Stage.INTERRUPTED
    )
    reasons = {each.command: each.reason for each in board.told}
    assert "how far it came is unknown" in reasons[running.id]
    assert "it did nothing" in reasons[waiting.id]
    assert board.take(waiting)[-1].stage is Stage.INTERRUPTED
    assert board.executor.submit("note", {}, user="", id=running.id).stage is Stage.INTERRUPTED
    assert board.runs == []


def test_two_that_submit_the_same_id_at_once_wait_for_one_run(board: Any) -> None:
    ends = []

    def submit() -> None:
        ends.append(board.executor.submit("wait", {}, user="", id="1"))

    threads = [threading.Thread(target=submit) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert board.begun.acquire(timeout=10)
    board.go.set()
    for thread in threads:
        thread.join()
    assert board.runs == ["1"]
    assert [each.stage for each in ends] == [Stage.COMPLETED] * 4
