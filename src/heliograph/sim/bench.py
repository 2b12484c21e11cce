"""The scene `bench`: pictures made beforehand, so that transport is all that a frame costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

from heliograph.sim.balance import Levels
from heliograph.sim.rendering import Renderer
from heliograph.sim.sensor import SensorModel, SensorSettings

BENCH_MODEL = SensorModel(line_time_ns=100, blank_lines=0, default_exposure_us=100.0, default_rate_hz=100.0, buffers=8)
"""A sensor that is read out so quickly that it never limits what is behind it: 2000 frames/s."""

_MOST_PICTURES = 8
_FEWEST_PICTURES = 2
# Of a 4056x3040 sensor, eight pictures in BGR8 would take 300 MB and a second to make.
_MOST_BYTES = 80_000_000


class PreparedPictures:
    """Renders a few pictures when acquisition starts and gives them in turn, without a copy.

    They are read-only: every holder of a frame looks at the same pixels. Exposure and gain act on the next start.
    """

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer
        self._pictures: list[npt.NDArray[Any]] = []

    @property
    def levels(self) -> Levels | None:
        """None: no exposure changes these pictures."""
        return None

    def prepare(self, settings: SensorSettings) -> None:
        """Render the pictures: eight, or fewer large ones."""
        self._pictures = []
        picture_bytes = settings.pixel_format.payload_bytes(settings.width, settings.height)
        count = min(max(_MOST_BYTES // picture_bytes, _FEWEST_PICTURES), _MOST_PICTURES)
        self._pictures = [self._renderer.picture(settings, frame_id, 0, 0) for frame_id in range(count)]
        for picture in self._pictures:
            picture.setflags(write=False)

    def picture(self, settings: SensorSettings, frame_id: int, start_ns: int, time_ns: int) -> npt.NDArray[Any]:
        """Give the picture whose turn it is."""
        return self._pictures[frame_id % len(self._pictures)]

    def truth(self, start_ns: int) -> Mapping[str, Any]:
        """Know nothing: the pictures are older than the frame."""
        return {}
