"""From the sensor's mosaic to the pixel format that a camera sends, as an image signal processor would."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from heliograph.core import Layout, PixelFormat
from heliograph.core.convert import convert, opencv

FORMATS = tuple(
    PixelFormat.parse(name)
    for name in (
        *("BayerRG8", "BayerRG10", "BayerRG12", "BayerRG16", "RGB8", "BGR8", "RGB16", "BGR16"),
        *("Mono8", "Mono10", "Mono12", "Mono16", "NV12", "YUV422_8"),
    )
)
"""Pixel formats that a simulated camera gives."""

_ADC_BITS = 12

# Y, Cb, Cr of ITU-R BT.601-7 with full range, from R, G, B.
_LUMA = (0.299, 0.587, 0.114)
_CB = (-0.168736, -0.331264, 0.5, 128.0)
_CR = (0.5, -0.418688, -0.081312, 128.0)


def mosaic_bits(pixel_format: PixelFormat) -> int:
    """Give the bits that the sensor's ADC must have for a format: 8, 10 or 12."""
    return min(pixel_format.bits, _ADC_BITS)


def develop(mosaic: npt.NDArray[Any], pixel_format: PixelFormat) -> npt.NDArray[Any]:
    """Give a picture in one of `FORMATS` from an RGGB mosaic of `mosaic_bits(pixel_format)` bits.

    >>> import numpy as np
    >>> develop(np.full((4, 4), 100, np.uint8), PixelFormat.parse("NV12")).shape
    (6, 4)

    16-bit mosaics hold the ADC's 12 bits at the top. Grey is the luma (BT.601) of the demosaiced picture.
    """
    if pixel_format.layout is Layout.BAYER:
        return mosaic << (pixel_format.bits - mosaic_bits(pixel_format)) if pixel_format.bits == 16 else mosaic
    source = PixelFormat[f"BayerRG{mosaic_bits(pixel_format)}"]
    match pixel_format.layout:
        case Layout.MONO if pixel_format.bits == 8:
            return convert(mosaic, source, "Mono8")
        case Layout.MONO:
            return convert(mosaic, source, "Mono16") >> (16 - pixel_format.bits)
        case Layout.RGB | Layout.BGR:
            return convert(mosaic, source, pixel_format.name)
        case Layout.NV12:
            return _nv12(convert(mosaic, source, "RGB8"))
        case _:
            return _yuyv(convert(mosaic, source, "RGB8"))


def _nv12(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    height, width = rgb.shape[:2]
    picture = np.empty((height * 3 // 2, width), np.uint8)
    picture[:height] = opencv().transform(rgb, np.array([_LUMA]))
    picture[height:] = _chroma(rgb, (width // 2, height // 2)).reshape(height // 2, width)
    return picture


def _yuyv(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    height, width = rgb.shape[:2]
    picture = np.empty((height, width, 2), np.uint8)
    picture[:, :, 0] = opencv().transform(rgb, np.array([_LUMA]))
    picture[:, :, 1] = _chroma(rgb, (width // 2, height)).reshape(height, width)
    return picture


def _chroma(rgb: npt.NDArray[np.uint8], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Give Cb and Cr, shape (h, w, 2), of the mean colour of the pixels that share them."""
    cv2 = opencv()
    shared = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.transform(shared, np.array([_CB, _CR])))
