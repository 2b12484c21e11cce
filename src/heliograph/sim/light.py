"""Features of what light becomes: frame rate, exposure, gain, black level and white balance, by hand or automatic."""

from __future__ import annotations

from types import MappingProxyType

from heliograph.core import Feature, FeatureKind
from heliograph.sim.automatic import LARGEST_RATIO, SMALLEST_RATIO
from heliograph.sim.control import Control
from heliograph.sim.sensor import highest_rate_hz, line_time_ns, rate_hz

_ACQUISITION, _ANALOG = "AcquisitionControl", "AnalogControl"
_LOWEST_RATE_HZ = 0.1
_LONGEST_EXPOSURE_US = 10_000_000.0
_HIGHEST_BLACK_LEVEL_DN = 1023.0
_AUTOMATIC = MappingProxyType({"Off": 0, "Once": 1, "Continuous": 2})
_RATIOS = MappingProxyType({"Red": 0, "Blue": 1})


def add_light_features(control: Control) -> None:
    """Add the features to a camera's control."""
    _add_frame_rate(control)
    _add_exposure(control)
    _add_gain(control)
    _add_white_balance(control)


def _add_frame_rate(control: Control) -> None:
    feature = Feature(
        "AcquisitionFrameRate",
        FeatureKind.FLOAT,
        _ACQUISITION,
        "Frames per second. A long exposure or a tall picture lowers it, and gives it back when it shrinks again.",
        unit="Hz",
    )
    control.features.add(
        feature,
        read=lambda: rate_hz(control.model, control.settings),
        write=lambda value: control.set("wanted_rate_hz", value),
        limits=lambda: (_LOWEST_RATE_HZ, highest_rate_hz(control.model, control.settings)),
    )


def _add_exposure(control: Control) -> None:
    def limits() -> tuple[float, float]:
        return line_time_ns(control.model, control.settings) / 1e3, _LONGEST_EXPOSURE_US

    time = Feature(
        "ExposureTime",
        FeatureKind.FLOAT,
        _ACQUISITION,
        "Time for which a row collects light; of a frame that begins after the change.",
        unit="us",
        automatic_by="ExposureAuto",
    )
    longest = Feature(
        "ExposureAutoUpperLimit",
        FeatureKind.FLOAT,
        _ACQUISITION,
        "Longest exposure that ExposureAuto chooses.",
        unit="us",
    )
    control.add(time, "exposure_us", limits)
    control.add(_automatic("ExposureAuto", _ACQUISITION, "exposure time", "mean light"), "exposure_auto")
    control.add(longest, "exposure_limit_us", limits)


def _add_gain(control: Control) -> None:
    highest_db = control.model.highest_gain_db
    gain = Feature(
        "Gain",
        FeatureKind.FLOAT,
        _ANALOG,
        "Amplification before the converter.",
        unit="dB",
        minimum=0.0,
        maximum=highest_db,
        automatic_by="GainAuto",
    )
    most = Feature(
        "GainAutoUpperLimit",
        FeatureKind.FLOAT,
        _ANALOG,
        "Highest gain that GainAuto chooses.",
        unit="dB",
        minimum=0.0,
        maximum=highest_db,
    )
    black = Feature(
        "BlackLevel",
        FeatureKind.FLOAT,
        _ANALOG,
        "What darkness reads, in numbers of a 12-bit picture whatever the format.",
        unit="DN",
        minimum=0.0,
        maximum=_HIGHEST_BLACK_LEVEL_DN,
    )
    control.add(gain, "gain_db")
    control.add(_automatic("GainAuto", _ANALOG, "gain", "what exposure leaves wanting of the mean light"), "gain_auto")
    control.add(most, "gain_limit_db")
    control.add(black, "black_level_dn")


def _add_white_balance(control: Control) -> None:
    selected = ["Red"]
    selector = Feature(
        "BalanceRatioSelector", FeatureKind.ENUMERATION, _ANALOG, "Colour that BalanceRatio is of.", entries=_RATIOS
    )
    ratio = Feature(
        "BalanceRatio",
        FeatureKind.FLOAT,
        _ANALOG,
        "Gain of a colour relative to green in formats that are developed in the camera; mosaics stay as they are.",
        minimum=SMALLEST_RATIO,
        maximum=LARGEST_RATIO,
        selected_by="BalanceRatioSelector",
        automatic_by="BalanceWhiteAuto",
    )

    def setting() -> str:
        return f"{selected[0].lower()}_ratio"

    control.features.add(selector, lambda: selected[0], lambda name: selected.__setitem__(0, name))
    control.features.add(
        ratio,
        read=lambda: getattr(control.settings, setting()),
        write=lambda value: control.set(setting(), value),
    )
    control.add(_automatic("BalanceWhiteAuto", _ANALOG, "balance ratio", "the means of all colours"), "white_auto")


def _automatic(name: str, category: str, what: str, goal: str) -> Feature:
    text = f"Continuous: the camera sets its {what} by {goal} of every picture. Once: until that is done, then Off."
    return Feature(name, FeatureKind.ENUMERATION, category, text, entries=_AUTOMATIC)
