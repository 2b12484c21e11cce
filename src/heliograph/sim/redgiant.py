"""The scene `red-giant`: a satellite's pass over a star field in which one star is red."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from heliograph.sim.grid import Grid
from heliograph.sim.pointing import Pointing
from heliograph.sim.scene import sample
from heliograph.sim.sensor import SensorModel
from heliograph.sim.sky import Sky

_MARGIN_PX = 12.0
_SWING_PX = 30.0


class RedGiantPass:
    """A pass over a sky, from its left edge to its right one; it repeats when it is over.

    The giant is in the field for about half of a pass. It is reddest next to the lens's axis, where the lens
    passes most light.
    """

    def __init__(self, sky: Sky, model: SensorModel, seed: int, pass_s: float) -> None:
        self._sky = sky
        self._middle_px = ((model.width_px - 1) / 2, (model.height_px - 1) / 2)
        width, height = sky.size_px
        right = width - model.width_px - _MARGIN_PX
        # The giant passes the middle of the field a little below it on this path.
        top = sky.giant.y_px - self._middle_px[1]
        lowest, highest = _MARGIN_PX + _SWING_PX, height - model.height_px - _MARGIN_PX - _SWING_PX
        from_px, to_px = (_MARGIN_PX, max(lowest, top - 40)), (right, min(highest, top + 40))
        self._pointing = Pointing.of(seed, pass_s, from_px, to_px, _SWING_PX)

    def light(self, channel: int, grid: Grid) -> npt.NDArray[np.uint16]:
        """Give the light of a channel at a grid's points."""
        first_px = self._pointing.at(grid.time_ns)
        last_px = self._pointing.at(grid.time_ns + (grid.rows - 1) * grid.row_ns)
        return sample(self._sky.planes[channel], grid, first_px, last_px)

    def truth(self, time_ns: float) -> Mapping[str, Any]:
        """Give `pass_fraction`, 0 to 1, and `giant_px`, (x, y) of the giant on the unbinned, unreversed sensor.

        The giant's place is that at `time_ns`, in the field or not.
        """
        x_px, y_px = self._pointing.at(time_ns)
        giant = self._sky.giant
        return {
            "pass_fraction": self._pointing.fraction(time_ns),
            "giant_px": [giant.x_px - x_px, giant.y_px - y_px],
        }
