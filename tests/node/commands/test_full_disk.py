"""Commands while the journal cannot be written: refused, never run; and what had begun ends when there is room."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from heliograph.link.command import JournalRequest, Stage
from heliograph.testing.disk import disk_full_beyond


def test_a_command_that_cannot_be_journalled_is_refused_and_never_run(board: Any) -> None:
    command = board.command("note")
    with disk_full_beyond(0):
        stages = board.take(command)
    assert stages[-1].stage is Stage.REFUSED
    assert "free some room" in stages[-1].reason
    assert stages[-1].reason.endswith("it did not run")
    assert "replayed" in board.take(command)[-1].reason
    assert board.runs == board.told == []


def test_the_end_of_one_that_runs_is_told_when_there_is_room(board: Any, caplog: pytest.LogCaptureFixture) -> None:
    command = board.command("wait")
    board.take(command)
    assert board.begun.acquire(timeout=10)
    with disk_full_beyond(0), caplog.at_level(logging.ERROR):
        board.go.set()
        while "waits to be told" not in caplog.text:
            pass
        assert board.stages_told(command)[-1] is Stage.STARTED
    assert board.end_of(command).stage is Stage.COMPLETED
    assert board.runs == [command.id]


def test_a_node_that_starts_on_a_full_disk_runs_commands_when_there_is_room(
    board_in: Callable[..., Any], tmp_path: Path
) -> None:
    former = board_in(tmp_path)
    left = former.command("deaf.long")
    former.take(left)
    assert former.begun.acquire(timeout=10)
    former.journal.close()
    with disk_full_beyond(0):
        board = board_in(tmp_path)
        refused = board.command("note", id="a" * 32)
        assert board.take(refused)[-1].stage is Stage.REFUSED
        assert board.executor.submit("nothing", {}, user="", id="c" * 32).stage is Stage.REFUSED
        assert board.told == []
    assert "replayed" in board.take(refused)[-1].reason
    command = board.command("note", id="b" * 32)
    board.take(command)
    assert board.end_of(command).stage is Stage.COMPLETED
    assert board.told[0].stage is Stage.INTERRUPTED
    assert [each.stages[-1].stage for each in board.journal.entries(JournalRequest())] == [
        Stage.INTERRUPTED,
        Stage.COMPLETED,
    ]
