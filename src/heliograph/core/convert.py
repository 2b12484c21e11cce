"""Conversion of every pixel format to RGB, BGR or Mono at 8 or 16 bits, done by OpenCV.

OpenCV is imported on first use: a machine that only serves a camera does not need it.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import numpy.typing as npt

from heliograph.core.errors import MissingDependencyError, PixelFormatError
from heliograph.core.pixelformat import ColorMatrix, ColorRange, Layout, PixelFormat

TARGETS = ("RGB8", "BGR8", "Mono8", "RGB16", "BGR16", "Mono16")

# Kr and Kb of ITU-R BT.601-7 and BT.709-6, from which the whole matrix follows.
_LUMA_WEIGHTS = {ColorMatrix.BT601: (0.299, 0.114), ColorMatrix.BT709: (0.2126, 0.0722)}


def opencv() -> Any:
    """Import OpenCV.

    Raises `MissingDependencyError` with the line that installs it.
    """
    try:
        return importlib.import_module("cv2")
    except ImportError as error:
        raise MissingDependencyError(
            "pixel conversion needs OpenCV: pip install 'heliograph[images]' (or apt install python3-opencv)"
        ) from error


def convert(
    data: npt.NDArray[Any],
    pixel_format: PixelFormat,
    target: str,
    matrix: ColorMatrix = ColorMatrix.BT601,
    color_range: ColorRange = ColorRange.FULL,
) -> npt.NDArray[Any]:
    """Give `data` of `pixel_format` as RGB8, BGR8 or Mono8, or their 16-bit forms.

    >>> import numpy as np
    >>> convert(np.full((2, 2), 1023, np.uint16), PixelFormat.Mono10, "RGB16")[0, 0]
    array([65535, 65535, 65535], dtype=uint16)

    Samples are scaled so that the format's largest value becomes 255 or 65535. Mosaics are demosaiced bilinearly.
    The result has shape (h, w, 3) or (h, w) and never shares memory that a sensor may write again.
    Raises `PixelFormatError` for an unknown target.
    """
    if target not in TARGETS:
        raise PixelFormatError(f"cannot convert to {target!r}; possible are {', '.join(TARGETS)}")
    cv2 = opencv()
    order = target.rstrip("0123456789")
    bits = int(target[len(order) :])
    layout = pixel_format.layout
    if layout in (Layout.NV12, Layout.NV21, Layout.YUYV):
        picture = _from_ycbcr(cv2, data, layout, order, matrix, color_range)
    else:
        code = _color_code(cv2, pixel_format, order)
        picture = data if code is None else cv2.cvtColor(np.ascontiguousarray(data), code)
    scaled = _scaled(cv2, picture, pixel_format.bits, bits)
    return scaled.copy() if scaled is data else scaled


def _color_code(cv2: Any, pixel_format: PixelFormat, order: str) -> int | None:
    target = "GRAY" if order == "Mono" else order
    match pixel_format.layout:
        case Layout.MONO:
            source = "GRAY"
        case Layout.BAYER:
            source = "Bayer" + pixel_format.bayer_pattern
        case _:
            source = pixel_format.layout.name
    return None if source == target else int(getattr(cv2, f"COLOR_{source}2{target}"))


def _scaled(cv2: Any, picture: npt.NDArray[Any], from_bits: int, to_bits: int) -> npt.NDArray[Any]:
    if from_bits == to_bits:
        return picture
    scale = ((1 << to_bits) - 1) / ((1 << from_bits) - 1)
    if to_bits == 8:
        scaled: npt.NDArray[Any] = cv2.convertScaleAbs(picture, alpha=scale)
    else:
        # convertScaleAbs knows 8 bits only; addWeighted rounds and saturates at 16.
        scaled = cv2.addWeighted(picture, scale, picture, 0.0, 0.0, dtype=cv2.CV_16U)
    return scaled


def _from_ycbcr(
    cv2: Any, data: npt.NDArray[np.uint8], layout: Layout, order: str, matrix: ColorMatrix, color_range: ColorRange
) -> npt.NDArray[np.uint8]:
    luma, cb, cr = _planes(cv2, data, layout)
    limited = color_range is ColorRange.LIMITED
    y_gain, c_gain, y_zero = (255 / 219, 255 / 224, 16) if limited else (1.0, 1.0, 0)
    if order == "Mono":
        return luma.copy() if not limited else np.asarray(cv2.addWeighted(luma, y_gain, luma, 0, -y_zero * y_gain))
    kr, kb = _LUMA_WEIGHTS[matrix]
    kg = 1 - kr - kb
    red = np.array([y_gain, 0.0, 2 * (1 - kr) * c_gain])
    blue = np.array([y_gain, 2 * (1 - kb) * c_gain, 0.0])
    green = np.array([y_gain, -2 * kb * (1 - kb) / kg * c_gain, -2 * kr * (1 - kr) / kg * c_gain])
    rows = np.array([red, green, blue] if order == "RGB" else [blue, green, red])
    offset = rows @ np.array([-y_zero, -128.0, -128.0])
    size = (luma.shape[1], luma.shape[0])
    chroma = [cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR) for plane in (cb, cr)]
    return np.asarray(cv2.transform(cv2.merge([luma, *chroma]), np.column_stack([rows, offset])))


def _planes(cv2: Any, data: npt.NDArray[np.uint8], layout: Layout) -> tuple[npt.NDArray[np.uint8], ...]:
    if layout is Layout.YUYV:
        return np.ascontiguousarray(data[:, :, 0]), data[:, 0::2, 1].copy(), data[:, 1::2, 1].copy()
    height = data.shape[0] * 2 // 3
    pairs = data[height:].reshape(height // 2, -1, 2)
    first, second = cv2.split(np.ascontiguousarray(pairs))
    return (data[:height], first, second) if layout is Layout.NV12 else (data[:height], second, first)
