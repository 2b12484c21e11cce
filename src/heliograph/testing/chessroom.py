"""Pictures of a calibration board as a known lens sees it: the truth that a calibration should find."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from heliograph.core import Frame, Intrinsics, PixelFormat
from heliograph.desk.board import Board, BoardKind

_SQUARE_PX = 60
_OVERSAMPLING = 2
_MARGIN_PX = 4
_ROOM_DN = 120.0


@dataclass(frozen=True, slots=True)
class Stance:
    """Where a board is held: its middle in mm of the camera's coordinates, and turned by degrees about x, y and z."""

    x_mm: float
    y_mm: float
    z_mm: float
    about_x: float
    about_y: float
    about_z: float

    @property
    def rotation(self) -> npt.NDArray[Any]:
        """The rotation, shape (3, 3)."""
        parts = [cv2.Rodrigues(np.radians(angle) * axis)[0] for angle, axis in self._turns()]
        return np.asarray(parts[2] @ parts[1] @ parts[0])

    def _turns(self) -> list[tuple[float, npt.NDArray[Any]]]:
        return list(zip((self.about_x, self.about_y, self.about_z), np.eye(3), strict=True))

    def origin_mm(self, board: Board) -> npt.NDArray[Any]:
        """Where the board's own origin then is: its first inner corner, or a ChArUco board's corner."""
        span = np.array([board.columns - 1, board.rows - 1, 0.0]) if board.kind is BoardKind.CHESSBOARD else None
        middle = (span if span is not None else np.array([board.columns, board.rows, 0.0])) * board.square_mm / 2
        return np.array([self.x_mm, self.y_mm, self.z_mm]) - self.rotation @ middle


class Chessroom:
    """A board in an even grey room, seen through a lens.

    Pixels are found backwards: each is a direction, which meets the board's plane somewhere. Pictures are blurred by
    half a pixel, as every lens does, and noisy.
    """

    def __init__(self, lens: Intrinsics, board: Board, noise_dn: float = 2.0, seed: int = 1) -> None:
        self._lens = lens
        self._board = board
        self._noise_dn = noise_dn
        self._rng = np.random.default_rng(seed)
        face = board.draw(_SQUARE_PX).astype(np.float32) * (200 / 255) + 25
        self._face = np.pad(face, _MARGIN_PX, constant_values=_ROOM_DN)
        rows, columns = np.mgrid[0 : lens.height * _OVERSAMPLING, 0 : lens.width * _OVERSAMPLING]
        pixels = (np.stack([columns.ravel(), rows.ravel()], axis=1) + 0.5) / _OVERSAMPLING - 0.5
        criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 50, 1e-9)
        rays = cv2.undistortPoints(pixels[:, None], lens.matrix, lens.distortion, None, None, None, criteria)
        self._rays = rays.astype(np.float32)

    def picture(self, stance: Stance) -> npt.NDArray[np.uint8]:
        """Give what the lens sees, shape (h, w)."""
        # A ray (x, y, 1) meets the board where x and y of the board, in mm, are mapped onto it by this homography.
        from_board = np.column_stack([stance.rotation[:, :2], stance.origin_mm(self._board)])
        edge_squares = 1.5 if self._board.kind is BoardKind.CHESSBOARD else 0.5
        # From the board's origin to the first pixel of its picture.
        edge_px = edge_squares * _SQUARE_PX + _MARGIN_PX - 0.5
        scale = _SQUARE_PX / self._board.square_mm
        to_face = np.array([[scale, 0, edge_px], [0, scale, edge_px], [0, 0, 1]]) @ np.linalg.inv(from_board)
        at = cv2.perspectiveTransform(self._rays, to_face)
        size = (self._lens.height * _OVERSAMPLING, self._lens.width * _OVERSAMPLING)
        seen = cv2.remap(
            self._face,
            at[:, 0, 0].reshape(size),
            at[:, 0, 1].reshape(size),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=_ROOM_DN,
        )
        seen = cv2.GaussianBlur(seen, (0, 0), 0.5 * _OVERSAMPLING)
        small = cv2.resize(seen, (self._lens.width, self._lens.height), interpolation=cv2.INTER_AREA)
        noisy = small + self._rng.normal(0, self._noise_dn, small.shape)
        return np.asarray(np.clip(np.rint(noisy), 0, 255), np.uint8)

    def frames(self, stances: list[Stance]) -> Iterator[Frame]:
        """Give a frame of each stance."""
        for number, stance in enumerate(stances, 1):
            yield Frame(self.picture(stance), PixelFormat.Mono8, number, number * 40_000_000)


def stances(board: Board, lens: Intrinsics, count: int, seed: int = 1) -> list[Stance]:
    """Give stances as a careful person takes them: over the whole picture, near and far, tilted to every side."""
    rng = np.random.default_rng(seed)
    across_mm = board.squares[0] * board.square_mm
    # As far away as lets the board fill the picture's width.
    near_mm = across_mm * lens.fx / lens.width
    found: list[Stance] = []
    while len(found) < count:
        z_mm = near_mm * rng.uniform(1.15, 2.2)
        room = (1 - near_mm / z_mm) * 0.5
        middle = rng.uniform(-1, 1, 2) * room * (lens.width, lens.height) / (lens.fx, lens.fy) * z_mm
        about_x, about_y = rng.uniform(-38, 38, 2)
        found.append(Stance(middle[0], middle[1], z_mm, about_x, about_y, rng.uniform(-25, 25)))
    return found
