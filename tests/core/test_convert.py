"""Conversion from every format, judged by pictures whose colours are known and by formulas of the standards."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from heliograph.core import (
    ColorMatrix,
    ColorRange,
    Frame,
    Layout,
    MissingDependencyError,
    PixelFormat,
    PixelFormatError,
)
from heliograph.core.convert import TARGETS, convert, opencv

COLORS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "grey": (90, 90, 90), "skin": (220, 160, 120)}
WEIGHTS = {ColorMatrix.BT601: (0.299, 0.587, 0.114), ColorMatrix.BT709: (0.2126, 0.7152, 0.0722)}


def ycbcr(rgb: tuple[int, ...], matrix: ColorMatrix, color_range: ColorRange) -> tuple[int, int, int]:
    """Y, Cb and Cr of a colour, after ITU-R BT.601-7 and BT.709-6."""
    kr, kg, kb = WEIGHTS[matrix]
    red, green, blue = rgb
    luma = kr * red + kg * green + kb * blue
    cb, cr = (blue - luma) / (2 * (1 - kb)), (red - luma) / (2 * (1 - kr))
    if color_range is ColorRange.LIMITED:
        luma, cb, cr = 16 + luma * 219 / 255, cb * 224 / 255, cr * 224 / 255
    return tuple(int(np.clip(round(v), 0, 255)) for v in (luma, cb + 128, cr + 128))  # type: ignore[return-value]


def flat(
    pixel_format: PixelFormat,
    rgb: tuple[int, ...],
    matrix: ColorMatrix = ColorMatrix.BT601,
    color_range: ColorRange = ColorRange.FULL,
) -> npt.NDArray[Any]:
    """A picture of 12x8 px of one colour, put together without OpenCV."""
    picture = np.zeros(pixel_format.shape(12, 8), pixel_format.dtype)
    full = (1 << pixel_format.bits) - 1
    deep = tuple(round(value * full / 255) for value in rgb)
    luma, cb, cr = ycbcr(rgb, matrix, color_range)
    match pixel_format.layout:
        case Layout.MONO:
            picture[:] = round(luma * full / 255)
        case Layout.RGB:
            picture[:] = deep
        case Layout.BGR:
            picture[:] = deep[::-1]
        case Layout.BAYER:
            for site, letter in enumerate(pixel_format.bayer_pattern):
                picture[site // 2 :: 2, site % 2 :: 2] = deep["RGB".index(letter)]
        case Layout.YUYV:
            picture[:, :, 0] = luma
            picture[:, 0::2, 1], picture[:, 1::2, 1] = cb, cr
        case _:
            pair = (cb, cr) if pixel_format.layout is Layout.NV12 else (cr, cb)
            picture[:8] = luma
            picture[8:, 0::2], picture[8:, 1::2] = pair
    return picture


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("color", COLORS)
@pytest.mark.parametrize("pixel_format", PixelFormat)
def test_a_colour_stays_itself(pixel_format: PixelFormat, color: str, target: str) -> None:
    rgb = COLORS[color]
    if pixel_format.layout is Layout.MONO:
        rgb = (ycbcr(rgb, ColorMatrix.BT601, ColorRange.FULL)[0],) * 3
    picture = convert(flat(pixel_format, rgb), pixel_format, target)
    scale = 257 if target.endswith("16") else 1
    assert picture.dtype == (np.uint16 if scale == 257 else np.uint8)
    if target.startswith("Mono"):
        assert picture.shape == (8, 12)
        wanted: Any = ycbcr(rgb, ColorMatrix.BT601, ColorRange.FULL)[0]
    else:
        assert picture.shape == (8, 12, 3)
        wanted = rgb if target.startswith("RGB") else rgb[::-1]
    # Two steps for the rounding of YCbCr, less where no matrix is between.
    inner = picture[2:-2, 2:-2].astype(int)
    assert np.abs(inner - np.array(wanted) * scale).max() <= 2 * scale


@pytest.mark.parametrize("name", ["NV12", "NV21", "YUYV"])
@pytest.mark.parametrize("matrix", ColorMatrix)
@pytest.mark.parametrize("color_range", ColorRange)
def test_matrix_and_range_of_the_frame_count(name: str, matrix: ColorMatrix, color_range: ColorRange) -> None:
    pixel_format = PixelFormat.parse(name)
    for rgb in COLORS.values():
        data = flat(pixel_format, rgb, matrix, color_range)
        frame = Frame(data, pixel_format, 1, 0, color_matrix=matrix, color_range=color_range)
        assert np.abs(frame.to("RGB8").astype(int) - rgb).max() <= 3
        assert np.abs(frame.to("Mono8").astype(int) - ycbcr(rgb, matrix, ColorRange.FULL)[0]).max() <= 2


def test_full_scale_becomes_full_scale() -> None:
    for bits in (10, 12, 16):
        white = np.full((2, 2), (1 << bits) - 1, np.uint16)
        pixel_format = PixelFormat[f"Mono{bits}"]
        assert (convert(white, pixel_format, "Mono8") == 255).all()
        assert (convert(white, pixel_format, "Mono16") == 65535).all()


def test_sixteen_bits_keep_what_eight_would_lose() -> None:
    ramp = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    assert len(np.unique(convert(ramp, PixelFormat.Mono12, "Mono16"))) == 4096


@pytest.mark.parametrize("pixel_format", PixelFormat)
@pytest.mark.parametrize("target", TARGETS)
def test_the_result_is_the_callers_own(pixel_format: PixelFormat, target: str) -> None:
    data = flat(pixel_format, (10, 20, 30))
    before = data.copy()
    data.flags.writeable = False
    picture = convert(data, pixel_format, target)
    picture[:] = 0
    assert np.array_equal(data, before)


def test_slices_of_a_picture_convert() -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (20, 30, 3), np.uint8)
    assert np.array_equal(convert(rgb[2:10, 4:20], PixelFormat.RGB8, "BGR8"), rgb[2:10, 4:20, ::-1])


def test_unknown_targets_list_the_possible_ones() -> None:
    with pytest.raises(PixelFormatError, match="cannot convert to 'HSV8'; possible are RGB8, BGR8"):
        convert(np.zeros((2, 2), np.uint8), PixelFormat.Mono8, "HSV8")


def test_without_opencv_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'heliograph\[images\]'"):
        opencv()
