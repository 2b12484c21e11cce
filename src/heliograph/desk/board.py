"""Calibration boards: chessboards and ChArUco boards, drawn, printed and found in pictures."""

from __future__ import annotations

import importlib
import io
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from heliograph.core import CalibrationError, MissingDependencyError, OutputError, SettingError
from heliograph.core.atomic import replace_file
from heliograph.core.convert import opencv

_MARKER_SHARE = 0.75
_FEWEST_CORNERS = 6
_PRINTED_DPI = 300
_SMALLEST, _LARGEST = 3, 40
# The search takes 40 ms at this size and grows with the number of pixels; corners are refined in the whole picture.
_SEARCH_PX = 800
_LARGEST_WINDOW_PX = 11


class BoardKind(StrEnum):
    """How a board's corners are known."""

    CHESSBOARD = "chessboard"
    CHARUCO = "charuco"
    """A chessboard whose white squares carry markers (ArUco, dictionary 5X5_250): part of it may be out of sight."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A board seen in a picture: corners that belong together, n of them."""

    points_mm: npt.NDArray[np.float32]
    """Places on the board, shape (n, 3), z 0."""
    pixels: npt.NDArray[np.float32]
    """Places in the picture, shape (n, 2), the centre of the first pixel at (0, 0)."""


@dataclass(frozen=True, slots=True)
class Board:
    """A flat board of squares. Columns and rows count inner corners of a chessboard, squares of a ChArUco board.

    >>> Board.parse("9x6", square_mm=25).squares
    (10, 7)
    >>> Board.parse("8x5", square_mm=30, kind=BoardKind.CHARUCO).marker_mm
    22.5
    """

    kind: BoardKind
    columns: int
    rows: int
    square_mm: float

    @classmethod
    def parse(cls, text: str, square_mm: float, kind: BoardKind = BoardKind.CHESSBOARD) -> Board:
        """Read COLUMNSxROWS; raises `SettingError` when that is no board."""
        match = re.fullmatch(r"(\d{1,2})[x\u00d7](\d{1,2})", text.strip().lower())
        sizes = [int(number) for number in match.groups()] if match else []
        if not sizes or not all(_SMALLEST <= number <= _LARGEST for number in sizes):
            raise SettingError(f"{text!r} is no board: write COLUMNSxROWS, each {_SMALLEST} to {_LARGEST}, such as 9x6")
        if not 0 < square_mm < float("inf"):
            raise SettingError(f"a square cannot have {square_mm:g} mm: measure one and say it in mm")
        return cls(kind, sizes[0], sizes[1], square_mm)

    @property
    def squares(self) -> tuple[int, int]:
        """Squares across and down."""
        more = 1 if self.kind is BoardKind.CHESSBOARD else 0
        return self.columns + more, self.rows + more

    @property
    def marker_mm(self) -> float:
        """Side of a ChArUco marker."""
        return self.square_mm * _MARKER_SHARE

    def draw(self, square_px: int) -> npt.NDArray[np.uint8]:
        """Draw it in black on white with an edge of half a square all round; shape (h, w)."""
        cv2 = opencv()
        across, down = self.squares
        if self.kind is BoardKind.CHARUCO:
            face = self._charuco(cv2).generateImage((across * square_px, down * square_px))
        else:
            row, column = np.mgrid[0 : down * square_px, 0 : across * square_px] // square_px
            face = np.where((row + column) % 2, 255, 0).astype(np.uint8)
        return np.asarray(np.pad(face, square_px // 2, constant_values=255), np.uint8)

    def find(self, grey: npt.NDArray[np.uint8]) -> Sighting | None:
        """Find it in a grey picture, shape (h, w); none when too little of it is seen."""
        cv2 = opencv()
        if self.kind is BoardKind.CHARUCO:
            return self._find_charuco(cv2, grey)
        scale = min(1.0, _SEARCH_PX / max(grey.shape))
        small = grey if scale == 1 else cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        pattern = (self.columns, self.rows)
        found, corners = cv2.findChessboardCornersSB(small, pattern, flags=cv2.CALIB_CB_NORMALIZE_IMAGE)
        if not found:
            return None
        # Pixel centres are whole numbers in both pictures.
        rough = ((corners + 0.5) / scale - 0.5).astype(np.float32)
        pixels = _refined(cv2, grey, rough, pattern)
        return Sighting(self._corners_mm(), pixels if _begins_dark(grey, pixels, self.columns) else pixels[::-1].copy())

    def _corners_mm(self) -> npt.NDArray[np.float32]:
        rows, columns = np.mgrid[0 : self.rows, 0 : self.columns].astype(np.float32) * self.square_mm
        return np.stack([columns.ravel(), rows.ravel(), np.zeros(columns.size)], axis=1).astype(np.float32)

    def _find_charuco(self, cv2: Any, grey: npt.NDArray[np.uint8]) -> Sighting | None:
        board = self._charuco(cv2)
        corners, ids, _, _ = cv2.aruco.CharucoDetector(board).detectBoard(grey)
        if ids is None or len(ids) < _FEWEST_CORNERS:
            return None
        points_mm, pixels = board.matchImagePoints(corners, ids)
        # Corners of one line say nothing about the other direction.
        if np.linalg.matrix_rank(points_mm.reshape(-1, 3)[:, :2] - points_mm.reshape(-1, 3)[0, :2]) < 2:
            return None
        return Sighting(points_mm.reshape(-1, 3), pixels.reshape(-1, 2))

    def _charuco(self, cv2: Any) -> Any:
        dictionary = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_5X5_250)
        markers = self.columns * self.rows // 2
        if markers > 250:
            raise CalibrationError(
                f"a board of {self.columns}x{self.rows} squares needs {markers} markers, there are 250"
            )
        return cv2.aruco.CharucoBoard((self.columns, self.rows), self.square_mm, self.marker_mm, dictionary)

    def print_to(self, path: Path) -> None:
        """Write a file to print at 100 %: `.pdf` or `.png`, whose size is the board's.

        Raises `OutputError` when it cannot be written, `MissingDependencyError` without Pillow.
        """
        if path.suffix.lower() not in (".pdf", ".png"):
            raise OutputError(f"cannot write {path}: a board's name ends in .pdf or .png")
        image = _pillow()
        square_px = max(2, 2 * round(self.square_mm / 25.4 * _PRINTED_DPI / 2))
        dpi = square_px / self.square_mm * 25.4
        page = io.BytesIO()
        drawn = image.fromarray(self.draw(square_px))
        if path.suffix.lower() == ".pdf":
            drawn.save(page, "PDF", resolution=dpi)
        else:
            drawn.save(page, "PNG", dpi=(dpi, dpi))
        try:
            replace_file(path, page.getvalue())
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror or error}") from error


def _refined(
    cv2: Any, grey: npt.NDArray[np.uint8], rough: npt.NDArray[np.float32], pattern: tuple[int, int]
) -> npt.NDArray[np.float32]:
    """Find corners to a few hundredths of a pixel, each within a window that reaches none of its neighbours."""
    grid = rough.reshape(pattern[1], pattern[0], 2)
    nearest_px = min(float(np.linalg.norm(np.diff(grid, axis=axis), axis=2).min()) for axis in (0, 1))
    half_px = int(np.clip(nearest_px * 0.35, 2, _LARGEST_WINDOW_PX))
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 40, 1e-3)
    return np.asarray(cv2.cornerSubPix(grey, rough, (half_px, half_px), (-1, -1), criteria).reshape(-1, 2))


def _begins_dark(grey: npt.NDArray[np.uint8], pixels: npt.NDArray[np.float32], columns: int) -> bool:
    """Tell whether the square within the first four corners is black, as that at a drawn board's origin is.

    A board with an odd and an even number of squares has one way round in which it is.
    """
    first, last = (
        pixels[[a, a + 1, a + columns, a + columns + 1]].mean(axis=0) for a in (0, len(pixels) - columns - 2)
    )
    (x0, y0), (x1, y1) = np.rint([first, last]).astype(int)
    return bool(grey[y0, x0] <= grey[y1, x1])


def _pillow() -> Any:
    try:
        return importlib.import_module("PIL.Image")
    except ImportError as error:
        raise MissingDependencyError("printing a board needs Pillow: pip install 'heliograph[desk]'") from error
