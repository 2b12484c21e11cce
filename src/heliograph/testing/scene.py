"""Scenes so plain that a test can say what every pixel of them should be."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from heliograph.sim.grid import Grid


class FlatScene:
    """The same light everywhere, one for each of red, green and blue."""

    def __init__(self, red: int, green: int, blue: int) -> None:
        self._levels = (red, green, blue)

    def light(self, channel: int, grid: Grid) -> npt.NDArray[np.uint16]:
        """Give the light of a channel."""
        return np.full((grid.rows, grid.columns), self._levels[channel], np.uint16)

    def truth(self, time_ns: float) -> Mapping[str, Any]:
        """Have nothing to tell."""
        return MappingProxyType({})


class DawnScene:
    """Light that grows with time alone, by `light_per_ms`: a rolling shutter sees later rows brighter."""

    def __init__(self, light_per_ms: float) -> None:
        self._light_per_ms = light_per_ms

    def light(self, channel: int, grid: Grid) -> npt.NDArray[np.uint16]:
        """Give the light of each row's own time."""
        times_ms = (grid.time_ns + np.arange(grid.rows) * grid.row_ns) * 1e-6
        rows = np.rint(times_ms * self._light_per_ms).astype(np.uint16)
        return np.repeat(rows[:, None], grid.columns, axis=1)

    def truth(self, time_ns: float) -> Mapping[str, Any]:
        """Tell the light of a time."""
        return {"light": time_ns * 1e-6 * self._light_per_ms}
