import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.cameras.picamera2.buffer import Layout, Region, picture, raw_format
from heliograph.core import PixelFormat, PixelFormatError


def packed_row(samples: list[int], bits: int) -> bytes:
    """Pack samples as MIPI CSI-2 describes RAW10 and RAW12: high bytes of a group, then its low bits, first lowest."""
    group = {10: 4, 12: 2}[bits]
    row = b""
    for start in range(0, len(samples), group):
        part = samples[start : start + group]
        low = sum((sample & ((1 << (bits - 8)) - 1)) << ((bits - 8) * n) for n, sample in enumerate(part))
        row += bytes(sample >> (bits - 8) for sample in part) + bytes([low])
    return row


@st.composite
def regions(draw: st.DrawFn) -> tuple[int, int, int, Region, int]:
    bits = draw(st.sampled_from([10, 12]))
    width, height = draw(st.integers(1, 6)) * 4, draw(st.integers(1, 5))
    x, y = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    region = Region(x, y, draw(st.integers(1, width - x)), draw(st.integers(1, height - y)))
    return bits, width, height, region, draw(st.integers(0, 2**32 - 1))


@given(regions())
def test_any_region_of_a_packed_buffer_is_unpacked(drawn: tuple[int, int, int, Region, int]) -> None:
    bits, width, height, region, seed = drawn
    samples = np.random.default_rng(seed).integers(0, 1 << bits, (height, width))
    rows = [packed_row(row.tolist(), bits) for row in samples]
    stride_bytes = len(rows[0]) + 7
    buffer = np.frombuffer(b"".join(row.ljust(stride_bytes, b"\xff") for row in rows), np.uint8)
    layout = Layout(f"SRGGB{bits}_CSI2P", width, height, stride_bytes)
    data = picture(buffer, layout, region, PixelFormat[f"BayerRG{bits}"])
    expected = samples[region.y : region.y + region.height, region.x : region.x + region.width]
    np.testing.assert_array_equal(data, expected)
    assert data.dtype == np.uint16
    assert data.flags.c_contiguous
    assert not np.shares_memory(data, buffer)


@pytest.mark.parametrize("name", ["BGGR_PISP_COMP1", "SRGGB14", "MJPEG", "XBGR8888"])
def test_what_cannot_be_unpacked_is_refused(name: str) -> None:
    with pytest.raises(PixelFormatError, match=name):
        raw_format(name)
    with pytest.raises(PixelFormatError, match=name):
        picture(np.zeros(64, np.uint8), Layout(name, 4, 4, 16), Region(0, 0, 4, 4), PixelFormat.BayerRG8)


def test_raw_formats_by_libcameras_names() -> None:
    names = {"SGRBG8": "BayerGR8", "SGBRG10_CSI2P": "BayerGB10", "SBGGR16": "BayerBG16", "R8": "Mono8", "R12": "Mono12"}
    assert {name: raw_format(name).name for name in names} == names
