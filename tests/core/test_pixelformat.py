"""Pixel formats: the codes of EMVA's PFNC list, and the arrays."""

from __future__ import annotations

import numpy as np
import pytest

from heliograph.core import Layout, PixelFormat, PixelFormatError


@pytest.mark.parametrize(
    ("name", "code", "shape", "bits"),
    [
        ("Mono8", 0x01080001, (4, 6), 8),
        ("Mono12", 0x01100005, (4, 6), 12),
        ("BayerRG8", 0x01080009, (4, 6), 8),
        ("BayerBG16", 0x01100031, (4, 6), 16),
        ("RGB8", 0x02180014, (4, 6, 3), 8),
        ("BGR8", 0x02180015, (4, 6, 3), 8),
        ("BGR16", 0x0230004B, (4, 6, 3), 16),
        ("YUYV", 0x02100032, (4, 6, 2), 8),
        ("NV12", 0x020C0112, (6, 6), 8),
        ("NV21", 0x020C0114, (6, 6), 8),
    ],
)
def test_codes_shapes_and_bits(name: str, code: int, shape: tuple[int, ...], bits: int) -> None:
    pixel_format = PixelFormat.parse(name)
    assert int(pixel_format) == code
    assert pixel_format.shape(6, 4) == shape
    assert pixel_format.bits == bits


@pytest.mark.parametrize("pixel_format", PixelFormat)
def test_an_array_tells_its_size_and_its_bytes(pixel_format: PixelFormat) -> None:
    array = np.zeros(pixel_format.shape(8, 6), pixel_format.dtype)
    assert pixel_format.size_of(array.shape) == (8, 6)
    assert array.nbytes == pixel_format.payload_bytes(8, 6)


@pytest.mark.parametrize("pixel_format", PixelFormat)
def test_a_view_shares_the_memory(pixel_format: PixelFormat) -> None:
    buffer = np.zeros(1000, np.uint8)
    view = pixel_format.view(buffer, 8, 6)
    assert view.shape == pixel_format.shape(8, 6)
    assert view.dtype == pixel_format.dtype
    assert np.shares_memory(view, buffer)
    with pytest.raises(PixelFormatError, match="the buffer has 10"):
        pixel_format.view(buffer[:10], 8, 6)


def test_unknown_names_list_what_is_known() -> None:
    with pytest.raises(PixelFormatError, match=r"unknown pixel format 'RGB24'; known are NV12, .*Mono8"):
        PixelFormat.parse("RGB24")


def test_shapes_that_no_picture_has() -> None:
    for pixel_format, shape in [
        ("NV12", (5, 6)),
        ("NV12", (6, 5)),
        ("NV21", (3, 1)),
        ("RGB8", (4, 6)),
        ("Mono8", (4, 6, 3)),
        ("Mono8", (4,)),
    ]:
        with pytest.raises(PixelFormatError):
            PixelFormat.parse(pixel_format).size_of(shape)


def test_sizes_go_in_twos_where_two_pixels_share_chroma_or_a_mosaic() -> None:
    assert PixelFormat.RGB8.size_increment == PixelFormat.Mono16.size_increment == 1
    assert PixelFormat.BayerRG8.size_increment == PixelFormat.parse("NV12").size_increment == 2
    assert PixelFormat.BayerGB12.bayer_pattern == "GBRG"
    assert PixelFormat.RGB8.bayer_pattern == ""
    assert PixelFormat.parse("NV21").layout is Layout.NV21
