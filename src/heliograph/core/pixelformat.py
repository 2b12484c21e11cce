"""Pixel formats by their PFNC names and codes, and the numpy array each one is.

Codes are those of EMVA's Pixel Format Naming Convention list: `color << 24 | bits per pixel << 16 | id`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum, StrEnum

import numpy as np
import numpy.typing as npt

from heliograph.core.errors import PixelFormatError


class Layout(Enum):
    """How the samples of a format lie in memory."""

    MONO = "mono"
    BAYER = "bayer"
    RGB = "rgb"
    BGR = "bgr"
    YUYV = "yuyv"
    NV12 = "nv12"
    NV21 = "nv21"


class ColorMatrix(StrEnum):
    """Matrix between YCbCr and RGB."""

    BT601 = "BT.601"
    BT709 = "BT.709"


class ColorRange(StrEnum):
    """Range of YCbCr samples: full is 0 to 255, limited is luma 16 to 235 and chroma 16 to 240."""

    FULL = "full"
    LIMITED = "limited"


class PixelFormat(IntEnum):
    """A PFNC pixel format; the value is the code that travels on the wire.

    >>> PixelFormat.parse("NV12").name
    'YCbCr420_8_YY_CbCr_Semiplanar'
    >>> PixelFormat.BayerRG8.shape(2028, 1520)
    (1520, 2028)
    >>> PixelFormat.parse("NV12").payload_bytes(2028, 1520)
    4623840
    """

    Mono8 = 0x01080001
    Mono10 = 0x01100003
    Mono12 = 0x01100005
    Mono16 = 0x01100007
    BayerGR8 = 0x01080008
    BayerRG8 = 0x01080009
    BayerGB8 = 0x0108000A
    BayerBG8 = 0x0108000B
    BayerGR10 = 0x0110000C
    BayerRG10 = 0x0110000D
    BayerGB10 = 0x0110000E
    BayerBG10 = 0x0110000F
    BayerGR12 = 0x01100010
    BayerRG12 = 0x01100011
    BayerGB12 = 0x01100012
    BayerBG12 = 0x01100013
    BayerGR16 = 0x0110002E
    BayerRG16 = 0x0110002F
    BayerGB16 = 0x01100030
    BayerBG16 = 0x01100031
    RGB8 = 0x02180014
    BGR8 = 0x02180015
    RGB16 = 0x02300033
    BGR16 = 0x0230004B
    YUV422_8 = 0x02100032
    YCbCr420_8_YY_CbCr_Semiplanar = 0x020C0112
    YCbCr420_8_YY_CrCb_Semiplanar = 0x020C0114

    @classmethod
    def parse(cls, name: str | PixelFormat) -> PixelFormat:
        """Give the format of a PFNC name or of the aliases NV12, NV21 and YUYV.

        Raises `PixelFormatError` for any other name.
        """
        if isinstance(name, PixelFormat):
            return name
        try:
            return cls[_ALIASES.get(name, name)]
        except KeyError:
            known = ", ".join([*_ALIASES, *cls.__members__])
            raise PixelFormatError(f"unknown pixel format {name!r}; known are {known}") from None

    @property
    def layout(self) -> Layout:
        """How the samples lie in memory."""
        return _INFO[self].layout

    @property
    def bits(self) -> int:
        """Significant bits of one sample; formats above 8 store a sample in 2 little-endian bytes, low-aligned."""
        return _INFO[self].bits

    @property
    def dtype(self) -> np.dtype[np.uint8] | np.dtype[np.uint16]:
        """The numpy type of one sample."""
        return np.dtype(np.uint8) if self.bits == 8 else np.dtype("<u2")

    @property
    def bits_per_pixel(self) -> int:
        """Bits that one pixel takes on the wire (PFNC code bits 16 to 23)."""
        return (int(self) >> 16) & 0xFF

    @property
    def bayer_pattern(self) -> str:
        """First two rows of the mosaic read row by row, such as 'RGGB'; empty when the format is not a mosaic."""
        return _INFO[self].pattern

    @property
    def size_increment(self) -> int:
        """Width and height must be multiples of this, in px: 2 where chroma or a mosaic spans two pixels."""
        return 1 if self.layout in (Layout.MONO, Layout.RGB, Layout.BGR) else 2

    def shape(self, width: int, height: int) -> tuple[int, ...]:
        """Shape of the array of a picture of this size in px.

        (h, w), (h, w, 3) for RGB and BGR, (h, w, 2) for YUYV, (h*3/2, w) for NV12 and NV21.
        """
        match self.layout:
            case Layout.MONO | Layout.BAYER:
                return (height, width)
            case Layout.RGB | Layout.BGR:
                return (height, width, 3)
            case Layout.YUYV:
                return (height, width, 2)
            case _:
                return (height * 3 // 2, width)

    def payload_bytes(self, width: int, height: int) -> int:
        """Bytes of a picture of this size in px, without padding."""
        return width * height * self.bits_per_pixel // 8

    def size_of(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Width and height in px of an array of this format.

        Raises `PixelFormatError` when no picture of this format has that shape.
        """
        if len(shape) >= 2:
            pairs = self.layout in (Layout.NV12, Layout.NV21)
            height = shape[0] * 2 // 3 if pairs else shape[0]
            # A row of pairs of Cb and Cr holds no half of one.
            if self.shape(shape[1], height) == tuple(shape) and not (pairs and shape[1] % 2):
                return shape[1], height
        raise PixelFormatError(f"an array of shape {shape} is no {self.name} picture")

    def view(self, buffer: npt.NDArray[np.uint8], width: int, height: int) -> npt.NDArray[np.generic]:
        """Look at a flat uint8 buffer as a picture of this size in px, without a copy.

        Raises `PixelFormatError` when the buffer is too small.
        """
        wanted_bytes = self.payload_bytes(width, height)
        if buffer.nbytes < wanted_bytes:
            raise PixelFormatError(
                f"{width}x{height} {self.name} takes {wanted_bytes} bytes, the buffer has {buffer.nbytes}"
            )
        return buffer[:wanted_bytes].view(self.dtype).reshape(self.shape(width, height))


@dataclass(frozen=True, slots=True)
class _Info:
    layout: Layout
    bits: int
    pattern: str = ""


_ALIASES = {
    "NV12": "YCbCr420_8_YY_CbCr_Semiplanar",
    "NV21": "YCbCr420_8_YY_CrCb_Semiplanar",
    "YUYV": "YUV422_8",
}
_PATTERNS = {"GR": "GRBG", "RG": "RGGB", "GB": "GBRG", "BG": "BGGR"}


def _info(fmt: PixelFormat) -> _Info:
    name = fmt.name
    if name.startswith("Mono"):
        return _Info(Layout.MONO, int(name[4:]))
    if name.startswith("Bayer"):
        return _Info(Layout.BAYER, int(name[7:]), _PATTERNS[name[5:7]])
    if name.startswith(("RGB", "BGR")):
        return _Info(Layout[name[:3]], int(name[3:]))
    if fmt is PixelFormat.YUV422_8:
        return _Info(Layout.YUYV, 8)
    return _Info(Layout.NV12 if "CbCr_S" in name else Layout.NV21, 8)


_INFO = {fmt: _info(fmt) for fmt in PixelFormat}
