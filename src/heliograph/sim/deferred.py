"""A scene that is made when somebody looks: a camera that is served and not watched has no use for 60 MB of sky."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy.typing as npt

from heliograph.sim.balance import Levels
from heliograph.sim.rendering import PictureSource
from heliograph.sim.sensor import SensorSettings


class DeferredPictures:
    """Makes a source of pictures at the first use, and is it from then on."""

    def __init__(self, make: Callable[[], PictureSource]) -> None:
        self._make = make

    @property
    def levels(self) -> Levels | None:
        """Those of the source; None before the first picture."""
        return self._source.levels if "_source" in self.__dict__ else None

    def prepare(self, settings: SensorSettings) -> None:
        """Make the source, and have it prepare."""
        self._source.prepare(settings)

    def picture(self, settings: SensorSettings, frame_id: int, start_ns: int, time_ns: int) -> npt.NDArray[Any]:
        """Give the source's picture."""
        return self._source.picture(settings, frame_id, start_ns, time_ns)

    def truth(self, start_ns: int) -> Mapping[str, Any]:
        """What the source knows."""
        return self._source.truth(start_ns)

    @cached_property
    def _source(self) -> PictureSource:
        return self._make()
