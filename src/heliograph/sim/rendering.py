"""From a scene to the pixels of one frame."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from heliograph.core import Layout
from heliograph.core.convert import opencv
from heliograph.sim.balance import Levels, balance
from heliograph.sim.defect import HotPixels, add_cosmic_rays
from heliograph.sim.development import develop, mosaic_bits
from heliograph.sim.grid import MOSAIC, mosaic_grids
from heliograph.sim.lens import Lens
from heliograph.sim.noise import Converter
from heliograph.sim.scene import Scene
from heliograph.sim.sensor import SensorModel, SensorSettings
from heliograph.sim.testpattern import pattern_mosaic


class Inserter(Protocol):
    """Writes into finished mosaics, as a video time inserter does."""

    def insert(self, mosaic: npt.NDArray[Any], most_dn: int, frame_id: int, time_ns: int) -> None:
        """Write the frame's number and true time into a mosaic (h, w)."""
        ...


class PictureSource(Protocol):
    """Where a simulated camera gets the pixels of its frames."""

    @property
    def levels(self) -> Levels | None:
        """Mean light of the latest picture before white balance; None where light has no say in it."""
        ...

    def prepare(self, settings: SensorSettings) -> None:
        """Do what takes long, before the first frame is due."""
        ...

    def picture(self, settings: SensorSettings, frame_id: int, start_ns: int, time_ns: int) -> npt.NDArray[Any]:
        """Give the pixels of a frame begun `start_ns` after acquisition started, at `time_ns` of the clock."""
        ...

    def truth(self, start_ns: int) -> Mapping[str, Any]:
        """What is true of the scene then."""
        ...


class Renderer:
    """Renders a scene through a lens onto a sensor; a frame's pixels depend on nothing but what it is given.

    Noise and cosmic rays follow from the seed and the frame's number.
    """

    def __init__(
        self, scene: Scene, model: SensorModel, seed: int, lens: Lens | None = None, inserter: Inserter | None = None
    ) -> None:
        self._scene = scene
        self._model = model
        self._seed = seed
        self._lens = lens or Lens()
        self._inserter = inserter
        self._hot = HotPixels.of(seed, model)
        self._levels: Levels | None = None
        # A window moves seldom; its light fall-off is a picture of its own and costs as much as one.
        self._illumination = lru_cache(maxsize=1)(self._illumination_of)

    @property
    def levels(self) -> Levels | None:
        """Mean light of the latest picture before white balance, None for a test pattern."""
        return self._levels

    def prepare(self, settings: SensorSettings) -> None:
        """Render one picture, so that everything is built that pictures share."""
        self.picture(settings, 1, 0, 0)

    def truth(self, start_ns: int) -> Mapping[str, Any]:
        """What is true of the scene at a time since acquisition started."""
        return self._scene.truth(start_ns)

    def picture(self, settings: SensorSettings, frame_id: int, start_ns: int, time_ns: int) -> npt.NDArray[Any]:
        """Give the pixels of a frame; the inserter alone looks at `time_ns`."""
        converter = Converter.of(self._model, settings, mosaic_bits(settings.pixel_format))
        if settings.test_pattern == "Off":
            mosaic = self._mosaic(settings, converter, frame_id, start_ns)
            if self._inserter:
                whole_cells = mosaic[: settings.height // 2 * 2, : settings.width // 2 * 2]
                self._inserter.insert(whole_cells, converter.most_dn, frame_id, time_ns)
        else:
            self._levels = None
            size_px = (settings.width + settings.width % 2, settings.height + settings.height % 2)
            mosaic = pattern_mosaic(settings.test_pattern, *size_px, converter.most_dn, frame_id)
        return _cut(develop(mosaic, settings.pixel_format), settings)

    def _mosaic(self, settings: SensorSettings, converter: Converter, frame_id: int, start_ns: int) -> npt.NDArray[Any]:
        rng = np.random.default_rng([self._seed, 2, frame_id])
        light = self._mosaic_light(settings, start_ns)
        mosaic = converter.convert(light, self._illumination(_window(settings)), rng)
        self._hot.add(mosaic, settings, converter, rng)
        add_cosmic_rays(mosaic, settings, converter, rng)
        self._levels = Levels.of(mosaic, converter.black_dn, converter.most_dn)
        ratios = (settings.red_ratio, settings.blue_ratio)
        # A mosaic is what the sensor saw, whatever the image processor would make of it.
        if settings.pixel_format.layout is not Layout.BAYER and ratios != (1.0, 1.0):
            balance(mosaic, *ratios, converter.black_dn, converter.most_dn)
        return mosaic

    def _mosaic_light(self, settings: SensorSettings, start_ns: int) -> npt.NDArray[np.uint16]:
        planes = [[self._channel_light(settings, start_ns, row, column) for column in (0, 1)] for row in (0, 1)]
        return _interleaved(planes, np.dtype(np.uint16))

    def _channel_light(self, settings: SensorSettings, start_ns: int, row: int, column: int) -> npt.NDArray[np.uint16]:
        grids = mosaic_grids(self._model, settings, start_ns, row, column)
        seen = [self._scene.light(MOSAIC[row][column], grid) for grid in grids]
        return seen[0] if len(seen) == 1 else np.mean(seen, axis=0).astype(np.uint16)

    def _illumination_of(self, window: SensorSettings) -> npt.NDArray[np.float32]:
        sensor_px = (self._model.width_px, self._model.height_px)
        planes = [
            [
                self._lens.illumination(mosaic_grids(self._model, window, 0, row, column)[0], sensor_px)
                for column in (0, 1)
            ]
            for row in (0, 1)
        ]
        return _interleaved(planes, np.dtype(np.float32))


def _cut(picture: npt.NDArray[Any], settings: SensorSettings) -> npt.NDArray[Any]:
    """Give a picture of an odd size: mosaics have whole cells, so it was made larger by a row or a column."""
    if settings.width % 2 or settings.height % 2:
        picture = np.ascontiguousarray(picture[: settings.height, : settings.width])
    return picture


def _window(settings: SensorSettings) -> SensorSettings:
    """The settings that say where a picture's pixels lie on the sensor, all others at their defaults."""
    return SensorSettings(
        width=settings.width,
        height=settings.height,
        offset_x=settings.offset_x,
        offset_y=settings.offset_y,
        binning_x=settings.binning_x,
        binning_y=settings.binning_y,
        reverse_x=settings.reverse_x,
        reverse_y=settings.reverse_y,
    )


def _interleaved(planes: list[list[npt.NDArray[Any]]], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Put the four quarter pictures of a mosaic, [row parity][column parity], in their places."""
    cv2 = opencv()
    rows, columns = planes[0][0].shape
    mosaic = np.empty((rows, 2, columns, 2), dtype)
    for parity, pair in enumerate(planes):
        cv2.merge(pair, mosaic[:, parity])
    return mosaic.reshape(2 * rows, 2 * columns)
