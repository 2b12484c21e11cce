"""What a sensor can be read out as, and which of its modes serves a region best."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from heliograph.core import FeatureValueError

AUTOMATIC = "Auto"
_LONGEST_EXPOSURE_US = 10_000_000


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle of the sensor, in its own px whatever the mode (libcamera control_ids_core.yaml, ScalerCrop)."""

    x: int
    y: int
    width: int
    height: int

    def holds(self, other: Area) -> bool:
        """Tell whether the other lies within this one."""
        return (
            self.x <= other.x
            and self.y <= other.y
            and other.x + other.width <= self.x + self.width
            and other.y + other.height <= self.y + self.height
        )


@dataclass(frozen=True, slots=True)
class SensorMode:
    """One way to read the sensor."""

    width: int
    height: int
    bits: int
    area: Area
    """The part of the sensor that is read."""
    highest_rate_hz: float
    shortest_exposure_us: int
    longest_exposure_us: int
    raw_name: str
    """libcamera's name of its raw format, unpacked."""

    @property
    def scale(self) -> float:
        """Pixels of the sensor, in one direction, that make one pixel of the mode."""
        return self.area.width / self.width

    @property
    def name(self) -> str:
        """The mode's entry in the feature SensorMode, such as Mode2028x1520_12bit."""
        return mode_name(self.width, self.height, self.bits)


def mode_name(width: int, height: int, bits: int) -> str:
    """Give the name of a mode.

    >>> mode_name(2028, 1520, 12)
    'Mode2028x1520_12bit'
    """
    return f"Mode{width}x{height}_{bits}bit"


def sensor_modes(described: Iterable[dict[str, Any]]) -> list[SensorMode]:
    """Take the modes from picamera2's `sensor_modes`; what has no size is no sensor of the Raspberry Pi's own port."""
    return [_mode(each) for each in described if "size" in each]


def _mode(described: dict[str, Any]) -> SensorMode:
    # Zeros are left out by picamera2, so that what is unknown shortens the tuple (picamera2.py, sensor_modes).
    shortest_us, *others = described["exposure_limits"]
    longest_us = others[0] if len(others) == 2 and others[0] else _LONGEST_EXPOSURE_US
    width, height = described["size"]
    return SensorMode(
        width=width,
        height=height,
        bits=described["bit_depth"],
        area=Area(*described["crop_limits"]),
        highest_rate_hz=described["fps"],
        shortest_exposure_us=shortest_us,
        longest_exposure_us=longest_us,
        raw_name=described["unpacked"],
    )


def best_mode(
    modes: Iterable[SensorMode], area: Area, binning: int, wanted: str, exactly: bool = False, anywhere: bool = False
) -> SensorMode:
    """Give the mode that reads `area` with the fewest pixels that need not be enlarged, then the most bits.

    Of several it is the fastest.

    `wanted` is a mode's name, or "Auto" for any. With `exactly`, as raw pictures need it, a pixel of the mode is a
    pixel of the picture. With `anywhere`, the area need only be small enough. Raises `FeatureValueError` when no mode
    fits.
    """
    named = [each for each in modes if wanted in (AUTOMATIC, each.name)]
    holding = [
        each for each in named if each.area.holds(replace(area, x=each.area.x, y=each.area.y) if anywhere else area)
    ]
    fitting = [each for each in holding if each.scale <= binning]
    if exactly:
        fitting = [each for each in fitting if each.scale == binning]
    if not fitting:
        there = ", ".join(f"{each.name} (binned {each.scale:g})" for each in named)
        what = "raw pictures" if exactly else "pictures"
        raise FeatureValueError(
            f"no mode of the sensor gives {what} of {area.width}x{area.height} of its px binned {binning}; there are "
            f"{there or 'none for this format'}: change BinningHorizontal, the region or SensorMode"
        )
    return max(fitting, key=lambda each: (each.scale, each.bits, each.highest_rate_hz))
