"""What a simulated camera looks at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from heliograph.core.convert import opencv
from heliograph.sim.grid import Grid

FULL_LIGHT = 4096
"""Light that fills the well at the sensor's default exposure; scenes may shine up to sixteen times as bright."""


class Scene(Protocol):
    """Light that falls on the sensor, as a function of place and time alone."""

    def light(self, channel: int, grid: Grid) -> npt.NDArray[np.uint16]:
        """Give the light of one channel (0 red, 1 green, 2 blue) at a grid's points, shape (rows, columns)."""
        ...

    def truth(self, time_ns: float) -> Mapping[str, Any]:
        """What is true of the scene at a time since acquisition started, as JSON-like values for a frame's metadata."""
        ...


def sample(
    plane: npt.NDArray[np.uint16], grid: Grid, first_px: tuple[float, float], last_px: tuple[float, float]
) -> npt.NDArray[np.uint16]:
    """Look at a plane of light through a grid, bilinearly; outside it is as at its edge.

    `first_px` and `last_px` are where (x, y) the sensor's first pixel stands on the plane when the grid's first and
    last row are seen: a scene that moves meanwhile is sheared, as a rolling shutter does it.
    """
    cv2 = opencv()
    rows = max(1, grid.rows - 1)
    matrix = np.array(
        [
            [grid.step_x_px, (last_px[0] - first_px[0]) / rows, grid.x_px + first_px[0]],
            [0.0, grid.step_y_px + (last_px[1] - first_px[1]) / rows, grid.y_px + first_px[1]],
        ]
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = (grid.columns, grid.rows)
    return np.asarray(cv2.warpAffine(plane, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE), np.uint16)
