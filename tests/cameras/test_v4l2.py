"""On a stand-in: there is no camera here, and no kernel module that makes one."""

from __future__ import annotations

import ctypes
import struct
import threading
import time
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import heliograph
from heliograph.cameras.opencv import OpenCvCamera
from heliograph.cameras.v4l2.device import Request, Span
from heliograph.cameras.v4l2.source import WebcamSource
from heliograph.core import (
    CameraBusyError,
    CameraLostError,
    CameraNotFoundError,
    CameraUrlError,
    FeatureAccessError,
    FeatureValueError,
    PixelFormatError,
)
from heliograph.core.settings import apply, snapshot
from heliograph.testing import webcam
from heliograph.testing.webcam import WebcamDriver

_EXPOSURE, _BRIGHTNESS = 0x009A0902, 0x00980900


@pytest.fixture
def driver() -> WebcamDriver:
    return WebcamDriver()


@pytest.fixture
def camera(driver: WebcamDriver) -> Iterator[OpenCvCamera]:
    # Any file can be opened; the stand-in answers for it.
    with OpenCvCamera(WebcamSource("/dev/null", driver.ioctl, driver.capture)) as opened:
        yield opened


@pytest.mark.skipif(struct.calcsize("P") != 8, reason="the structures of the stand-in are those of 64 bits")
def test_requests_have_the_sizes_of_the_kernels_structures() -> None:
    structures = {
        Request.QUERYCAP: webcam.Capability,
        Request.ENUM_FMT: webcam.FormatDescription,
        Request.G_FMT: webcam.Format,
        Request.REQBUFS: webcam.Buffers,
        Request.G_CTRL: webcam.Value,
        Request.S_CTRL: webcam.Value,
        Request.QUERYCTRL: webcam.Query,
        Request.QUERYMENU: webcam.Menu,
        Request.ENUM_FRAMESIZES: webcam.FrameSize,
        Request.ENUM_FRAMEINTERVALS: webcam.FrameInterval,
    }
    assert {each: each >> 16 & 0x3FFF for each in Request} == {
        each: ctypes.sizeof(structure) for each, structure in structures.items()
    }


def test_identity(camera: OpenCvCamera) -> None:
    told = [camera.features[f"Device{name}"] for name in ("VendorName", "ModelName", "ID")]
    assert told == ["uvcvideo", "Stand-in Camera", "usb-0000:00:14.0-1"]
    assert len(str(camera.features["DeviceSerialNumber"])) == 8
    assert camera.name == "/dev/null"


def test_controls_are_features_with_the_drivers_ranges(camera: OpenCvCamera) -> None:
    features = camera.features
    brightness = features.describe("Brightness")
    assert (brightness.minimum, brightness.maximum, features.Brightness) == (-64, 64, 0)
    assert list(features.describe("PowerLineFrequency").entries) == ["Disabled", "50Hz", "60Hz"]
    assert features.PowerLineFrequency == "50Hz"
    assert features.describe("GainRaw").range_text == "0 to 100"
    # Disabled by the driver; and text is no number.
    assert "Sharpness" not in features
    assert "AText" not in features


def test_what_is_written_is_read_back(camera: OpenCvCamera, driver: WebcamDriver) -> None:
    features = camera.features
    features.Brightness = -5
    features.PowerLineFrequency = "60Hz"
    features.BalanceWhiteAuto = "Off"
    features.execute("ResetLens")
    assert (features.Brightness, features.PowerLineFrequency, features.BalanceWhiteAuto) == (-5, "60Hz", "Off")
    assert driver.values[_BRIGHTNESS] == -5
    assert driver.pressed == [0x009A0921]
    with pytest.raises(FeatureValueError, match="Brightness cannot be 65: possible is -64 to 64"):
        features.Brightness = 65


def test_exposure_counts_in_us_and_is_the_cameras_while_automatic(camera: OpenCvCamera, driver: WebcamDriver) -> None:
    features = camera.features
    assert (features.ExposureAuto, features.ExposureTime) == ("Continuous", 25_000.0)
    assert features.describe("ExposureTime").access == "RO"
    with pytest.raises(FeatureAccessError, match="set ExposureAuto to Off first"):
        features.ExposureTime = 2_000
    features.ExposureAuto = "Off"
    features.ExposureTime = 2_040
    assert features.ExposureTime == 2_000.0
    assert driver.values[_EXPOSURE] == 20
    assert (features.describe("ExposureTime").minimum, features.describe("ExposureTime").maximum) == (300.0, 204_700.0)
    features.ExposureAuto = "Continuous"
    assert driver.values[0x009A0901] == 3


def test_what_the_driver_calls_inactive_is_read_only_meanwhile(camera: OpenCvCamera) -> None:
    assert camera.features.describe("WhiteBalanceTemperature").access == "RO"
    camera.features.BalanceWhiteAuto = "Off"
    camera.features.WhiteBalanceTemperature = 3000
    assert camera.features.WhiteBalanceTemperature == 3000


def test_formats_are_what_can_be_delivered(camera: OpenCvCamera) -> None:
    assert list(camera.features.describe("PixelFormat").entries) == ["YUV422_8", "Mono10", "Mono8", "BGR8"]
    assert camera.features.PixelFormat == "BGR8"


def test_a_width_takes_the_height_that_goes_with_it(camera: OpenCvCamera) -> None:
    features = camera.features
    assert (features.Width, features.Height, features.AcquisitionFrameRate) == (640, 480, 30.0)
    features.Width = 1280
    assert features.Height == 720
    with pytest.raises(FeatureValueError, match="Width cannot be 800: possible is 640, 1280"):
        features.Width = 800
    with pytest.raises(FeatureValueError, match="Height cannot be 480: possible is 720"):
        features.Height = 480
    features.PixelFormat = "YUV422_8"
    assert (features.Width, features.Height) == (640, 480)


def test_sizes_in_steps(camera: OpenCvCamera) -> None:
    features = camera.features
    features.PixelFormat = "Mono8"
    assert features.describe("Width").range_text == "16 to 640 px in steps of 16"
    features.Width, features.Height = 160, 88
    assert (features.Width, features.Height) == (160, 88)
    with pytest.raises(FeatureValueError, match="in steps of 16"):
        features.Width = 100


def test_rates_are_those_that_opencv_can_ask_for(camera: OpenCvCamera) -> None:
    features = camera.features
    features.AcquisitionFrameRate = 17
    assert features.AcquisitionFrameRate == 15.0
    features.PixelFormat = "YUV422_8"  # 30 and 7.5
    assert (features.describe("AcquisitionFrameRate").minimum, features.AcquisitionFrameRate) == (30.0, 30.0)


@pytest.mark.parametrize(
    ("name", "shape", "value", "options"),
    [
        ("BGR8", (480, 640, 3), 1, ("MJPG", 1)),
        ("YUV422_8", (480, 640, 2), 1, ("YUYV", 0)),
        ("Mono8", (480, 640), 1, ("GREY", 0)),
        ("Mono10", (240, 320), 769, ("Y10 ", 0)),
    ],
)
def test_frames_of_every_format(
    camera: OpenCvCamera, driver: WebcamDriver, name: str, shape: tuple[int, ...], value: int, options: tuple[str, int]
) -> None:
    camera.features.PixelFormat = name
    frame = next(camera.frames(1))
    assert (frame.pixel_format.name, frame.data.shape, frame.id) == (name, shape, 1)
    np.testing.assert_array_equal(frame.data, value)
    assert (driver.streams[-1].code, driver.streams[-1].get(16)) == options  # 16: CAP_PROP_CONVERT_RGB


def test_what_shapes_frames_is_locked_while_they_stream(camera: OpenCvCamera) -> None:
    camera.start()
    with pytest.raises(FeatureAccessError, match="Width is locked"):
        camera.features.Width = 1280
    camera.features.Brightness = 3
    camera.stop()
    camera.features.Width = 1280
    assert camera.grab().width == 1280


def test_the_drivers_time_is_told_in_boottime(camera: OpenCvCamera, driver: WebcamDriver) -> None:
    driver.clock_ns = lambda: time.monotonic_ns() - 40_000_000
    camera.grab()
    before_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    frame = camera.grab()
    after_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    assert before_ns - 41_000_000 <= frame.timestamp_ns <= after_ns - 39_000_000


@pytest.mark.parametrize("wrong_ns", [0, 2**62])
def test_a_time_of_another_clock_is_replaced_by_that_of_arrival(
    camera: OpenCvCamera, driver: WebcamDriver, wrong_ns: int
) -> None:
    driver.clock_ns = lambda: wrong_ns
    camera.grab()
    before_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    assert before_ns <= camera.grab().timestamp_ns <= time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def test_broken_frames_are_passed_over(camera: OpenCvCamera, driver: WebcamDriver) -> None:
    driver.broken_frames = 3
    camera.features.PixelFormat = "Mono8"
    assert int(next(camera.frames(1)).data[0, 0]) == 4


def test_an_unplugged_camera_comes_back_with_its_controls(camera: OpenCvCamera, driver: WebcamDriver) -> None:
    camera.features.ExposureAuto = "Off"
    camera.features.ExposureTime = 5_000
    frames = camera.frames(timeout_s=30)
    taken = [next(frames)]
    driver.plugged = False
    plug = threading.Timer(0.4, driver.plug)
    plug.start()
    while len(driver.streams) == 1:
        taken.append(next(frames))
    plug.join()
    taken.append(next(frames))
    assert max(after.id - before.id for before, after in pairwise(taken)) > 5
    assert driver.values[_EXPOSURE] == 50
    assert camera.features.ExposureTime == 5_000.0
    assert all(stream.released for stream in driver.streams[:-1])


def test_an_unplugged_camera_is_lost(camera: OpenCvCamera, driver: WebcamDriver) -> None:
    camera.grab()
    driver.plugged = False
    with pytest.raises(CameraLostError, match="/dev/null is lost"):
        list(camera.frames(timeout_s=0.8))
    with pytest.raises(CameraLostError, match="/dev/null is lost: No such device"):
        camera.features.Brightness = 1


def test_a_camera_in_use_is_busy(camera: OpenCvCamera, driver: WebcamDriver) -> None:
    driver.busy = True
    with pytest.raises(CameraBusyError, match="another program streams from /dev/null"):
        camera.start()
    assert not camera.streaming


def test_rows_with_padding_are_refused(camera: OpenCvCamera, driver: WebcamDriver) -> None:
    driver.padded = True
    camera.features.PixelFormat = "Mono8"
    with pytest.raises(PixelFormatError, match="pads its rows at Width 640"):
        camera.start()
    assert driver.streams[-1].released


def test_settings_are_taken_and_given_back(camera: OpenCvCamera) -> None:
    camera.features.ExposureAuto = "Off"
    camera.features.ExposureTime = 5_000
    before = snapshot(camera.features)
    assert {"PixelFormat", "Width", "Height", "ExposureTime", "GainRaw"} <= set(before)
    changed = {"PixelFormat": "Mono8", "Width": 320, "Height": 240, "ExposureAuto": "Continuous"}
    apply(camera.features, changed)
    assert {name: camera.features[name] for name in changed} == changed
    apply(camera.features, before)
    assert snapshot(camera.features) == before


@pytest.mark.parametrize(
    ("url", "error", "told"),
    [
        ("v4l2://99", CameraNotFoundError, "cannot open /dev/video99: No such file or directory; ls /dev/video"),
        ("v4l2:///dev/null", CameraNotFoundError, "/dev/null is no video device"),
        ("v4l2://", CameraUrlError, "names no device: write v4l2:///dev/video0"),
        ("v4l2://cam", CameraUrlError, "names no device"),
        ("v4l2:///dev/video%00", CameraUrlError, "names no device"),
        ("v4l2://0?rate=3", CameraUrlError, "knows no parameter 'rate'"),
    ],
)
def test_devices_that_are_none(url: str, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        heliograph.open(url)


@given(st.integers(-100, 5000), st.integers(1, 99), st.integers(0, 2000), st.integers(1, 64))
def test_the_nearest_of_a_span_is_on_it_and_none_is_nearer(value: int, low: int, room: int, step: int) -> None:
    span = Span(low, low + room, step)
    nearest = span.nearest(value)
    every = range(low, low + room + 1, step)
    assert nearest in every
    assert abs(nearest - value) == min(abs(each - value) for each in every)
    assert all(span.holds(each) == (each in every) for each in range(low - 1, low + 70))
