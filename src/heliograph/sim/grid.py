"""Where on the sensor, and when, the samples of one colour of a picture are taken."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from heliograph.sim.sensor import SensorModel, SensorSettings, row_delay_ns

MOSAIC = ((0, 1), (1, 2))
"""Channel (0 red, 1 green, 2 blue) of a photosite by parity of row and column: RGGB."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Points on the sensor at x + j * step_x, y + i * step_y (px, centre of the first photosite at 0, 0).

    Row i is seen at `time_ns` + i * `row_ns` since acquisition started, in the middle of its exposure.
    """

    x_px: float
    y_px: float
    step_x_px: float
    step_y_px: float
    columns: int
    rows: int
    time_ns: float
    row_ns: float


def mosaic_grids(
    model: SensorModel, settings: SensorSettings, start_ns: float, row_parity: int, column_parity: int
) -> list[Grid]:
    """Give the points whose mean is what each photosite of one mosaic colour sees, for a frame begun at `start_ns`.

    A binned photosite sees the mean of its sensor pixels: bilinear sampling in the middle of four is the mean of the
    four, so binning by 2 takes one grid, by 4 four and by 8 sixteen. Mirrored pictures look at the scene through a
    mirror before the sensor: a picture's mosaic begins with red whatever is reversed. A size that is odd is rounded
    up: a mosaic has whole cells.
    """
    row_ns = row_delay_ns(model, settings)
    xs, step_x_px = _points(
        model.width_px, settings.offset_x + column_parity, settings.binning_x, reverse=settings.reverse_x
    )
    ys, step_y_px = _points(
        model.height_px, settings.offset_y + row_parity, settings.binning_y, reverse=settings.reverse_y
    )
    return [
        Grid(
            x_px=x_px,
            y_px=y_px,
            step_x_px=step_x_px,
            step_y_px=step_y_px,
            columns=(settings.width + 1) // 2,
            rows=(settings.height + 1) // 2,
            time_ns=start_ns + row_parity * row_ns + settings.exposure_us * 500,
            row_ns=2 * row_ns,
        )
        for y_px, x_px in product(ys, xs)
    ]


def _points(sensor_size_px: int, first: int, binning: int, *, reverse: bool) -> tuple[list[float], int]:
    """Sensor coordinates of the points of photosite `first`, and the step to the next one of its colour."""
    inside = (0.0,) if binning == 1 else [0.5 + pair for pair in range(0, binning, 2)]
    points = [first * binning + shift for shift in inside]
    if reverse:
        return [sensor_size_px - 1 - point for point in points], -2 * binning
    return points, 2 * binning
