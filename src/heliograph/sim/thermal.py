"""How warm a simulated sensor is: it warms up, and follows a room that does not stay the same."""

from __future__ import annotations

import math

import numpy as np

_ROOM_C = 24.0
_WARMING_C = 19.0
_WARMING_S = 300.0
_SWING_C = 1.5
_SWING_S = 1_800.0


class Thermometer:
    """The temperature of a sensor that was switched on at `since_ns`; each seed has a room of its own."""

    def __init__(self, seed: int, since_ns: int) -> None:
        offset_c, phase = np.random.default_rng([seed, 6]).uniform((-2.0, 0.0), (2.0, 2 * math.pi))
        self._room_c = _ROOM_C + float(offset_c)
        self._phase = float(phase)
        self._since_ns = since_ns

    def celsius(self, time_ns: int) -> float:
        """Give the temperature at a time, to the sixteenth of a degree that such sensors tell."""
        on_s = (time_ns - self._since_ns) / 1e9
        warming_c = _WARMING_C * (1 - math.exp(-max(0.0, on_s) / _WARMING_S))
        swing_c = _SWING_C * math.sin(2 * math.pi * on_s / _SWING_S + self._phase)
        return round((self._room_c + warming_c + swing_c) * 16) / 16
