"""What is measured on every picture, by whoever looks at it: how its values are spread, and how sharp it is.

Every measure takes a picture as RGB, shape (h, w, 3), uint8 or uint16, and leaves it unchanged.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from heliograph.core.convert import opencv
from heliograph.core.pixelformat import PixelFormat

HISTOGRAM_BINS = 256


def native_rgb(pixel_format: PixelFormat) -> str:
    """Name the RGB format that holds every bit of a format's samples.

    >>> native_rgb(PixelFormat.BayerRG12)
    'RGB16'
    """
    return "RGB8" if pixel_format.bits == 8 else "RGB16"


def rgb_histogram(rgb: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Count the pixels of each value in 256 equal bins, shape (3, 256), rows red, green, blue.

    >>> rgb_histogram(np.full((2, 3, 3), 7, np.uint8))[:, 7]
    array([6, 6, 6])
    """
    cv2 = opencv()
    # The bin of a 16-bit sample is its high byte; OpenCV counts bytes ten times as fast.
    coarse = rgb if rgb.dtype == np.uint8 else (rgb >> 8).astype(np.uint8)
    rows = [np.ravel(cv2.calcHist([coarse], [channel], None, [HISTOGRAM_BINS], [0, 256])) for channel in range(3)]
    return np.array(rows).astype(np.int64)


def sharpness(rgb: npt.NDArray[Any]) -> float:
    """Give the variance of the Laplacian of a picture's luma: it grows with fine detail, and with noise.

    >>> import numpy as np
    >>> sharpness(np.full((8, 8, 3), 100, np.uint8))
    0.0
    """
    cv2 = opencv()
    laplacian = cv2.Laplacian(cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2GRAY), cv2.CV_32F)
    deviation = cv2.meanStdDev(laplacian)[1]
    return float(np.ravel(deviation)[0]) ** 2
