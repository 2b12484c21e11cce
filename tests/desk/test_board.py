"""Boards: what is drawn is found where it was drawn, and printed in its size."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from heliograph.core import CalibrationError, OutputError, SettingError
from heliograph.desk.board import Board, BoardKind


def blurred(board: Board, square_px: int) -> npt.NDArray[np.uint8]:
    return np.asarray(cv2.GaussianBlur(board.draw(square_px), (0, 0), 1.0), np.uint8)


CHESSBOARD = Board.parse("9x6", square_mm=25)
CHARUCO = Board.parse("8x5", square_mm=30, kind=BoardKind.CHARUCO)


@pytest.mark.parametrize("board", [CHESSBOARD, CHARUCO], ids=["chessboard", "charuco"])
@pytest.mark.parametrize("square_px", [40, 130])
def test_a_drawn_board_is_found_to_a_tenth_of_a_pixel(board: Board, square_px: int) -> None:
    sighting = board.find(blurred(board, square_px))
    assert sighting is not None
    corners = (board.squares[0] - 1) * (board.squares[1] - 1)
    assert sighting.points_mm.shape == (corners, 3)
    # The origin is the first inner corner of a chessboard and the corner of a ChArUco board; edges lie between pixels.
    squares = 1.5 if board.kind is BoardKind.CHESSBOARD else 0.5
    wanted = (sighting.points_mm[:, :2] / board.square_mm + squares) * square_px - 0.5
    np.testing.assert_allclose(sighting.pixels, wanted, atol=0.1)


def test_a_chessboard_upside_down_keeps_its_origin() -> None:
    grey = blurred(CHESSBOARD, 40)
    upright, turned = CHESSBOARD.find(grey), CHESSBOARD.find(np.ascontiguousarray(grey[::-1, ::-1]))
    assert upright is not None
    assert turned is not None
    np.testing.assert_allclose(turned.pixels, np.array(grey.shape[::-1]) - 1 - upright.pixels, atol=0.1)


def test_a_charuco_board_may_be_half_out_of_sight() -> None:
    grey = CHARUCO.draw(60)[:, :300]
    sighting = CHARUCO.find(np.ascontiguousarray(grey))
    assert sighting is not None
    assert 6 <= len(sighting.points_mm) < 28


@pytest.mark.parametrize("board", [CHESSBOARD, CHARUCO], ids=["chessboard", "charuco"])
def test_where_there_is_no_board_none_is_found(board: Board) -> None:
    assert board.find(np.random.default_rng(1).integers(0, 256, (240, 320), np.uint8)) is None


@pytest.mark.parametrize("text", ["", "9", "9x", "2x9", "9x99", "ninexsix", "9x6x3"])
def test_words_that_are_no_board(text: str) -> None:
    with pytest.raises(SettingError, match="write COLUMNSxROWS"):
        Board.parse(text, 25)


@pytest.mark.parametrize("square_mm", [0.0, -1.0, float("nan"), float("inf")])
def test_a_square_has_a_size(square_mm: float) -> None:
    with pytest.raises(SettingError, match="measure one"):
        Board.parse("9x6", square_mm)


def test_more_markers_than_there_are() -> None:
    with pytest.raises(CalibrationError, match="250"):
        Board.parse("30x30", 10, BoardKind.CHARUCO).draw(20)


def test_a_page_has_the_size_of_the_board(tmp_path: Path) -> None:
    wanted_mm = ((8 + 1) * 30, (5 + 1) * 30)
    CHARUCO.print_to(tmp_path / "board.pdf")
    box = re.search(rb"MediaBox \[ 0 0 ([\d.]+) ([\d.]+) ?\]", (tmp_path / "board.pdf").read_bytes())
    assert box
    assert [float(points) / 72 * 25.4 for points in box.groups()] == pytest.approx(wanted_mm, abs=0.2)
    CHARUCO.print_to(tmp_path / "board.png")
    with Image.open(tmp_path / "board.png") as page:
        sizes = [px / dpi * 25.4 for px, dpi in zip(page.size, page.info["dpi"], strict=True)]
        found = CHARUCO.find(np.asarray(page.convert("L")))
    assert sizes == pytest.approx(wanted_mm, abs=0.2)
    assert found is not None
    assert len(found.points_mm) == 28


def test_a_page_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"\.pdf or \.png"):
        CHARUCO.print_to(tmp_path / "board.svg")
    with pytest.raises(OutputError, match="No such file"):
        CHARUCO.print_to(tmp_path / "nowhere" / "board.png")
