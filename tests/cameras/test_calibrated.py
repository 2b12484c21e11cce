"""Frames that carry the intrinsics of their own region, binning and mirror."""

from __future__ import annotations

import queue
from pathlib import Path

import cv2
import numpy as np
import pytest

from heliograph import cameras
from heliograph.cameras.calibrated import CalibratedCamera
from heliograph.core import (
    CalibrationError,
    CameraLostError,
    FeatureAccessError,
    Frame,
    Geometry,
    Intrinsics,
    SourceNotFoundError,
)
from heliograph.core.state import calibration_file
from heliograph.testing.camera import PatternCamera

LENS = Intrinsics(fx=1700.0, fy=1700.0, cx=1010.0, cy=770.0, k1=-0.1, geometry=Geometry.whole(2028, 1520))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "lens.json"
    path.write_text(LENS.to_json())
    return path


def test_frames_carry_the_intrinsics_of_their_binning(file: Path) -> None:
    with cameras.open("sim://test-card", calibration=file, binning=4, pixel_format="Mono8") as camera:
        frame = camera.grab()
    geometry = Geometry(2028, 1520, frame.width, frame.height, binning_x=4, binning_y=4)
    assert frame.width in (506, 507)
    assert frame.intrinsics == LENS.adapted(geometry)


def test_settings_applied_while_frames_stream_change_those_that_follow(file: Path) -> None:
    with cameras.open("sim://test-card", calibration=file, binning=4, pixel_format="Mono8") as camera:
        series = camera.frames()
        assert next(series).height == 380
        camera.apply({"Width": 256, "Height": 128, "OffsetX": 32, "OffsetY": 16, "ReverseX": True})
        lens = next(series).intrinsics
        assert lens is not None
        assert lens.geometry == Geometry.of(camera.features)
        assert lens.geometry.offset_x == 32
        assert lens.geometry.reverse_x


class Interrupted(PatternCamera):
    """Tells whoever waits for a frame while it is stopped, also when it was started again since."""

    def grab(self, timeout_s: float = 5.0) -> Frame:
        starts = self.starts
        frame = super().grab(timeout_s)
        if self.starts != starts:
            raise CameraLostError("it was stopped by another thread")
        return frame


def test_callbacks_go_on_over_settings_that_interrupt_who_waits() -> None:
    lens = Intrinsics(600.0, 600.0, 320.0, 240.0, Geometry.whole(640, 480))
    seen: queue.Queue[Frame] = queue.Queue()
    with CalibratedCamera(Interrupted(rate_hz=20), lens) as camera, camera.on_frame(seen.put) as subscription:
        assert seen.get(timeout=10).pixel_format.name == "Mono8"
        camera.apply({"PixelFormat": "BGR8"})
        while (frame := seen.get(timeout=10)).pixel_format.name != "BGR8":
            assert subscription.error is None
        assert frame.intrinsics == lens


@pytest.mark.parametrize("name", ["OffsetX", "ReverseY"])
def test_nothing_moves_the_picture_under_its_intrinsics(file: Path, name: str) -> None:
    with cameras.open("sim://test-card", calibration=file, binning=4, height=128) as camera:
        camera.features[name] = 0
        camera.grab()
        with pytest.raises(FeatureAccessError, match="stop acquisition first"):
            camera.features[name] = 1
        camera.stop()
        camera.features["OffsetY"] = 16
        lens = camera.grab().intrinsics
    assert lens is not None
    assert lens.geometry.offset_y == 16


def test_auto_takes_what_was_kept_for_this_camera(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    with cameras.open("sim://test-card") as camera:
        serial = str(camera.features["DeviceSerialNumber"])
    with pytest.raises(SourceNotFoundError, match="heliograph calibrate"):
        cameras.open("sim://test-card", calibration="auto")
    path = calibration_file(serial)
    path.parent.mkdir()
    path.write_text(LENS.to_json())
    with pytest.raises(CalibrationError, match=f"of camera unknown, not of {serial}"):
        cameras.open("sim://test-card", calibration="auto")
    path.write_text(LENS.to_json().replace('"serial": ""', f'"serial": "{serial}"'))
    with cameras.open("sim://test-card", calibration="auto") as camera:
        assert camera.grab().intrinsics is not None


def test_intrinsics_of_another_sensor_are_refused(file: Path) -> None:
    file.write_text(Intrinsics(500, 500, 320, 240, Geometry.whole(640, 480)).to_json())
    with pytest.raises(CalibrationError, match="of a sensor of 640x480 px"):
        cameras.open("sim://test-card", calibration=file)


def test_a_replay_has_intrinsics_and_ends(tmp_path: Path) -> None:
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((48, 64), 50 * number, np.uint8))
    (tmp_path / "lens.json").write_text(Intrinsics(60, 60, 31, 23, Geometry.whole(64, 48), k1=-0.1).to_json())
    with cameras.open(f"replay://{tmp_path}/*.png", calibration=tmp_path / "lens.json") as camera:
        frames = list(camera.frames())
        assert [frame.id for frame in frames] == [1, 2, 3]
        assert len(list(camera.frames(2))) == 0
    assert all(frame.undistorted().intrinsics is not None for frame in frames)
    assert camera.statistics.frames == 3


def test_a_picture_of_another_size_has_no_intrinsics(tmp_path: Path) -> None:
    for number, width in enumerate((64, 62)):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.zeros((48, width), np.uint8))
    (tmp_path / "lens.json").write_text(Intrinsics(60, 60, 31, 23, Geometry.whole(64, 48)).to_json())
    camera = cameras.open(f"replay://{tmp_path}/*.png", calibration=tmp_path / "lens.json")
    with camera, pytest.raises(CalibrationError, match="62x48"):
        list(camera.frames())
