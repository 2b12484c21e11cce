"""The command: from pictures of a board to a file, and from there to a pose."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytest

from heliograph.core import Geometry, Intrinsics
from heliograph.desk.board import Board
from heliograph.testing.chessroom import Chessroom, stances

LENS = Intrinsics(fx=260.0, fy=260.0, cx=160.2, cy=119.0, k1=-0.2, k2=0.05, geometry=Geometry.whole(320, 240))
BOARD = Board.parse("7x4", 30)


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("views")
    for frame in Chessroom(LENS, BOARD).frames(stances(BOARD, LENS, 16)):
        cv2.imwrite(str(folder / f"{frame.id:02}.png"), frame.data)
    return folder


def test_pictures_become_a_file_and_a_pose(program: Callable[..., Any], views: Path, tmp_path: Path) -> None:
    file, picture = tmp_path / "lens.json", tmp_path / "pose.png"
    board = ("--board", "7x4", "--square-mm", "30")
    ended = program("calibrate", f"replay://{views}/*.png", *board, "--views", "10", "-o", str(file), "--json")
    assert ended.code == 0, ended.err
    (told,) = json.loads(ended.out)
    lens = Intrinsics.load(file)
    assert lens.serial == ""
    assert lens.fx == pytest.approx(LENS.fx, rel=0.01)
    assert told["fx"] == pytest.approx(lens.fx, abs=1e-3)
    assert told["file"] == str(file)
    assert "view 10 of 10" in ended.err

    words = ("--pose", "--calibration", str(file), "-o", str(picture), "--json")
    ended = program("calibrate", f"replay://{views}/01.png", *board, *words)
    assert ended.code == 0, ended.err
    (told,) = json.loads(ended.out)
    held = stances(BOARD, LENS, 1)[0]
    assert [told["x_mm"], told["y_mm"], told["z_mm"]] == pytest.approx(list(held.origin_mm(BOARD)), abs=8)
    drawn = cv2.imread(str(picture))
    assert drawn is not None
    assert drawn.shape == (240, 320, 3)


def test_too_few_views_leave_no_file(program: Callable[..., Any], views: Path, tmp_path: Path) -> None:
    file = tmp_path / "lens.json"
    ended = program("calibrate", f"replay://{views}/0[1-3].png", "--board", "7x4", "-o", str(file))
    assert ended.code == 5
    assert "3 views of the board are too few" in ended.err
    assert not file.exists()


def test_a_board_is_printed_without_a_camera(program: Callable[..., Any], tmp_path: Path) -> None:
    ended = program("calibrate", "--charuco", "8x5", "--board-image", str(tmp_path / "board.pdf"))
    assert ended.code == 0
    assert (tmp_path / "board.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ((), 5, "name one board"),
        (("--board", "9x6", "--charuco", "8x5"), 5, "name one board"),
        (("--board", "9x6"), 5, "name a camera"),
        (("replay://{views}/01.png", "--board", "7x4"), 5, "give --output FILE"),
        (("replay://{views}/01.png", "--board", "7x4", "-o", "{views}/none/lens.json"), 7, "there is no folder"),
        (("replay://{views}/01.png", "--board", "7x4", "--pose", "--calibration", "{views}/no.json"), 3, "no.json"),
        (("replay://{views}/01.png", "--board", "7x4", "--pose", "-o", "{views}/a.npy"), 7, "axes"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    program: Callable[..., Any], views: Path, words: tuple[str, ...], code: int, told: str
) -> None:
    ended = program("calibrate", *(word.format(views=views) for word in words))
    assert ended.code == code
    assert told in ended.err
    assert ended.err.count("\n") == 1


def test_intrinsics_are_kept_by_the_cameras_serial_number(
    program: Callable[..., Any], views: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    # A simulated camera shows no board; Ctrl-C at once leaves nothing to calibrate with.
    monkeypatch.setattr("heliograph.desk.calibration.Collector.add", _interrupt)
    ended = program("calibrate", "sim://test-card", "--board", "7x4")
    assert ended.code == 5
    assert "0 views" in ended.err
    assert not list(tmp_path.rglob("*.json"))


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
