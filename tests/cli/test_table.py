import json

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


def test_programs_get_json(capsys: pytest.CaptureFixture[str]) -> None:
    show(ROWS, as_json=True)
    assert json.loads(capsys.readouterr().out) == ROWS


def test_truth_is_yes_or_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    show([{"kept": True}, {"kept": False}])
    assert [line.strip() for line in capsys.readouterr().out.splitlines()][2:] == ["yes", ""]
