"""The scene `test-card`: a chart, with the frame's number and true time in every picture."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from heliograph.core.convert import opencv
from heliograph.sim.chart import chart
from heliograph.sim.grid import Grid
from heliograph.sim.scene import FULL_LIGHT, sample
from heliograph.sim.sensor import SensorModel
from heliograph.sim.timecode import SMALLEST_HEIGHT, SMALLEST_WIDTH, Reading, drawn
from heliograph.sim.timecode import read_cells as read

__all__ = ["Reading", "ChartScene", "TimeInserter", "read"]


class ChartScene:
    """A chart that fills the sensor's field and does not move."""

    def __init__(self, model: SensorModel) -> None:
        cv2 = opencv()
        picture = chart(model.width_px, model.height_px)
        self._planes = [cv2.multiply(each, FULL_LIGHT / 255, dtype=cv2.CV_16U) for each in cv2.split(picture)]

    def light(self, channel: int, grid: Grid) -> npt.NDArray[np.uint16]:
        """Give the light of a channel at a grid's points."""
        return sample(self._planes[channel], grid, (0.0, 0.0), (0.0, 0.0))

    def truth(self, time_ns: float) -> Mapping[str, Any]:
        """Have nothing to tell: a chart is always the same."""
        return MappingProxyType({})


class TimeInserter:
    """Writes a frame's number and true time into its picture, as cells that `read` understands and as text.

    It works behind the sensor, as a video time inserter does: what it writes has full contrast whatever exposure and
    gain are, stands in the picture's left lower corner whatever the region is, and is never mirrored. Pictures smaller
    than 320x240 px have no room for it and stay as they are.
    """

    def insert(self, mosaic: npt.NDArray[Any], most_dn: int, frame_id: int, time_ns: int) -> None:
        """Write into a mosaic (h, w) whose full scale is `most_dn`."""
        height, width = mosaic.shape
        if width < SMALLEST_WIDTH or height < SMALLEST_HEIGHT:
            return
        # Broadcast levels: full black and white leave nothing for noise and sharpening to show.
        strip = drawn(Reading(frame_id, time_ns), width, height) * (0.82 * most_dn / 255) + 0.06 * most_dn
        mosaic[height - len(strip) :] = strip
