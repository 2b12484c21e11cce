"""Pictures for the page: the part, the size and the depth asked for."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from heliograph.core import Frame, PixelFormat
from heliograph.desk.region import Region
from heliograph.desk.view.message import request_of
from heliograph.desk.view.picture import PictureRequest, encode


def frame_of(name: str = "RGB8", width: int = 200, height: int = 100) -> Frame:
    pixel_format = PixelFormat.parse(name)
    data = np.zeros(pixel_format.shape(width, height), pixel_format.dtype)
    data[: height // 2] = (1 << pixel_format.bits) - 1
    return Frame(data, pixel_format, 7, 1_000)


def decoded(jpeg: bytes) -> npt.NDArray[Any]:
    return np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR))


@pytest.mark.parametrize("name", ["Mono8", "Mono12", "RGB8", "BGR8", "BayerRG10", "YUYV"])
def test_every_format_shows_white_as_white(name: str) -> None:
    seen = decoded(encode(frame_of(name), PictureRequest(400, 400)).jpeg)
    assert seen.shape == (100, 200, 3)
    if name != "YUYV":  # full samples are no white there
        assert seen[20, 100].min() > 245
    assert encode(frame_of(name), PictureRequest(400, 400)).measures is not None


def test_red_stays_red() -> None:
    frame = frame_of()
    frame.data[:] = (200, 30, 10)
    blue, green, red = decoded(encode(frame, PictureRequest(50, 50)).jpeg)[10, 10].tolist()
    assert (red, green, blue) == pytest.approx((200, 30, 10), abs=8)


@pytest.mark.parametrize(("asked", "size"), [((100, 1000), (50, 100)), ((1000, 10), (10, 20)), ((1, 1), (1, 1))])
def test_a_picture_fits_what_was_asked_for(asked: tuple[int, int], size: tuple[int, int]) -> None:
    assert decoded(encode(frame_of(), PictureRequest(*asked)).jpeg).shape[:2] == size


def test_a_part_is_cut_out_of_the_frame() -> None:
    picture = encode(frame_of(), PictureRequest(400, 400, crop=Region(150, 0, 100, 30)))
    assert picture.shown == Region(150, 0, 50, 30)
    assert decoded(picture.jpeg).shape[:2] == (30, 50)
    assert decoded(picture.jpeg).min() > 245


def test_measures_are_of_the_whole_frame_and_focus_of_its_region() -> None:
    frame = frame_of("Mono12")
    edge = encode(frame, PictureRequest(10, 10, region=Region(0, 40, 200, 20))).measures
    flat = encode(frame, PictureRequest(10, 10, region=Region(0, 0, 200, 20))).measures
    assert edge is not None
    assert flat is not None
    assert [sum(counts) for counts in edge["histogram"]] == [20_000] * 3
    assert (edge["clipped"], edge["mean"], edge["grey"]) == (0.5, 0.5, True)
    assert edge["focus"] > 0 == flat["focus"]
    assert encode(frame, PictureRequest(10, 10), measured=False).measures is None


@pytest.mark.parametrize(
    "message",
    [{}, {"width": "wide", "height": 3}, {"width": 3, "height": None}, {"width": 1, "height": 1, "crop": [1, 2, 3]},
     {"width": 1, "height": 1, "crop": "all"}, {"width": 1, "height": 1, "region": [None] * 4}],
)  # fmt: skip
def test_what_is_no_request_is_refused(message: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        request_of(message)


def test_huge_numbers_are_bounded() -> None:
    request = request_of({"width": 1e9, "height": -5, "crop": [10**12, 0, 10**12, 4]})
    assert (request.width, request.height) == (16_384, 0)
    assert encode(frame_of(), request).shown == Region(199, 0, 1, 4)
