"""Frames: sizes, immutability and conversion."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from heliograph.core import CalibrationError, Clock, Frame, Geometry, Intrinsics, PixelFormat, PixelFormatError


def test_size_follows_from_the_array_and_its_format() -> None:
    frame = Frame(np.zeros((6, 8), np.uint8), PixelFormat.parse("NV12"), 3, 10, Clock.REALTIME)
    assert (frame.width, frame.height) == (8, 4)
    assert frame.to("BGR8").shape == (4, 8, 3)


def test_a_frame_cannot_be_changed() -> None:
    frame = Frame(np.zeros((4, 8), np.uint8), PixelFormat.Mono8, 3, 10)
    with pytest.raises(dataclasses.FrozenInstanceError):
        frame.id = 4  # type: ignore[misc]
    with pytest.raises(TypeError):
        frame.metadata["temperature"] = 4  # type: ignore[index]


def test_an_array_that_is_no_such_picture() -> None:
    frame = Frame(np.zeros((5, 8), np.uint8), PixelFormat.parse("NV12"), 3, 10)
    with pytest.raises(PixelFormatError, match=r"\(5, 8\) is no YCbCr420"):
        _ = frame.width


@pytest.mark.parametrize(("name", "wanted"), [("Mono12", "Mono16"), ("BayerRG8", "BGR8"), ("RGB8", "RGB8")])
def test_an_undistorted_frame_is_straight_and_says_so(name: str, wanted: str) -> None:
    pixel_format = PixelFormat.parse(name)
    lens = Intrinsics(fx=40.0, fy=40.0, cx=15.5, cy=11.5, k1=-0.3, geometry=Geometry.whole(32, 24))
    data = np.full(pixel_format.shape(32, 24), 200, pixel_format.dtype)
    frame = Frame(data, pixel_format, 3, 10, intrinsics=lens).undistorted()
    assert (frame.pixel_format.name, frame.id, frame.timestamp_ns) == (wanted, 3, 10)
    assert (frame.width, frame.height) == (32, 24)
    assert frame.intrinsics == dataclasses.replace(lens, k1=0.0)


def test_a_frame_without_intrinsics_tells_where_they_come_from() -> None:
    with pytest.raises(CalibrationError, match='calibration="auto"'):
        Frame(np.zeros((4, 8), np.uint8), PixelFormat.Mono8, 3, 10).undistorted()
