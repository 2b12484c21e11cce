"""What a picture is judged by: how red, how bright.

Every measure takes a picture as RGB, shape (h, w, 3), uint8 or uint16, and leaves it unchanged.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from heliograph.core.convert import opencv

# A strip's planes together stay inside the L2 cache, and below the size from which malloc asks the kernel for new
# pages each time: splitting a whole 2028x1520 picture at once took three times as long.
_STRIP_BYTES = 65_536

# ITU-R BT.601-7 luma.
_LUMA = (0.299, 0.587, 0.114)


class Threshold(NamedTuple):
    """A red threshold, and how many pixels reach it."""

    value: int
    pixels: int


def red_threshold(rgb: npt.NDArray[Any], min_pixels: int = 64) -> Threshold:
    """Give the greatest t for which at least `min_pixels` pixels have redness >= t, where redness is R - max(G, B).

    >>> import numpy as np
    >>> rgb = np.zeros((20, 20, 3), np.uint8)
    >>> rgb[5:15, 5:15] = (180, 60, 40)      # a red star of 100 px
    >>> rgb[0, 0] = (255, 0, 0)              # a hot pixel
    >>> red_threshold(rgb)
    Threshold(value=120, pixels=101)

    Redness is never below 0; a picture of fewer than `min_pixels` pixels has the threshold 0.
    """
    cv2 = opencv()
    rows = max(1, _STRIP_BYTES // (rgb.shape[1] * rgb.itemsize))
    planes = [np.empty((rows, rgb.shape[1]), rgb.dtype) for _ in range(3)]
    mask = np.empty((rows, rgb.shape[1]), np.bool_)
    # Of all pixels so far: the threshold, the pixels just at it, and the redness of those above it, always fewer than
    # min_pixels. A strip that reaches the threshold nowhere, as most do, costs no more than one comparison.
    threshold, at_threshold, above = 0, 0, np.empty(0, rgb.dtype)
    for top in range(0, rgb.shape[0], rows):
        redness = _redness(cv2, rgb[top : top + rows], planes)
        reached_pixels = int(np.count_nonzero(np.greater_equal(redness, threshold, out=mask[: len(redness)])))
        if not reached_pixels:
            continue
        new_above = redness[np.greater(redness, threshold, out=mask[: len(redness)])]
        at_threshold += reached_pixels - new_above.size
        above = np.concatenate([above, new_above])
        if above.size >= min_pixels:
            threshold = int(np.partition(above, -min_pixels)[-min_pixels])
            at_threshold = int(np.count_nonzero(above == threshold))
            above = above[above > threshold]
    return Threshold(threshold, at_threshold + above.size)


def _redness(cv2: Any, strip: npt.NDArray[Any], planes: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    red, green, blue = cv2.split(strip, [plane[: len(strip)] for plane in planes])
    # cv2.subtract stops at 0 where numpy would wrap around.
    return np.asarray(cv2.subtract(red, cv2.max(green, blue, dst=green), dst=red))


def brightness(rgb: npt.NDArray[Any]) -> float:
    """Give the mean luma (ITU-R BT.601) of a picture, in its own units: 0 to 255 or 0 to 65535.

    >>> import numpy as np
    >>> round(brightness(np.full((4, 4, 3), 100, np.uint8)), 6)
    100.0
    """
    means = opencv().mean(rgb)
    return float(sum(weight * mean for weight, mean in zip(_LUMA, means, strict=False)))
