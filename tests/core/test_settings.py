"""Settings of a camera taken and applied as one."""

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
from heliograph.core.settings import apply, needs_stop, restore, snapshot
from heliograph.testing.camera import PatternCamera

FIELD_PX = 100
RATIOS = MappingProxyType({"Red": 0, "Blue": 1})


class Camera(LocalFeatures):
    """Features whose limits move each other, as those of a real camera do."""

    def __init__(self) -> None:
        super().__init__()
        self._now: dict[str, Any] = {
            "Width": 50,
            "OffsetX": 50,
            "BinningHorizontal": 1,
            "ExposureAuto": "Off",
            "ExposureTime": 10.0,
            "BalanceRatioSelector": "Blue",
            "Red": 1.5,
            "Blue": 2.5,
            "GevSCPD": 0,
        }
        self._written: list[str] = []
        integer, real, choice = FeatureKind.INTEGER, FeatureKind.FLOAT, FeatureKind.ENUMERATION
        self._plain(Feature("OffsetX", integer), lambda: (0, self._field() - self._now["Width"]))
        self._plain(Feature("Width", integer), lambda: (1, self._field() - self._now["OffsetX"]))
        self._plain(Feature("BinningHorizontal", integer, minimum=1, maximum=4))
        self._plain(Feature("ExposureTime", real, minimum=1.0, maximum=100.0))
        self._plain(Feature("ExposureAuto", choice, entries=MappingProxyType({"Off": 0, "Continuous": 1})))
        self._plain(Feature("BalanceRatioSelector", choice, entries=RATIOS))
        ratio = Feature("BalanceRatio", real, minimum=1.0, maximum=4.0, selected_by="BalanceRatioSelector")
        self.add(
            ratio,
            lambda: self._now[self._now["BalanceRatioSelector"]],
            lambda value: self._now.__setitem__(self._now["BalanceRatioSelector"], value),
        )
        self._plain(Feature("GevSCPD", integer, minimum=0, maximum=9, streamable=False))
        self._plain(Feature("DeviceModelName", FeatureKind.STRING, access=Access.READ_ONLY))
        self.add(Feature("AcquisitionStart", FeatureKind.COMMAND), write=lambda _: None)

    def _field(self) -> int:
        return FIELD_PX // int(self._now["BinningHorizontal"])

    def _plain(self, feature: Feature, limits: Any = None) -> None:
        name = feature.name

        def write(value: Any) -> None:
            self._written.append(name)
            self._now[name] = value

        self.add(feature, lambda: self._now.get(name, ""), write, limits)

    def describe(self, name: str) -> Feature:
        feature = super().describe(name)
        if name == "ExposureTime" and self._now["ExposureAuto"] != "Off":
            return Feature(name, feature.kind, access=Access.READ_ONLY)
        return feature


def test_a_snapshot_has_settings_and_nothing_else() -> None:
    camera = Camera()
    assert snapshot(camera) == {
        "OffsetX": 50,
        "Width": 50,
        "BinningHorizontal": 1,
        "ExposureTime": 10.0,
        "ExposureAuto": "Off",
        "BalanceRatio[Red]": 1.5,
        "BalanceRatio[Blue]": 2.5,
    }
    assert camera["BalanceRatioSelector"] == "Blue"


def test_what_an_automatic_decides_is_no_setting() -> None:
    camera = Camera()
    camera["ExposureAuto"] = "Continuous"
    assert "ExposureTime" not in snapshot(camera)


def test_a_snapshot_comes_back_whatever_was_changed_meanwhile() -> None:
    camera = Camera()
    kept = snapshot(camera)
    camera["OffsetX"] = 0
    camera["BinningHorizontal"], camera["Width"], camera["ExposureAuto"] = 4, 20, "Continuous"
    camera["BalanceRatio"] = 4.0
    apply(camera, kept)
    assert snapshot(camera) == kept


def test_sizes_and_offsets_need_no_order() -> None:
    camera = Camera()
    apply(camera, {"Width": 90, "OffsetX": 10})
    assert (camera["Width"], camera["OffsetX"]) == (90, 10)


def test_a_region_stays_where_it_is_as_far_as_there_is_room() -> None:
    camera = Camera()
    apply(camera, {"Width": 80})
    assert (camera["Width"], camera["OffsetX"]) == (80, 20)


def test_an_automatic_is_switched_off_before_its_value_is_set() -> None:
    camera = Camera()
    camera["ExposureAuto"] = "Continuous"
    apply(camera, {"ExposureTime": 33.0, "ExposureAuto": "Off"})
    assert camera["ExposureTime"] == 33.0


def test_what_has_its_value_is_not_written() -> None:
    camera = Camera()
    apply(camera, {"Width": 50, "ExposureTime": 10.0})
    assert camera._written == []


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"ExposureTime": 50.0, "Width": 101}, FeatureValueError),
        ({"ExposureTime": 50.0, "Wdith": 10}, FeatureNotFoundError),
        ({"ExposureTime": 50.0, "DeviceModelName": "x"}, FeatureAccessError),
        ({"ExposureTime": 50.0, "BalanceRatio[Green]": 2.0}, FeatureValueError),
        ({"ExposureTime": 50.0, "Width[Green]": 2.0}, FeatureNotFoundError),
        ({"BinningHorizontal": 2, "Width": 70}, FeatureValueError),
    ],
)
def test_all_or_nothing(settings: dict[str, object], error: type[Exception]) -> None:
    camera = Camera()
    before = snapshot(camera)
    with pytest.raises(error):
        apply(camera, settings)
    assert snapshot(camera) == before
    assert camera["BalanceRatioSelector"] == "Blue"


def test_a_driver_that_fails_leaves_nothing_half_set() -> None:
    def fail(value: object) -> None:
        raise OSError("the bus is stuck")

    camera = Camera()
    camera.add(Feature("Focus", FeatureKind.INTEGER, minimum=0, maximum=9), read=lambda: 3, write=fail)
    before = snapshot(camera)
    with pytest.raises(OSError, match="the bus is stuck"):
        apply(camera, {"ExposureTime": 20.0, "Focus": 4})
    assert snapshot(camera) == before


def test_restoring_gives_back_what_it_can() -> None:
    camera = Camera()
    refused = restore(
        camera, {"ExposureAuto": "Continuous", "ExposureTime": 50.0, "Width": 30, "BalanceRatio[Red]": 3.5}
    )
    assert list(refused) == ["ExposureTime"]
    assert (camera["Width"], camera["ExposureAuto"]) == (30, "Continuous")
    assert snapshot(camera)["BalanceRatio[Red]"] == 3.5
    with pytest.raises(FeatureNotFoundError):
        restore(camera, {"Wdith": 10})


def test_a_camera_that_locks_nothing_is_stopped_for_another_shape() -> None:
    camera = Camera()
    assert not camera.describe("Width").locks_while_streaming
    assert needs_stop(camera, {"Width": 30})
    assert not needs_stop(camera, {"OffsetX": 30, "ExposureTime": 50.0})


def test_only_a_change_of_what_is_locked_stops_a_stream() -> None:
    camera = PatternCamera(width=640)
    assert needs_stop(camera.features, {"Gain": 3.0, "Width": 320})
    assert not needs_stop(camera.features, {"Gain": 3.0, "Width": 640})
    with pytest.raises(FeatureNotFoundError):
        needs_stop(camera.features, {"Wdith": 10})
