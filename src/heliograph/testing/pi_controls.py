"""libcamera's controls as a Raspberry Pi's pipeline has them: what is advertised, and what a frame makes of them.

From libcamera v0.7.1+rpt20260429: src/ipa/rpi/common/ipa_base.cpp (ipaControls, ipaColourControls, configure,
applyControls) and src/libcamera/control_ids_core.yaml.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from heliograph.testing.pi_board import Board, Mode, PiSensor

_LONGEST_FRAME_US = 694_434_742
_SPARE_LINES = 22
"""cam_helper_imx477.cpp, frameIntegrationDiff."""
_AUTO_EXPOSURE_US, _AUTO_GAIN, _AUTO_COLOUR_GAINS = 8_000, 2.0, (1.7, 2.1)
_FOUND_DPT = 2.5
_SPLIT = ("ExposureTimeMode", "AnalogueGainMode")
_COLOUR: dict[str, tuple[Any, Any, Any]] = {
    "AwbEnable": (False, True, None),
    "AwbMode": (0, 7, 0),
    "ColourGains": (0.0, 32.0, None),
    "ColourTemperature": (100, 100_000, None),
    "Saturation": (0.0, 32.0, 1.0),
}
_TYPES: dict[str, type] = {"ExposureTime": int, "AnalogueGain": float, "AeEnable": bool, "AwbEnable": bool}
_TYPES |= {"LensPosition": float, **dict.fromkeys((*_SPLIT, "NoiseReductionMode", "AfMode"), int)}
_LENGTHS = {"FrameDurationLimits": (2, int), "ColourGains": (2, float), "ScalerCrop": (4, int)}


def advertised(board: Board, sensor: PiSensor, mode: Mode) -> dict[str, tuple[Any, Any, Any]]:
    """Give every control and its least, most and usual value while the sensor is in `mode`."""
    known: dict[str, tuple[Any, Any, Any]] = {
        "AeEnable": (False, True, True),
        "ExposureTimeMode": (0, 1, 0),
        "ExposureTime": (mode.shortest_exposure_us, 66_724_487, 20_000),
        "AnalogueGainMode": (0, 1, 0),
        "AnalogueGain": (1.0, sensor.highest_amplification, 1.0),
        "Brightness": (-1.0, 1.0, 0.0),
        "Contrast": (0.0, 32.0, 1.0),
        "Sharpness": (0.0, 16.0, 1.0),
        "ScalerCrop": ((0, 0, 64, 64), mode.crop, mode.crop),
        "FrameDurationLimits": (mode.shortest_frame_us, _LONGEST_FRAME_US, (33_333, 33_333)),
        "NoiseReductionMode": (0, 4, 0),
    }
    if sensor.native_order != "R":
        known |= _COLOUR
    if sensor.has_lens:
        # ipaAfControls.
        known |= {"AfMode": (0, 2, 0), "LensPosition": (0.0, 32.0, 1.0)}
    if board.pisp:
        known["ScalerCrops"] = ((0, 0, 0, 0), (65535, 65535, 65535, 65535), mode.crop)
    return known if board.split_modes else {name: limits for name, limits in known.items() if name not in _SPLIT}


def check_value(name: str, value: Any) -> None:
    """Raise `TypeError` where pybind11 cannot make the control's type of a value (src/py/libcamera/py_helpers.cpp)."""
    if name in _TYPES and type(value) is not _TYPES[name]:
        raise TypeError(f"{name} cannot be {value!r}: it is {_TYPES[name].__name__}")
    rectangles = value if name == "ScalerCrops" else [value]
    count, kind = _LENGTHS.get("ScalerCrop" if name == "ScalerCrops" else name, (0, object))
    for each in rectangles if count else []:
        if len(each) != count or any(type(part) is not kind for part in each):
            raise TypeError(f"{name} cannot be {value!r}: it is {count} of {kind.__name__}")


def focus(controls: dict[str, Any]) -> dict[str, float]:
    """Give where the lens of a frame was; a position counts only while AfMode is manual."""
    if "AfMode" not in controls:
        return {}
    return {"LensPosition": _FOUND_DPT if controls["AfMode"] == 2 else controls["LensPosition"]}


@dataclass(frozen=True)
class Exposure:
    """What a frame was taken with."""

    exposure_us: int
    amplification: float
    colour_gains: tuple[float, float]
    frame_us: int


def expose(controls: dict[str, Any], mode: Mode) -> Exposure:
    """Give what the controls in force make of a frame.

    A value of 0 means automatic, a value that is none manual, whatever AeEnable says (picamera2 request.py, release).
    """
    shortest_us, longest_us = controls.get("FrameDurationLimits", (33_333, 33_333))
    shortest_us = max(shortest_us, mode.shortest_frame_us)
    spare_us = -(-_SPARE_LINES * mode.line_ns // 1000)
    wanted_us = 0 if controls.get("ExposureTimeMode") == 0 else controls.get("ExposureTime", 0)
    exposure_us = min(wanted_us or _AUTO_EXPOSURE_US, max(shortest_us, longest_us) - spare_us)
    gain = (0.0 if controls.get("AnalogueGainMode") == 0 else controls.get("AnalogueGain", 0.0)) or _AUTO_GAIN
    colours = _AUTO_COLOUR_GAINS if controls.get("AwbEnable", True) else controls.get("ColourGains", (1.0, 1.0))
    return Exposure(exposure_us, gain, colours, max(shortest_us, exposure_us + spare_us))
