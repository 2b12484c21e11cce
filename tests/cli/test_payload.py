import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from heliograph.cli import progress
from heliograph.payload import Progress

RUN = ("payload", "run", "red-giant", "--interval", "0", "--camera")


def test_products_and_a_table_of_the_best(program: Callable[..., Any], camera: str, tmp_path: Path) -> None:
    ended = program(*RUN, camera, "--frames", "12", "--out", str(tmp_path / "data"))
    assert ended.code == 0
    head, _, *rows = ended.out.splitlines()
    assert head.split()[:3] == ["picture", "red", "threshold"]
    assert rows[0].split()[0] == "000"
    assert rows[9].split()[0] == "009"
    assert rows[10] == ""
    written = {Path(row).name for row in rows[11:]}
    assert written == {"frame_000.png", "histogram.png", "red_threshold.txt", "summary.json"}
    assert written == {each.name for each in (tmp_path / "data").iterdir()}


def test_json_for_programs(program: Callable[..., Any], camera: str, tmp_path: Path) -> None:
    ended = program(*RUN, camera, "--frames", "3", "--scorer", "brightness", "--out", str(tmp_path), "--json")
    rows = json.loads(ended.out)
    assert [row["picture"] for row in rows] == ["000", "001", "002"]
    assert [row["kept"] for row in rows] == [True, False, False]
    assert rows[0]["score"] > 0


def test_a_series_shorter_than_asked_is_partial(program: Callable[..., Any], camera: str, tmp_path: Path) -> None:
    ended = program(*RUN, camera.replace("loop=1", "loop=0"), "--frames", "5", "--out", str(tmp_path / "data"))
    assert ended.code == 8
    assert "PARTIAL, 1 of 5 pictures: " in ended.err
    assert json.loads((tmp_path / "data" / "summary.json").read_text())["partial"] is True


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--frames", "0"], 2, "'--frames'"),
        (["--interval", "inf"], 2, "'--interval'"),
        (["--patience", "nan"], 2, "'--patience'"),
        (["--start-at", "yesterday"], 5, "yesterday"),
        (["--start-at", ""], 5, "cannot read start time ''"),
        (["--scorer", "nope"], 5, "nope"),
        (["--set", "Nope=1"], 3, "Nope"),
        (["--out", "/proc/nope"], 7, "/proc/nope"),
    ],
)
def test_mistakes_end_before_the_first_picture(
    program: Callable[..., Any], camera: str, tmp_path: Path, words: list[str], code: int, says: str
) -> None:
    ended = program(*RUN, camera, "--out", str(tmp_path / "data"), *words)
    assert ended.code == code
    assert says in ended.err
    assert ended.err.count("\n") == 1
    assert not list(tmp_path.glob("data/*"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_or_a_closed_terminal_writes_what_there_is(
    program: Callable[..., Any], camera: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    monkeypatch.setattr(signal, "getsignal", lambda number: signal.SIG_DFL)

    @contextmanager
    def interrupting(asked: int) -> Iterator[Callable[[Progress], None]]:
        yield lambda progress: os.kill(os.getpid(), number) if progress.taken == 3 else None

    monkeypatch.setattr(progress, "progress_bar", interrupting)
    ended = program(*RUN, camera, "--out", str(tmp_path / "data"))
    assert ended.code == 8
    assert "stopped after 3 of 400" in ended.err
    assert json.loads((tmp_path / "data" / "summary.json").read_text())["ending"] == "interrupted"
