"""What the lens does to the light on its way: a rectilinear lens darkens towards the corners."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from heliograph.sim.grid import Grid


@dataclass(frozen=True, slots=True)
class Lens:
    """A lens on the middle of the sensor; the default one, of infinite focal length, darkens nothing."""

    focal_length_px: float = math.inf

    def illumination(self, grid: Grid, sensor_px: tuple[int, int]) -> npt.NDArray[np.float32]:
        """Give the light at a grid's points relative to that on the axis, shape (rows, columns).

        It is the fourth power of the cosine of the angle to the axis; `sensor_px` is the sensor's (width, height).
        """
        width_px, height_px = sensor_px
        x = grid.x_px + grid.step_x_px * np.arange(grid.columns) - (width_px - 1) / 2
        y = grid.y_px + grid.step_y_px * np.arange(grid.rows) - (height_px - 1) / 2
        square = (x[None, :] ** 2 + y[:, None] ** 2) / self.focal_length_px**2
        return ((1 + square) ** -2.0).astype(np.float32)
