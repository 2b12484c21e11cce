"""Levels of a mosaic's colours, and the gains that make them alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from heliograph.core.convert import opencv

# Cells along the shorter side: a mean of some ten thousand is as good as that of all.
_CELLS = 96


@dataclass(frozen=True, slots=True)
class Levels:
    """Mean light of each colour above black, 1 is full scale."""

    red: float
    green: float
    blue: float

    @classmethod
    def of(cls, mosaic: npt.NDArray[Any], black_dn: float, most_dn: int) -> Levels:
        """Measure an RGGB mosaic, shape (h, w)."""
        step = 2 * max(1, min(mosaic.shape) // (2 * _CELLS))
        sites = ((0, 0), (0, 1), (1, 1))
        means = [float(mosaic[row::step, column::step].mean()) for row, column in sites]
        red, green, blue = ((mean - black_dn) / (most_dn - black_dn) for mean in means)
        return cls(red, green, blue)

    @property
    def grey(self) -> float:
        """Mean over all photosites."""
        return (self.red + 2 * self.green + self.blue) / 4


def balance(mosaic: npt.NDArray[Any], red: float, blue: float, black_dn: float, most_dn: int) -> None:
    """Amplify red and blue of an RGGB mosaic, shape (h, w) and even, above black, in place."""
    cv2 = opencv()
    for parity, gains in enumerate(((red, 1.0), (1.0, blue))):
        rows = mosaic[parity::2]
        pairs = rows.reshape(rows.shape[0], -1, 2)
        matrix = np.array([[gains[0], 0.0, black_dn * (1 - gains[0])], [0.0, gains[1], black_dn * (1 - gains[1])]])
        pairs[:] = np.minimum(cv2.transform(pairs, matrix), most_dn)
