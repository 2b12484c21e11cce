import json
import sys

import pytest

from heliograph.cli.table import show

ROWS: list[dict[str, object]] = [{"name": "cam-1", "frame_rate": 25.0}, {"name": "[red]cam-2", "frame_rate": None}]


def test_people_get_columns_and_names_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    show(ROWS)
    head, _, first, second = capsys.readouterr().out.splitlines()
    assert head.split() == ["name", "frame", "rate"]
    assert first.split() == ["cam-1", "25.0"]
    assert second.split() == ["[red]cam-2"]


def test_a_pipe_gets_whole_rows(capsys: pytest.CaptureFixture[str]) -> None:
    show([{"description": "word " * 60}])
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_a_narrow_terminal_folds_sentences_and_cuts_no_name(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    name = "DeviceLinkThroughputLimitMode"
    show([{"name": name, "address": "192.168.100.170", "model": "Sim red-giant", "description": "word " * 20}])
    _, _, first, *more = capsys.readouterr().out.splitlines()
    assert first.split()[:4] == [name, "192.168.100.170", "Sim", "word"]
    assert more[0].split()[:2] == ["red-giant", "word"]


def test_a_name_cannot_command_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    show([{"name": "cam\x1b[2J\x9b2J"}])
    assert "cam\ufffd[2J\ufffd2J" in capsys.readouterr().out


def test_programs_get_json(capsys: pytest.CaptureFixture[str]) -> None:
    show(ROWS, as_json=True)
    assert json.loads(capsys.readouterr().out) == ROWS


def test_truth_is_yes_or_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    show([{"kept": True}, {"kept": False}])
    assert [line.strip() for line in capsys.readouterr().out.splitlines()][2:] == ["yes", ""]
