"""How well a picture is focused, as a number to turn a lens by."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from heliograph.core.convert import opencv

# Shot noise has as much gradient as fine detail: smoothed by this much, edges are left.
_SMOOTHING_PX = 1.0


def focus_score(rgb: npt.NDArray[Any]) -> float:
    """Give the mean squared gradient of a picture's luma (Tenengrad) relative to its mean luma squared, times 1000.

    >>> focus_score(np.full((8, 8, 3), 100, np.uint8))
    0.0

    Doubling the exposure leaves it as it is, unlike `sharpness`; it is greatest where the picture is sharpest. Only
    scores of the same scene compare. `rgb` has shape (h, w, 3), uint8 or uint16; a black picture scores 0.
    """
    cv2 = opencv()
    luma = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2GRAY)
    mean = float(cv2.mean(luma)[0])
    if mean == 0:
        return 0.0
    smooth = cv2.GaussianBlur(luma, (0, 0), _SMOOTHING_PX)
    # Sobel's kernel sums to 8: an eighth of it is the slope per pixel.
    slopes = [cv2.Sobel(smooth, cv2.CV_32F, dx, 1 - dx, ksize=3, scale=1 / 8) for dx in (1, 0)]
    energy = sum(float(cv2.mean(cv2.multiply(slope, slope))[0]) for slope in slopes)
    return 1000 * energy / mean**2
