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
# Even, and few enough for the planes of a strip to stay in the second-level cache.
_STRIP_ROWS = 32


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
        case _:
            return _ycbcr(convert(mosaic, source, "RGB8"), pixel_format.layout)


def _ycbcr(rgb: npt.NDArray[np.uint8], layout: Layout) -> npt.NDArray[np.uint8]:
    """Give NV12 or YUYV; chroma is the mean of the pixels that share it."""
    height, width = rgb.shape[:2]
    if layout is Layout.YUYV:
        picture = np.empty((height, width, 2), np.uint8)
        for top in range(0, height, _STRIP_ROWS):
            strip = slice(top, top + _STRIP_ROWS)
            luma, chroma = _luma_chroma(rgb[strip], 1)
            opencv().merge([luma, chroma.reshape(luma.shape)], picture[strip])
        return picture
    picture = np.empty((height * 3 // 2, width), np.uint8)
    for top in range(0, height, _STRIP_ROWS):
        luma, chroma = _luma_chroma(rgb[top : top + _STRIP_ROWS], 2)
        picture[top : top + len(luma)] = luma
        picture[height + top // 2 :][: len(chroma)] = chroma.reshape(-1, width)
    return picture


def _luma_chroma(rgb: npt.NDArray[np.uint8], rows_a_sample: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Give Y, shape (h, w), and pairs of Cb and Cr, shape (h / rows_a_sample, w / 2, 2)."""
    cv2 = opencv()
    height, width = rgb.shape[:2]
    # OpenCV's YCrCb is that of JPEG: ITU-R BT.601-7, full range.
    luma, cr, cb = cv2.split(cv2.cvtColor(rgb, cv2.COLOR_RGB2YCrCb))
    size = (width // 2, height // rows_a_sample)
    # At exactly half the size, bilinear is the mean; INTER_AREA takes ten times as long for one direction alone.
    return luma, cv2.merge([cv2.resize(each, size, interpolation=cv2.INTER_LINEAR) for each in (cb, cr)])
