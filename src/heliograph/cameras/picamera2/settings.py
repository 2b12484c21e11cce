"""What a Raspberry Pi camera is set to, and the controls of libcamera that this stands for."""

from __future__ import annotations

import math
from collections.abc import Container
from dataclasses import dataclass
from typing import Any

from heliograph.cameras.picamera2.mode import AUTOMATIC, Area, SensorMode
from heliograph.core import PixelFormat

_FIRST_EXPOSURE_US = 10_000.0
# A frame lasts a little longer than its exposure: rows that a sensor needs to spare (frameIntegrationDiff in
# libcamera's src/ipa/rpi/cam_helper), and by how much libcamera may stretch a frame to have them.
_SPARE_LINES = 48
_SPARE_US = 5_000


@dataclass(frozen=True, slots=True)
class Settings:
    """What the features of a camera are set to; sizes and offsets in px of the picture."""

    pixel_format: PixelFormat
    binning: int
    width: int
    height: int
    offset_x: int = 0
    offset_y: int = 0
    reverse_x: bool = False
    reverse_y: bool = False
    mode_name: str = AUTOMATIC
    wanted_rate_hz: float = 25.0
    exposure_us: float = _FIRST_EXPOSURE_US
    exposure_auto: bool = False
    gain_db: float = 0.0
    gain_auto: bool = False
    balance_auto: bool = True
    balance_red: float = 1.0
    balance_blue: float = 1.0
    focus_auto: bool = False
    lens_position_dpt: float = 0.0

    def area(self, field: Area) -> Area:
        """Give the part of the sensor that the picture shows."""
        return Area(
            field.x + self.offset_x * self.binning,
            field.y + self.offset_y * self.binning,
            self.width * self.binning,
            self.height * self.binning,
        )


def shortest_frame_ns(settings: Settings, mode: SensorMode, line_time_ns: int) -> float:
    """Give the shortest frame that leaves the exposure whole."""
    spare_us = _SPARE_LINES * line_time_ns / 1e3
    return 1e3 * max(1e6 / mode.highest_rate_hz, _fixed_exposure_us(settings) + spare_us)


def highest_rate_hz(settings: Settings, mode: SensorMode) -> float:
    """Frames per second that readout and exposure leave room for."""
    return 1e6 / max(1e6 / mode.highest_rate_hz, _fixed_exposure_us(settings))


def _fixed_exposure_us(settings: Settings) -> float:
    """Give the exposure that frames must leave room for: one that libcamera chooses fits into them."""
    return 0.0 if settings.exposure_auto else settings.exposure_us


def controls(settings: Settings, mode: SensorMode, known: Container[str], duration_us: int = 0) -> dict[str, Any]:
    """Give every control that follows from the settings, as far as the camera has it (`known`).

    `duration_us` is the length of the next frame where somebody steers it, else it follows from the frame rate.
    Meanings: libcamera src/libcamera/control_ids_core.yaml.
    """
    given: dict[str, Any] = {
        **frame_duration(settings, mode, duration_us),
        **(_exposure if "ExposureTimeMode" in known else _exposure_before_0_5)(settings),
        **_balance(settings),
        **_focus(settings),
        # What a measurement needs: control_ids_draft.yaml, NoiseReductionModeOff.
        "NoiseReductionMode": 0,
    }
    return {name: value for name, value in given.items() if name in known}


def crop(area: Area, known: Container[str]) -> dict[str, Any]:
    """Give the control that cuts the region out; on a Pi 5 picamera2 sets ScalerCrops, which goes before ScalerCrop.

    libcamera src/libcamera/pipeline/rpi/common/pipeline_base.cpp, applyScalerCrop.
    """
    rectangle = (area.x, area.y, area.width, area.height)
    return {"ScalerCrops": [rectangle]} if "ScalerCrops" in known else {"ScalerCrop": rectangle}


def frame_duration(settings: Settings, mode: SensorMode, duration_us: int = 0) -> dict[str, Any]:
    """Give the control that says how long a frame lasts, steered (`duration_us`) or by the frame rate."""
    rate_hz = min(settings.wanted_rate_hz, mode.highest_rate_hz)
    shortest_us = duration_us or round(1e6 / rate_hz)
    # The longest frame limits the exposure, a fixed one as well: FrameDurationLimits.
    longest_us = shortest_us if settings.exposure_auto else max(shortest_us, round(settings.exposure_us) + _SPARE_US)
    return {"FrameDurationLimits": (shortest_us, longest_us)}


def _exposure(settings: Settings) -> dict[str, Any]:
    given: dict[str, Any] = {
        "ExposureTimeMode": int(not settings.exposure_auto),
        "AnalogueGainMode": int(not settings.gain_auto),
    }
    if not settings.exposure_auto:
        given["ExposureTime"] = round(settings.exposure_us)
    if not settings.gain_auto:
        given["AnalogueGain"] = 10 ** (settings.gain_db / 20)
    return given


def _exposure_before_0_5(settings: Settings) -> dict[str, Any]:
    """One switch for both; a value of 0 leaves that one to the algorithm."""
    return {
        "AeEnable": settings.exposure_auto or settings.gain_auto,
        "ExposureTime": 0 if settings.exposure_auto else round(settings.exposure_us),
        "AnalogueGain": 0.0 if settings.gain_auto else 10 ** (settings.gain_db / 20),
    }


def _balance(settings: Settings) -> dict[str, Any]:
    if settings.balance_auto:
        return {"AwbEnable": True}
    # Gains switch the algorithm off by themselves (ipa_base.cpp, applyControls).
    return {"AwbEnable": False, "ColourGains": (settings.balance_red, settings.balance_blue)}


def _focus(settings: Settings) -> dict[str, Any]:
    if settings.focus_auto:
        return {"AfMode": 2}
    return {"AfMode": 0, "LensPosition": settings.lens_position_dpt}


def decibels(factor: float) -> float:
    """Give an amplification of amplitudes in dB."""
    return 20 * math.log10(factor)
