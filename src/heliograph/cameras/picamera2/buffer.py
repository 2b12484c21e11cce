"""What lies in a buffer of libcamera, and the array of a `Frame` made of it in one copy.

Names of libcamera's formats are DRM's: they read a pixel as a little-endian number, so that "RGB888" is B, G, R in
memory (libcamera src/libcamera/formats.yaml; picamera2 request.py, Helpers._get_pil_mode). Rows are padded to
`stride_bytes`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from heliograph.core import PixelFormat, PixelFormatError

Buffer = npt.NDArray[np.uint8]
Picture = npt.NDArray[Any]

PROCESSED = {
    PixelFormat.YCbCr420_8_YY_CbCr_Semiplanar: "NV12",
    PixelFormat.BGR8: "RGB888",
    PixelFormat.RGB8: "BGR888",
    PixelFormat.YUV422_8: "YUYV",
    # Luma comes first in every planar format; the image processor has no format of luma alone.
    PixelFormat.Mono8: "NV12",
}
"""Formats that the image processor makes, and what libcamera calls them."""

_RAW = re.compile(r"S?(?P<order>[RGB]+?)(?P<bits>8|10|12|16)(?P<packed>_CSI2P)?")


@dataclass(frozen=True, slots=True)
class Layout:
    """How pixels lie in a buffer: libcamera's format, size in px, and bytes from one row to the next."""

    name: str
    width: int
    height: int
    stride_bytes: int


@dataclass(frozen=True, slots=True)
class Region:
    """A part of a buffer, in px."""

    x: int
    y: int
    width: int
    height: int


def raw_format(name: str) -> PixelFormat:
    """Give the format of a raw stream after it is unpacked.

    >>> raw_format("SBGGR12_CSI2P").name, raw_format("SRGGB16").name, raw_format("R10").name
    ('BayerBG12', 'BayerRG16', 'Mono10')

    The Raspberry Pi 5 gives 16 bits, with the sensor's bits at the top (libcamera pisp.cpp, platformValidate).
    Raises `PixelFormatError` for its compressed formats and for any other.
    """
    match = _RAW.fullmatch(name)
    if not match:
        raise PixelFormatError(f"raw pictures of libcamera's format {name} cannot be unpacked")
    order, bits = match["order"], match["bits"]
    return PixelFormat[f"Mono{bits}" if order == "R" else f"Bayer{order[:2]}{bits}"]


def picture(buffer: Buffer, layout: Layout, region: Region, pixel_format: PixelFormat) -> Picture:
    """Copy a region of a buffer into a new array of `pixel_format`; the buffer can be given back afterwards.

    Processed formats are cut out by libcamera, so that their region begins at 0, 0. Raises `PixelFormatError`.
    """
    unpack = _UNPACKERS.get(layout.name) or _raw_unpacker(layout.name)
    return unpack(buffer, layout, region, pixel_format)


def _rows(buffer: Buffer, height: int, stride_bytes: int) -> Buffer:
    return buffer[: height * stride_bytes].reshape(height, stride_bytes)


def _interleaved(samples: int) -> Callable[[Buffer, Layout, Region, PixelFormat], Picture]:
    def unpack(buffer: Buffer, layout: Layout, region: Region, pixel_format: PixelFormat) -> Picture:
        rows = _rows(buffer, region.height, layout.stride_bytes)[:, : region.width * samples]
        # Copied as rows: numpy copies the samples of a pixel one pixel at a time.
        return rows.copy().reshape(region.height, region.width, samples)

    return unpack


def _nv12(buffer: Buffer, layout: Layout, region: Region, pixel_format: PixelFormat) -> Picture:
    if pixel_format is PixelFormat.Mono8:
        return _luma(buffer, layout, region).copy()
    return _rows(buffer, layout.height * 3 // 2, layout.stride_bytes)[:, : region.width].copy()


def _yuv420(buffer: Buffer, layout: Layout, region: Region, pixel_format: PixelFormat) -> Picture:
    """Three planes; rows of the two of chroma are half as long (libcamera pisp.cpp, toPiSPImageFormat: stride2)."""
    luma = _luma(buffer, layout, region)
    if pixel_format is PixelFormat.Mono8:
        return luma.copy()
    planes = buffer[layout.height * layout.stride_bytes :]
    blue, red = _rows(planes, layout.height, layout.stride_bytes // 2).reshape(2, layout.height // 2, -1)
    data = np.empty((region.height * 3 // 2, region.width), np.uint8)
    data[: region.height] = luma
    pairs = data[region.height :].reshape(region.height // 2, region.width // 2, 2)
    pairs[..., 0] = blue[:, : region.width // 2]
    pairs[..., 1] = red[:, : region.width // 2]
    return data


def _luma(buffer: Buffer, layout: Layout, region: Region) -> Buffer:
    return _rows(buffer, layout.height, layout.stride_bytes)[: region.height, : region.width]


_UNPACKERS = {
    "RGB888": _interleaved(3),
    "BGR888": _interleaved(3),
    "YUYV": _interleaved(2),
    "NV12": _nv12,
    "YUV420": _yuv420,
}


def _raw_unpacker(name: str) -> Callable[[Buffer, Layout, Region, PixelFormat], Picture]:
    match = _RAW.fullmatch(name)
    if not match:
        raise PixelFormatError(f"pictures of libcamera's format {name} cannot be unpacked")
    return _PACKED.get(match["bits"], _unpacked) if match["packed"] else _unpacked


def _unpacked(buffer: Buffer, layout: Layout, region: Region, pixel_format: PixelFormat) -> Picture:
    rows = _rows(buffer, layout.height, layout.stride_bytes).view(pixel_format.dtype)
    return rows[region.y : region.y + region.height, region.x : region.x + region.width].copy()


def _csi2_10(buffer: Buffer, layout: Layout, region: Region, pixel_format: PixelFormat) -> Picture:
    """MIPI CSI-2 RAW10: four bytes of high bits, then one with the two low bits of each (kernel pixfmt-srggb10p)."""
    groups, skip = _groups(buffer, layout, region, pixels=4, group_bytes=5)
    data = groups[..., :4].astype(np.uint16)
    data <<= 2
    for pixel in range(4):
        data[..., pixel] |= groups[..., 4] >> (2 * pixel) & 0b11
    return _trimmed(data, skip, region)


def _csi2_12(buffer: Buffer, layout: Layout, region: Region, pixel_format: PixelFormat) -> Picture:
    """MIPI CSI-2 RAW12: two bytes of high bits, then one with the four low bits of each (kernel pixfmt-srggb12p)."""
    groups, skip = _groups(buffer, layout, region, pixels=2, group_bytes=3)
    data = groups[..., :2].astype(np.uint16)
    data <<= 4
    data[..., 0] |= groups[..., 2] & 0b1111
    data[..., 1] |= groups[..., 2] >> 4
    return _trimmed(data, skip, region)


def _groups(buffer: Buffer, layout: Layout, region: Region, pixels: int, group_bytes: int) -> tuple[Buffer, int]:
    """Give the groups of bytes that hold the region, and how many pixels stand before it in the first of them."""
    first = region.x // pixels
    count = -(-(region.x + region.width) // pixels) - first
    rows = _rows(buffer, layout.height, layout.stride_bytes)[region.y : region.y + region.height]
    groups = rows[:, first * group_bytes : (first + count) * group_bytes].reshape(region.height, count, group_bytes)
    return groups, region.x - first * pixels


def _trimmed(data: npt.NDArray[np.uint16], skip: int, region: Region) -> Picture:
    rows = data.reshape(region.height, -1)
    # Nothing is copied unless the region begins or ends within a group.
    return np.ascontiguousarray(rows[:, skip : skip + region.width])


_PACKED = {"10": _csi2_10, "12": _csi2_12}
