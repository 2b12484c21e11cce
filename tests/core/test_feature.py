"""Features: what can be set to what, and the words of every refusal."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import pytest

from heliograph.core import (
    Access,
    Feature,
    FeatureAccessError,
    FeatureKind,
    FeatureNotFoundError,
    FeatureValueError,
    LocalFeatures,
)

WIDTH = Feature("Width", FeatureKind.INTEGER, minimum=16, maximum=64, increment=4, locks_while_streaming=True)
EXPOSURE = Feature("ExposureTime", FeatureKind.FLOAT, unit="us", minimum=19.0, maximum=40_000.0)
MODE = Feature("TriggerMode", FeatureKind.ENUMERATION, entries=MappingProxyType({"Off": 0, "On": 1}))
REVERSE = Feature("ReverseX", FeatureKind.BOOLEAN)
NAME = Feature("DeviceUserID", FeatureKind.STRING)
MODEL = Feature("DeviceModelName", FeatureKind.STRING, access=Access.READ_ONLY)
RESET = Feature("DeviceReset", FeatureKind.COMMAND, access=Access.WRITE_ONLY)


class Knobs(LocalFeatures):
    def __init__(self) -> None:
        super().__init__(lambda: bool(self._on))
        self._on: list[bool] = []
        self._values: dict[str, Any] = {}
        for feature in (WIDTH, EXPOSURE, MODE, REVERSE, NAME):
            name = feature.name
            self.add(
                feature,
                read=lambda name=name: self._values[name],  # type: ignore[misc]
                write=lambda value, name=name: self._values.__setitem__(name, value),  # type: ignore[misc]
            )
        self.add(MODEL, read=lambda: "knobs")
        self.add(RESET, write=lambda _: self._values.clear())


@pytest.mark.parametrize(
    ("name", "value", "result"),
    [
        ("Width", 32, 32),
        ("Width", "0x20", 32),
        ("Width", 32.0, 32),
        ("ExposureTime", 2000, 2000.0),
        ("ExposureTime", "2e3", 2000.0),
        ("TriggerMode", "On", "On"),
        ("ReverseX", "true", True),
        ("ReverseX", 0, False),
        ("ReverseX", "off", False),
        ("DeviceUserID", "cam-1", "cam-1"),
    ],
)
def test_values_and_text_are_understood(name: str, value: object, result: object) -> None:
    features = Knobs()
    features[name] = value
    assert features[name] == result
    assert type(features[name]) is type(result)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("Width", 65, "Width cannot be 65: possible is 16 to 64 in steps of 4"),
        ("Width", 18, "in steps of 4"),
        ("Width", 32.5, "Width cannot be 32.5: it takes whole numbers, 16 to 64"),
        ("Width", "wide", "Width cannot be 'wide'"),
        ("ExposureTime", 1, "ExposureTime cannot be 1.0: possible is 19.0 to 40000.0 us"),
        ("ExposureTime", "nan", "it takes numbers, 19.0 to 40000.0 us"),
        ("ExposureTime", float("inf"), "possible is"),
        ("TriggerMode", "Maybe", "one of Off, On"),
        ("ReverseX", "perhaps", "true or false"),
        ("ReverseX", 2, "true or false"),
        ("Width", None, "Width cannot be None"),
        ("Width", float("inf"), "Width cannot be inf"),
    ],
)
def test_impossible_values_are_told_with_the_range(name: str, value: object, words: str) -> None:
    features = Knobs()
    with pytest.raises(FeatureValueError) as caught:
        features[name] = value
    assert words in str(caught.value)


def test_pixel_formats_have_aliases() -> None:
    entries = {"YCbCr420_8_YY_CbCr_Semiplanar": 0x020C0112, "BayerRG12Packed": 0x010C002B}
    feature = Feature("PixelFormat", FeatureKind.ENUMERATION, entries=entries)
    assert feature.check("NV12") == "YCbCr420_8_YY_CbCr_Semiplanar"
    assert feature.check("BayerRG12Packed") == "BayerRG12Packed"
    for name in ("YUYV", "Mono9"):
        with pytest.raises(FeatureValueError, match=f"PixelFormat cannot be '{name}': it takes one of"):
            feature.check(name)


def test_what_cannot_be_read_written_or_executed() -> None:
    features = Knobs()
    with pytest.raises(FeatureAccessError, match="DeviceModelName is read-only"):
        features["DeviceModelName"] = "mine"
    with pytest.raises(FeatureAccessError, match="DeviceReset cannot be read"):
        _ = features["DeviceReset"]
    with pytest.raises(FeatureAccessError, match="execute it"):
        features["DeviceReset"] = 1
    with pytest.raises(FeatureAccessError, match="Width is not a command"):
        features.execute("Width")
    with pytest.raises(FeatureNotFoundError, match="no feature 'Gian'; it has Width"):
        _ = features["Gian"]


def test_a_feature_that_shapes_frames_is_locked_while_they_stream() -> None:
    features = Knobs()
    features._on.append(True)
    features["ExposureTime"] = 100
    with pytest.raises(FeatureAccessError, match="Width is locked while frames stream: stop acquisition first"):
        features["Width"] = 32


def test_attributes_are_features() -> None:
    features = Knobs()
    features.ExposureTime = 250
    assert features.ExposureTime == 250.0
    assert "ExposureTime" in dir(features)
    assert "ExposureTime" in features
    assert list(features) == features.names()
    assert not hasattr(features, "Gian")
    assert not hasattr(features, "_private")


def test_commands_run() -> None:
    features = Knobs()
    features.Width = 32
    features.execute("DeviceReset")
    with pytest.raises(KeyError):
        _ = features["Width"]


def test_limits_are_those_of_this_moment() -> None:
    limits = [(1.0, 2.0)]
    features = LocalFeatures()
    features.add(EXPOSURE, read=lambda: 1.0, write=lambda value: None, limits=lambda: limits[0])
    assert features.describe("ExposureTime").range_text == "1.0 to 2.0 us"
    limits[0] = (5.0, 6.0)
    with pytest.raises(FeatureValueError, match=r"5.0 to 6.0 us"):
        features["ExposureTime"] = 1.5


def test_an_increment_may_follow_from_another_feature() -> None:
    step = [2]
    features = LocalFeatures()
    width = Feature("Width", FeatureKind.INTEGER, increment=2)
    features.add(width, read=lambda: 16, write=lambda value: None, limits=lambda: (0, 99, step[0]))
    with pytest.raises(FeatureValueError, match="0 to 99 in steps of 2"):
        features["Width"] = 15
    step[0] = 1
    features["Width"] = 15
    assert features.describe("Width").increment == 1


def test_what_the_camera_sets_itself_is_read_only_meanwhile() -> None:
    values: dict[str, Any] = {"ExposureAuto": "Continuous", "ExposureTime": 100.0}
    features = LocalFeatures()
    entries = MappingProxyType({"Off": 0, "Once": 1, "Continuous": 2})
    for feature in (
        Feature("ExposureAuto", FeatureKind.ENUMERATION, entries=entries),
        Feature("ExposureTime", FeatureKind.FLOAT, automatic_by="ExposureAuto"),
    ):
        features.add(
            feature,
            read=lambda name=feature.name: values[name],  # type: ignore[misc]  # mypy cannot infer a lambda's default
            write=lambda value, name=feature.name: values.__setitem__(name, value),  # type: ignore[misc]  # as above
        )
    assert features.describe("ExposureTime").access is Access.READ_ONLY
    with pytest.raises(FeatureAccessError, match="set ExposureAuto to Off first"):
        features["ExposureTime"] = 5
    features["ExposureAuto"] = "Off"
    assert features.describe("ExposureTime").access is Access.READ_WRITE
    features["ExposureTime"] = 5
    assert features["ExposureTime"] == 5
