"""From light to numbers: photons, shot noise, read noise, gain, black level, quantisation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from heliograph.core.convert import opencv
from heliograph.sim.scene import FULL_LIGHT
from heliograph.sim.sensor import SensorModel, SensorSettings

_BANK_SIZE_BITS = 21
# Strips whose float planes stay in the second-level cache: 32 rows of 2028 px are 260 kB.
_STRIP_PX = 65_536
_BLACK_LEVEL_BITS = 12


@lru_cache(maxsize=1)
def normal_bank() -> npt.NDArray[np.float32]:
    """Give two million numbers of the standard normal distribution, the same in every process.

    A frame reads them from random places of its own: drawing new ones would take ten times as long as all the rest.
    """
    bank = np.random.default_rng(477).standard_normal(1 << _BANK_SIZE_BITS, dtype=np.float32)
    bank.setflags(write=False)
    return bank


@dataclass(frozen=True, slots=True)
class Converter:
    """The numbers a light gives: DN = black + dn_per_e * (electrons + noise), clipped to 0 and `most_dn`."""

    e_per_light: float
    dn_per_e: float
    black_dn: float
    noise_e2: float
    """Variance of the read noise, in electrons squared."""
    binned: int
    """Sensor pixels whose mean is one pixel of the picture."""
    bits: int

    @classmethod
    def of(cls, model: SensorModel, settings: SensorSettings, bits: int) -> Converter:
        """Give the converter of a sensor's settings with an output of `bits` bits."""
        most_dn = (1 << bits) - 1
        return cls(
            e_per_light=model.full_well_e / FULL_LIGHT * settings.exposure_us / model.default_exposure_us,
            dn_per_e=most_dn / model.full_well_e * 10 ** (settings.gain_db / 20),
            black_dn=settings.black_level_dn * most_dn / ((1 << _BLACK_LEVEL_BITS) - 1),
            noise_e2=model.read_noise_e**2,
            binned=settings.binning_x * settings.binning_y,
            bits=bits,
        )

    @property
    def most_dn(self) -> int:
        """Full scale."""
        return (1 << self.bits) - 1

    def convert(
        self, light: npt.NDArray[np.uint16], illumination: npt.NDArray[np.float32], rng: np.random.Generator
    ) -> npt.NDArray[np.uint8 | np.uint16]:
        """Give the numbers of a light through a lens, both (h, w); `rng` decides the noise."""
        cv2 = opencv()
        height, width = light.shape
        depth = cv2.CV_8U if self.bits == 8 else cv2.CV_16U
        numbers = np.empty((height, width), np.uint8 if self.bits == 8 else np.uint16)
        rows = min(height, max(1, _STRIP_PX // width))
        bank = normal_bank()
        places = rng.integers(0, bank.size - rows * width, size=-(-height // rows))
        mean = np.empty((rows, width), np.float32)
        deviation = np.empty((rows, width), np.float32)
        # variance = dn_per_e**2 * (electrons + noise_e2) / binned, with electrons = (mean - black) / dn_per_e
        slope = self.dn_per_e / self.binned
        shift = slope * (self.dn_per_e * self.noise_e2)
        for place, top in zip(places, range(0, height, rows), strict=True):
            part = slice(top, min(top + rows, height))
            m, d = mean[: part.stop - top], deviation[: part.stop - top]
            cv2.multiply(light[part], illumination[part], m, self.e_per_light * self.dn_per_e, cv2.CV_32F)
            cv2.addWeighted(m, slope, m, 0.0, shift, d)
            cv2.sqrt(d, d)
            cv2.multiply(d, bank[place : place + d.size].reshape(d.shape), d)
            if self.black_dn:
                cv2.addWeighted(m, 1.0, m, 0.0, self.black_dn, m)
            # Adds, rounds and saturates in one pass.
            cv2.add(m, d, numbers[part], None, depth)
        if 8 < self.bits < 16:
            np.minimum(numbers, self.most_dn, out=numbers)
        return numbers
