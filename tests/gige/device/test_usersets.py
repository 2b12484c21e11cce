"""User sets: what is saved, loaded, refused, and there again after a restart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from heliograph.core import Feature, FeatureAccessError, FeatureKind, FeatureValueError, LocalFeatures, OutputError
from heliograph.gige.device.memory import CameraMemory, UserSet
from heliograph.gige.device.usersets import UserSets

Bench = Any  # conftest.py's, which test modules cannot import


def load(bench: Bench, name: str) -> None:
    bench.features["UserSetSelector"] = name
    bench.features.execute("UserSetLoad")


def save(bench: Bench, name: str) -> None:
    bench.features["UserSetSelector"] = name
    bench.features.execute("UserSetSave")


def test_a_set_is_the_whole_of_the_settings(bench: Bench) -> None:
    camera, features = bench.camera.features, bench.features
    camera["Width"], camera["ExposureTime"], camera["Note"] = 320, 5000.0, "dusk"
    features["DeviceLinkThroughputLimit"] = 50_000_000
    features["EventSelector"] = "ExposureEnd"
    features["EventNotification"] = "On"
    save(bench, "UserSet3")
    features["UserSetDescription"] = "half at dusk"
    load(bench, "Default")
    assert (camera["Width"], camera["ExposureTime"], camera["Note"]) == (640, 1000.0, "")
    assert features["DeviceLinkThroughputLimit"] == 125_000_000
    assert features["EventNotification"] == "Off"
    assert features["UserSetDescription"] == "as the camera came"
    load(bench, "UserSet3")
    assert (camera["Width"], camera["ExposureTime"], camera["Note"]) == (320, 5000.0, "dusk")
    assert features["DeviceLinkThroughputLimit"] == 50_000_000
    assert (features["EventSelector"], features["EventNotification"]) == ("ExposureEnd", "On")
    assert features["UserSetDescription"] == "half at dusk"


def test_what_is_no_setting_is_in_no_set(bench: Bench) -> None:
    save(bench, "UserSet1")
    settings = bench.memory.remembered.user_sets["UserSet1"].settings
    assert "Width" in settings
    assert "EventNotification[FrameStart]" in settings
    assert not [key for key in settings if key.startswith(("UserSet", "Action", "Gev", "TLParams", "DeviceLinkHeart"))]


def test_presets_are_sets_that_cannot_be_changed(bench: Bench) -> None:
    entries = bench.features.describe("UserSetSelector").entries
    assert list(entries) == ["Default", *(f"UserSet{n}" for n in range(1, 9)), "Half_size", "Set_2x2"]
    assert len(set(entries.values())) == len(entries)
    load(bench, "Half_size")
    assert (bench.camera.features["Width"], bench.camera.features["Height"]) == (320, 240)
    assert bench.features["UserSetDescription"] == "Half size"
    for name in ("Half_size", "Default"):
        with pytest.raises(FeatureAccessError, match="save into one of UserSet1"):
            save(bench, name)
        with pytest.raises(FeatureAccessError):
            bench.features["UserSetDescription"] = "mine"


def test_an_empty_set_is_refused(bench: Bench) -> None:
    with pytest.raises(FeatureAccessError, match="UserSet5 is empty"):
        load(bench, "UserSet5")
    with pytest.raises(FeatureAccessError, match="UserSet5 is empty"):
        bench.features["UserSetDefault"] = "UserSet5"
    with pytest.raises(FeatureValueError):
        bench.features["UserSetSelector"] = "UserSet9"


def test_a_name_alone_makes_no_set(bench: Bench) -> None:
    bench.features["UserSetSelector"] = "UserSet5"
    bench.features["UserSetDescription"] = "to come"
    assert bench.features["UserSetDescription"] == "to come"
    with pytest.raises(FeatureAccessError, match="empty"):
        load(bench, "UserSet5")


def test_while_frames_stream_only_what_is_not_locked_changes(bench: Bench) -> None:
    bench.camera.features["Gain"] = 6.0
    save(bench, "UserSet1")
    bench.camera.features["Gain"] = 0.0
    bench.camera.running = bench.stream.running = True
    load(bench, "UserSet1")
    assert bench.camera.features["Gain"] == 6.0, "the shape of frames is the same"
    with pytest.raises(FeatureAccessError, match="stop acquisition first"):
        load(bench, "Half_size")
    assert bench.camera.features["Width"] == 640


def test_a_set_of_another_version_changes_nothing(bench: Bench) -> None:
    bench.memory.remembered.user_sets["UserSet1"] = UserSet("", {"Gain": 3.0, "Sharpness": 1})
    with pytest.raises(FeatureAccessError, match="another version"):
        load(bench, "UserSet1")
    assert bench.camera.features["Gain"] == 0.0


class Knob(LocalFeatures):
    """A camera with one setting."""

    def __init__(self) -> None:
        super().__init__()
        self._gain = 0.0
        gain = Feature("Gain", FeatureKind.FLOAT, minimum=0.0, maximum=9.0)
        self.add(gain, read=lambda: self._gain, write=lambda value: setattr(self, "_gain", value))


def powered_up(folder: Path) -> tuple[Knob, UserSets]:
    camera = Knob()
    sets = UserSets(camera, CameraMemory(folder, "1"), {"Loud": {"Gain": 9.0}})
    sets.power_up()
    return camera, sets


def test_a_camera_starts_with_the_set_that_was_chosen(tmp_path: Path) -> None:
    camera, sets = powered_up(tmp_path)
    assert sets["UserSetDefault"] == "Default"
    camera["Gain"] = 4.0
    sets["UserSetSelector"] = "UserSet8"
    sets.execute("UserSetSave")
    sets["UserSetDefault"] = "UserSet8"
    camera, sets = powered_up(tmp_path)
    assert camera["Gain"] == 4.0
    assert sets["UserSetDefault"] == "UserSet8"
    sets.execute("UserSetLoad")
    assert camera["Gain"] == 0.0, "Default is what the camera came with, not what it starts with"
    sets["UserSetDefault"] = "Loud"
    assert powered_up(tmp_path)[0]["Gain"] == 9.0
    sets["UserSetDefault"] = "Default"
    assert powered_up(tmp_path)[0]["Gain"] == 0.0


def test_a_camera_served_again_has_the_factory_settings_of_the_first_time(tmp_path: Path) -> None:
    camera, memory = Knob(), CameraMemory(tmp_path, "1")
    UserSets(camera, memory, {}).power_up()
    camera["Gain"] = 4.0
    sets = UserSets(camera, memory, {})
    sets.power_up()
    assert camera["Gain"] == 4.0
    sets.execute("UserSetLoad")
    assert camera["Gain"] == 0.0


def test_a_set_that_cannot_be_loaded_stops_no_camera(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    memory = CameraMemory(tmp_path, "1")
    memory.keep(default_set="UserSet1", user_sets={"UserSet1": UserSet("", {"Gain": 77.0})})
    camera, _ = powered_up(tmp_path)
    assert "starts with factory settings, not with UserSet1" in caplog.text
    assert camera["Gain"] == 0.0
    memory.keep(default_set="Gone")
    assert powered_up(tmp_path)[1]["UserSetDefault"] == "Default"


def test_a_driver_that_fails_stops_no_camera(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> float:
        raise ZeroDivisionError("driver bug")

    camera, memory = Knob(), CameraMemory(tmp_path, "1")
    camera.add(Feature("Broken", FeatureKind.FLOAT), read=fail, write=lambda value: None)
    memory.keep(default_set="UserSet1", user_sets={"UserSet1": UserSet("", {"Broken": 1.0})})
    UserSets(camera, memory, {}).power_up()
    assert "factory settings cannot be read" in caplog.text
    assert "not with UserSet1: driver bug" in caplog.text


def test_a_set_that_cannot_be_kept_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    _, sets = powered_up(tmp_path / "file")
    sets["UserSetSelector"] = "UserSet1"
    with pytest.raises(OutputError):
        sets.execute("UserSetSave")
    with pytest.raises(FeatureAccessError, match="empty"):
        sets.execute("UserSetLoad")
