"""Frames: sizes, immutability and conversion."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from heliograph.core import Clock, Frame, PixelFormat, PixelFormatError


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
