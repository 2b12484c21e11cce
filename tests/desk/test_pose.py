"""Where a board is, judged by where it was put."""

from __future__ import annotations

import numpy as np
import pytest

from heliograph.core import CalibrationError, Frame, Geometry, Intrinsics, PixelFormat
from heliograph.desk.board import Board, BoardKind
from heliograph.desk.pose import board_pose, draw_pose
from heliograph.testing.chessroom import Chessroom, Stance

LENS = Intrinsics(fx=520.0, fy=523.0, cx=318.2, cy=243.7, k1=-0.24, k2=0.07, geometry=Geometry.whole(640, 480))
STANCE = Stance(20.0, -15.0, 420.0, 25.0, -20.0, 10.0)


@pytest.mark.parametrize("kind", list(BoardKind))
def test_a_board_is_where_it_was_put(kind: BoardKind) -> None:
    board = Board.parse("8x5", 25, kind)
    frame = Frame(Chessroom(LENS, board).picture(STANCE), PixelFormat.Mono8, 1, 0, intrinsics=LENS)
    pose = board_pose(frame, board)
    np.testing.assert_allclose(pose.translation_mm, STANCE.origin_mm(board), atol=1.0)
    assert pose.tilt_degrees == pytest.approx(np.degrees(np.arccos(STANCE.rotation[2, 2])), abs=0.5)
    assert pose.distance_mm == pytest.approx(np.linalg.norm(STANCE.origin_mm(board)), abs=1.0)
    assert pose.rms_px < 0.3


def test_axes_begin_at_the_boards_origin() -> None:
    board = Board.parse("8x5", 25)
    frame = Frame(Chessroom(LENS, board).picture(STANCE), PixelFormat.Mono8, 1, 0, intrinsics=LENS)
    sighting = board.find(frame.data)
    assert sighting is not None
    drawn = draw_pose(frame, board, board_pose(frame, board)).astype(int)
    # Two squares along each axis: red along x, green along y, in BGR.
    for corner, channel in ((2, 2), (2 * 8, 1)):
        x, y = np.rint(sighting.pixels[corner]).astype(int)
        around = drawn[y - 2 : y + 3, x - 2 : x + 3].reshape(-1, 3)
        others = np.delete(around, channel, axis=1).max(axis=1)
        assert (around[:, channel] - others).max() > 150


def test_without_intrinsics_or_board_the_reason_is_told() -> None:
    board = Board.parse("8x5", 25)
    empty = Frame(np.full((480, 640), 120, np.uint8), PixelFormat.Mono8, 1, 0)
    with pytest.raises(CalibrationError, match="has no intrinsics"):
        board_pose(empty, board)
    with pytest.raises(CalibrationError, match="no board to be seen"):
        board_pose(Frame(empty.data, PixelFormat.Mono8, 1, 0, intrinsics=LENS), board)
