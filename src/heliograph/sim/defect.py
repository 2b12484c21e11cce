"""What no lens made: hot pixels, which every frame has, and tracks of cosmic rays, which only one has."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from heliograph.sim.noise import Converter
from heliograph.sim.sensor import SensorModel, SensorSettings

_RAYS_PER_FRAME = 2.5
_E_PER_PX_OF_TRACK = 3_000.0


@dataclass(frozen=True, slots=True)
class HotPixels:
    """Photosites that collect electrons without light, in proportion to the exposure."""

    columns: npt.NDArray[np.intp]
    rows: npt.NDArray[np.intp]
    e_per_s: npt.NDArray[np.float64]

    @classmethod
    def of(cls, seed: int, model: SensorModel, count: int = 48) -> HotPixels:
        """Give the hot pixels of the sensor of this seed; the first six sit under red filters and fill the well."""
        rng = np.random.default_rng([seed, 1])
        columns = rng.integers(0, model.width_px, count)
        rows = rng.integers(0, model.height_px, count)
        e_per_s = model.full_well_e / model.default_exposure_us * 1e6 * rng.uniform(0.15, 1.2, count)
        columns[:6] &= ~1
        rows[:6] &= ~1
        e_per_s[:6] = 1.3 * model.full_well_e / model.default_exposure_us * 1e6
        return cls(columns, rows, e_per_s)

    def add(
        self,
        numbers: npt.NDArray[np.uint8 | np.uint16],
        settings: SensorSettings,
        converter: Converter,
        rng: np.random.Generator,
    ) -> None:
        """Add the hot pixels that lie in a mosaic (h, w) of these settings."""
        electrons = self.e_per_s * settings.exposure_us * 1e-6 / converter.binned
        columns = self.columns // settings.binning_x - settings.offset_x
        rows = self.rows // settings.binning_y - settings.offset_y
        _deposit(numbers, columns, rows, electrons, converter, rng)


def add_cosmic_rays(
    numbers: npt.NDArray[np.uint8 | np.uint16],
    settings: SensorSettings,
    converter: Converter,
    rng: np.random.Generator,
) -> None:
    """Add this frame's tracks to a mosaic (h, w): straight, a few px to a few dozen long, under any filter alike."""
    height, width = numbers.shape
    for _ in range(rng.poisson(_RAYS_PER_FRAME)):
        along = np.arange(rng.geometric(1 / 12) + 2)
        angle = rng.uniform(0, 2 * np.pi)
        columns = np.rint(rng.uniform(0, width) + along * np.cos(angle)).astype(np.intp)
        rows = np.rint(rng.uniform(0, height) + along * np.sin(angle)).astype(np.intp)
        electrons = _E_PER_PX_OF_TRACK * rng.lognormal(0, 0.7, along.size) / (settings.binning_x * settings.binning_y)
        _deposit(numbers, columns, rows, electrons, converter, rng)


def _deposit(
    numbers: npt.NDArray[np.uint8 | np.uint16],
    columns: npt.NDArray[np.intp],
    rows: npt.NDArray[np.intp],
    electrons: npt.NDArray[np.float64],
    converter: Converter,
    rng: np.random.Generator,
) -> None:
    height, width = numbers.shape
    noisy = electrons + np.sqrt(electrons) * rng.standard_normal(electrons.size)
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    columns, rows, noisy = columns[inside], rows[inside], noisy[inside]
    total = numbers[rows, columns] + noisy * converter.dn_per_e
    numbers[rows, columns] = np.clip(np.rint(total), 0, converter.most_dn)
