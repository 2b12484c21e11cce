"""Test patterns: pictures that a camera makes without light, under their SFNC names."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

TEST_PATTERNS = MappingProxyType(
    {
        name: number
        for number, name in enumerate(
            (
                "Off",
                "Black",
                "White",
                "GreyHorizontalRamp",
                "GreyVerticalRamp",
                "GreyHorizontalRampMoving",
                "GreyVerticalRampMoving",
                "ColorBar",
            )
        )
    }
)
"""Entries of TestPattern and their numbers."""

# White, yellow, cyan, green, magenta, red, blue, black, as red, green, blue.
_BARS = np.array([(1, 1, 1), (1, 1, 0), (0, 1, 1), (0, 1, 0), (1, 0, 1), (1, 0, 0), (0, 0, 1), (0, 0, 0)])
_MOVE_PX = 8


def pattern_mosaic(name: str, width: int, height: int, most_dn: int, frame_id: int) -> npt.NDArray[Any]:
    """Give an RGGB mosaic, shape (height, width), of a test pattern; 0 is black and `most_dn` white.

    >>> pattern_mosaic("GreyHorizontalRamp", 6, 2, most_dn=255, frame_id=1)[0]
    array([  0,  51, 102, 153, 204, 255], dtype=uint8)

    Ramps go from black to white over the whole picture; moving ones shift by 8 px a frame. `ColorBar` is white, yellow,
    cyan, green, magenta, red, blue, black.
    """
    mosaic = np.empty((height, width), np.uint8 if most_dn < 256 else np.uint16)
    moved_px = frame_id * _MOVE_PX if name.endswith("Moving") else 0
    match name.removesuffix("Moving"):
        case "GreyHorizontalRamp":
            mosaic[:] = np.roll(np.linspace(0, most_dn, width).round(), -moved_px)
        case "GreyVerticalRamp":
            mosaic[:] = np.roll(np.linspace(0, most_dn, height).round(), -moved_px)[:, None]
        case "ColorBar":
            bars = _BARS[np.arange(width) * len(_BARS) // width] * most_dn
            for parity in (0, 1):
                mosaic[parity::2, 0::2] = bars[0::2, parity]
                mosaic[parity::2, 1::2] = bars[1::2, parity + 1]
        case _:
            mosaic[:] = most_dn if name == "White" else 0
    return mosaic
