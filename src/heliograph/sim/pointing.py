"""Where a satellite's telescope points during a pass."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

_JITTER_HZ = (0.37, 1.3, 3.1, 6.7)
_JITTER_PX = (2.0, 1.0, 0.6, 0.3)


@dataclass(frozen=True, slots=True)
class Pointing:
    """Steady drift along x and a slow swing in y over a pass, and jitter; the next pass begins where this one began.

    `at` gives where the sensor's first pixel looks, in px of the sky.
    """

    pass_s: float
    from_px: tuple[float, float]
    to_px: tuple[float, float]
    swing_px: float
    phases: tuple[tuple[float, ...], tuple[float, ...]]
    """Phase of each jitter frequency in x and in y, in radians."""

    @classmethod
    def of(
        cls, seed: int, pass_s: float, from_px: tuple[float, float], to_px: tuple[float, float], swing_px: float
    ) -> Pointing:
        """Give the pointing whose jitter is that of a seed."""
        phases = np.random.default_rng([seed, 3]).uniform(0, 2 * math.pi, (2, len(_JITTER_HZ))).tolist()
        return cls(pass_s, from_px, to_px, swing_px, (tuple(phases[0]), tuple(phases[1])))

    def fraction(self, time_ns: float) -> float:
        """How much of the pass is over, 0 to 1."""
        return time_ns * 1e-9 / self.pass_s % 1.0

    def at(self, time_ns: float) -> tuple[float, float]:
        """Give (x, y) at a time since acquisition started."""
        fraction = self.fraction(time_ns)
        x, y = (begin + (end - begin) * fraction for begin, end in zip(self.from_px, self.to_px, strict=True))
        swing = self.swing_px * math.sin(2 * math.pi * fraction)
        return x + _jitter_px(time_ns, self.phases[0]), y + swing + _jitter_px(time_ns, self.phases[1])


def _jitter_px(time_ns: float, phases: tuple[float, ...]) -> float:
    return sum(
        amplitude * math.sin(2 * math.pi * frequency * time_ns * 1e-9 + phase)
        for amplitude, frequency, phase in zip(_JITTER_PX, _JITTER_HZ, phases, strict=True)
    )
