import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import heliograph
from heliograph.cli import grab


def test_version(program: Callable[..., Any]) -> None:
    assert program("--version").out == f"heliograph {heliograph.__version__}\n"


def test_no_words_print_the_commands(program: Callable[..., Any]) -> None:
    ended = program()
    assert ended.code == 0
    assert "serve" in ended.out


def test_modes_without_a_camera_prints_its_help_and_nothing_else(program: Callable[..., Any]) -> None:
    ended = program("modes")
    assert ended.code == 2
    assert "Usage" in ended.out + ended.err
    assert "heliograph: " not in ended.err


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["nope"], 2, "No such command 'nope'"),
        (["grab", "sim://x"], 2, "Missing option"),
        (["grab", "--nope"], 2, "No such option"),
        (["features", "nope://x"], 5, "known are file://"),
        (["features", "replay:///no/such/file.png"], 3, "/no/such/file.png"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_do(
    program: Callable[..., Any], words: list[str], code: int, says: str
) -> None:
    ended = program(*words)
    assert ended.code == code
    assert ended.out == ""
    assert ended.err.startswith("heliograph: ")
    assert says in ended.err
    assert ended.err.count("\n") == 1


def test_opencv_adds_no_lines_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_text("no picture")
    words = [
        sys.executable,
        "-c",
        "from heliograph.cli import main; main()",
        "features",
        f"replay://{tmp_path}/bad.png",
    ]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 5
    assert ended.stderr.count("\n") == 1


def test_a_full_disk_behind_stdout_is_no_defect(camera: str) -> None:
    words = [sys.executable, "-c", "from heliograph.cli import main; main()", "features", camera]
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert ended.returncode == 7
    assert ended.stderr == "heliograph: no room for the output (No space left on device): free some\n"


def test_a_defect_is_one_line_and_shows_its_place_on_request(
    program: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(url: str, *, control: bool) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(heliograph, "open", broken, raising=False)
    ended = program("features", "cam-1")
    assert ended.code == 1
    assert "ZeroDivisionError: division by zero" in ended.err
    assert ended.err.count("\n") == 1
    monkeypatch.setenv("HELIOGRAPH_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        program("features", "cam-1")


def test_ctrl_c_is_one_line(program: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(path: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(grab, "check_picture_path", interrupted)
    ended = program("grab", "cam-1", "-o", "a.png")
    assert (ended.code, ended.err) == (130, "heliograph: interrupted\n")


def test_a_reader_that_goes_away_is_no_traceback(camera: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    words = [sys.executable, "-c", "from heliograph.cli import main; main()", "features", camera]
    ended = subprocess.run(words, stdout=writing, stderr=subprocess.PIPE, timeout=60, check=False)
    os.close(writing)
    assert ended.returncode == 1
    assert ended.stderr == b""


def test_ctrl_c_while_the_program_is_loaded_is_one_line() -> None:
    pressed = """
import sys

class Pressed:
    def find_spec(self, name, *_):
        if name == "heliograph.cli.program":
            raise KeyboardInterrupt

from heliograph.cli import main
sys.meta_path.insert(0, Pressed())
main()
"""
    ended = subprocess.run([sys.executable, "-c", pressed], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (130, "heliograph: interrupted\n")
