"""Exposure, gain and white balance that follow the scene: what a camera does when they are automatic."""

from __future__ import annotations

import math
from dataclasses import replace

from heliograph.sim.balance import Levels
from heliograph.sim.sensor import SensorModel, SensorSettings, line_time_ns

TARGET_LEVEL = 0.2
"""Mean light that automatic exposure aims at, 1 is full scale: what a grey card is in most pictures."""
SMALLEST_RATIO, LARGEST_RATIO = 0.25, 8.0

# A clipped picture says only that there is too much light: more than this a frame would be guessed.
_LARGEST_STEP = 8.0
_LEAST_LEVEL = 1e-3
# Nearer than this, the noise of a picture would be followed.
_CLOSE = 0.02


def automatic(model: SensorModel, settings: SensorSettings, taken: SensorSettings, levels: Levels) -> SensorSettings:
    """Give the settings for the next frames from a picture that was `taken` with others and has these levels.

    Each step starts from what that picture was taken with, so that frames on their way do no harm. `Once` becomes
    `Off` when nothing is left to change.
    """
    if settings.exposure_auto != "Off" or settings.gain_auto != "Off":
        settings = _exposed(model, settings, taken, levels.grey)
    if settings.white_auto != "Off":
        settings = _balanced(settings, taken, levels)
    return settings


def _exposed(model: SensorModel, settings: SensorSettings, taken: SensorSettings, level: float) -> SensorSettings:
    wanted = TARGET_LEVEL / max(level, _LEAST_LEVEL)
    step = min(max(wanted, 1 / _LARGEST_STEP), _LARGEST_STEP)
    if abs(wanted - 1) < _CLOSE:
        return _once_done(settings, "exposure_auto", "gain_auto")
    total_us = taken.exposure_us * 10 ** (taken.gain_db / 20) * step
    changed = settings
    if settings.exposure_auto != "Off":
        # Light before amplification: gain is noise. One that stays at what a person set is allowed for.
        gain_db = settings.gain_db if settings.gain_auto == "Off" else 0.0
        shortest_us = line_time_ns(model, settings) / 1e3
        exposure_us = min(max(total_us / 10 ** (gain_db / 20), shortest_us), settings.exposure_limit_us)
        changed = replace(changed, exposure_us=exposure_us)
    if settings.gain_auto != "Off":
        gain_db = 20 * math.log10(total_us / changed.exposure_us)
        changed = replace(changed, gain_db=min(max(gain_db, 0.0), settings.gain_limit_db))
    if (changed.exposure_us, changed.gain_db) == (taken.exposure_us, taken.gain_db):
        # At its limits, which is as good as it gets.
        return _once_done(changed, "exposure_auto", "gain_auto")
    return changed


def _balanced(settings: SensorSettings, taken: SensorSettings, levels: Levels) -> SensorSettings:
    """Grey world: the means of the colours are alike."""
    red, blue = (_ratio(levels.green, level) for level in (levels.red, levels.blue))
    if abs(red / taken.red_ratio - 1) < _CLOSE and abs(blue / taken.blue_ratio - 1) < _CLOSE:
        return _once_done(settings, "white_auto")
    # Half of the way: colours that jump are worse to look at than colours that are late.
    return replace(settings, red_ratio=math.sqrt(red * taken.red_ratio), blue_ratio=math.sqrt(blue * taken.blue_ratio))


def _ratio(green: float, level: float) -> float:
    return min(max(max(green, _LEAST_LEVEL) / max(level, _LEAST_LEVEL), SMALLEST_RATIO), LARGEST_RATIO)


def _once_done(settings: SensorSettings, *names: str) -> SensorSettings:
    for name in names:
        if getattr(settings, name) == "Once":
            settings = replace(settings, **{name: "Off"})  # type: ignore[arg-type]  # all of them are text
    return settings
