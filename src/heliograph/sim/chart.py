"""A chart as it hangs before a camera: colour bars, grey steps, lines of known width, a star, a ruler."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from heliograph.core.convert import opencv

_BAR_COLORS = (
    (235, 235, 235),
    (235, 235, 16),
    (16, 235, 235),
    (16, 235, 16),
    (235, 16, 235),
    (235, 16, 16),
    (16, 16, 235),
    (16, 16, 16),
)
_PAPER = (58, 60, 64)
_INK = (210, 214, 218)
_FAINT = (92, 95, 100)
_GREY_STEPS = 16
_LINE_WIDTHS_PX = (1, 2, 3, 4, 6, 8)


def chart(width_px: int, height_px: int) -> npt.NDArray[np.uint8]:
    """Draw the chart for a sensor of this size, RGB, shape (h, w, 3); its left lower corner is kept free."""
    cv2 = opencv()
    picture = np.full((height_px, width_px, 3), _PAPER, np.uint8)
    unit = min(width_px, height_px) // 38
    _ruler(cv2, picture)
    _bars(picture, slice(2 * unit, 9 * unit), slice(2 * unit, width_px - 2 * unit))
    _grey_steps(picture, slice(9 * unit, 13 * unit), slice(2 * unit, width_px - 2 * unit))
    _siemens_star(cv2, picture, (width_px - 9 * unit, 22 * unit), 7 * unit)
    _lines(picture, top=15 * unit, left=2 * unit, size_px=3 * unit)
    text = (2 * unit, 28 * unit)
    cv2.putText(picture, "Heliograph", text, cv2.FONT_HERSHEY_DUPLEX, unit / 12, _INK, max(1, unit // 10), cv2.LINE_AA)
    # A lens is never sharper than this; without it, edges alias in the mosaic.
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.6))


def _ruler(cv2: Any, picture: npt.NDArray[np.uint8]) -> None:
    """Lines every 100 px with their coordinates, a cross in the middle, and a circle that shows square pixels."""
    height, width, _ = picture.shape
    picture[::100] = picture[:, ::100] = _FAINT
    for x in range(100, width, 100):
        cv2.putText(picture, str(x), (x + 3, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.4, _INK, 1, cv2.LINE_AA)
    for y in range(100, height, 100):
        cv2.putText(picture, str(y), (3, y - 4), cv2.FONT_HERSHEY_SIMPLEX, 0.4, _INK, 1, cv2.LINE_AA)
    middle = (width // 2, height // 2)
    cv2.circle(picture, middle, int(0.49 * height), _INK, 2, cv2.LINE_AA)
    cv2.drawMarker(picture, middle, _INK, cv2.MARKER_CROSS, 40, 2)


def _bars(picture: npt.NDArray[np.uint8], rows: slice, columns: slice) -> None:
    edges = np.linspace(columns.start, columns.stop, len(_BAR_COLORS) + 1).astype(int)
    for color, left, right in zip(_BAR_COLORS, edges[:-1], edges[1:], strict=True):
        picture[rows, left:right] = color


def _grey_steps(picture: npt.NDArray[np.uint8], rows: slice, columns: slice) -> None:
    edges = np.linspace(columns.start, columns.stop, _GREY_STEPS + 1).astype(int)
    for step, (left, right) in enumerate(pairwise(edges)):
        picture[rows, left:right] = round(235 * step / (_GREY_STEPS - 1))


def _lines(picture: npt.NDArray[np.uint8], top: int, left: int, size_px: int) -> None:
    """Black and white lines of 1 to 8 px, upright above and level below."""
    for width_px in _LINE_WIDTHS_PX:
        stripes = np.where(np.arange(size_px) // width_px % 2, 235, 16).astype(np.uint8)
        upper = picture[top : top + size_px // 2, left : left + size_px]
        lower = picture[top + size_px // 2 : top + size_px, left : left + size_px]
        upper[:] = stripes[None, :, None]
        lower[:] = stripes[: lower.shape[0], None, None]
        left += size_px + size_px // 4


def _siemens_star(cv2: Any, picture: npt.NDArray[np.uint8], middle: tuple[int, int], radius_px: int) -> None:
    y, x = np.mgrid[-radius_px : radius_px + 1, -radius_px : radius_px + 1]
    wedges = np.where(np.sin(36 * np.arctan2(y, x)) > 0, 235, 16).astype(np.uint8)
    left, top = middle[0] - radius_px, middle[1] - radius_px
    patch = picture[top : top + 2 * radius_px + 1, left : left + 2 * radius_px + 1]
    inside = x**2 + y**2 <= radius_px**2
    patch[inside] = wedges[inside][:, None]
    cv2.circle(picture, middle, radius_px + 8, _INK, 2, cv2.LINE_AA)
