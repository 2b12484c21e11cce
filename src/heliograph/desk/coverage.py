"""Which views of a board are worth keeping, and whether together they say enough about a lens.

A view is described by where the board is in the picture, how large, and how much it is tilted to each side: views that
differ in none of it add nothing. What is covered is counted in cells of the picture, since distortion is known only
where corners were seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from heliograph.desk.board import Sighting

COLUMNS, ROWS = 8, 6
"""Cells of a picture."""
# In the units of a placement: a tenth of the picture in x and in y, or a tilt from 0 to 37 degrees.
_LEAST_DIFFERENCE = 0.2


@dataclass(frozen=True, slots=True)
class Placement:
    """Where and how a board stands in a picture, every number about 0 to 1."""

    x: float
    y: float
    extent: float
    """Square root of the share of the picture that it takes."""
    tilt_x: float
    """1 - cos of the angle by which it is turned away, as far as that narrows it sideways; `tilt_y` up and down."""
    tilt_y: float

    @classmethod
    def of(cls, sighting: Sighting, width: int, height: int) -> Placement:
        """Describe a sighting in a picture of this size in px."""
        points = sighting.points_mm[:, :2].astype(float)
        pixels = sighting.pixels.astype(float)
        centre = pixels.mean(axis=0)
        linear = np.linalg.lstsq(points - points.mean(axis=0), pixels - centre, rcond=None)[0].T
        directions, stretches, _ = np.linalg.svd(linear)
        tilt = 1 - stretches[1] / max(stretches[0], 1e-9)
        narrowed = np.abs(directions[:, 1])
        extent_px = np.sqrt(np.prod(np.ptp(pixels, axis=0)))
        return cls(
            x=centre[0] / width,
            y=centre[1] / height,
            extent=float(extent_px / np.sqrt(width * height)),
            tilt_x=float(tilt * narrowed[0]),
            tilt_y=float(tilt * narrowed[1]),
        )

    @property
    def tilt_degrees(self) -> float:
        """Angle between the board and the picture."""
        return float(np.degrees(np.arccos(np.clip(1 - np.hypot(self.tilt_x, self.tilt_y), 0, 1))))

    def difference(self, other: Placement) -> float:
        """Give how much two placements differ."""
        return (
            abs(self.x - other.x)
            + abs(self.y - other.y)
            + abs(self.extent - other.extent)
            + abs(self.tilt_x - other.tilt_x)
            + abs(self.tilt_y - other.tilt_y)
        )


class Coverage:
    """What the views kept so far have seen, of pictures of one size in px."""

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self.placements: list[Placement] = []
        self.cells: npt.NDArray[np.int64] = np.zeros((ROWS, COLUMNS), np.int64)
        """Corners seen in each cell of the picture, shape (ROWS, COLUMNS)."""

    def is_new(self, placement: Placement) -> bool:
        """Tell whether a view differs from every one that was kept."""
        return all(placement.difference(each) >= _LEAST_DIFFERENCE for each in self.placements)

    def add(self, sighting: Sighting, placement: Placement) -> None:
        """Count a view that is kept."""
        self.placements.append(placement)
        columns = np.clip(sighting.pixels[:, 0] * COLUMNS / self.width, 0, COLUMNS - 1).astype(int)
        rows = np.clip(sighting.pixels[:, 1] * ROWS / self.height, 0, ROWS - 1).astype(int)
        np.add.at(self.cells, (rows, columns), 1)

    @property
    def share(self) -> float:
        """Share of the picture's cells in which corners were seen, 0 to 1."""
        return float((self.cells > 0).mean())

    @property
    def tilt_degrees(self) -> float:
        """Greatest tilt of a view."""
        return max((placement.tilt_degrees for placement in self.placements), default=0.0)

    @property
    def emptiest(self) -> str:
        """Name the side of the picture that was seen least: left, right, top or bottom."""
        seen = self.cells > 0
        sides = {
            "left": seen[:, : COLUMNS // 4],
            "right": seen[:, -COLUMNS // 4 :],
            "top": seen[: ROWS // 3],
            "bottom": seen[-ROWS // 3 :],
        }
        return min(sides, key=lambda side: float(sides[side].mean()))
