"""A part of a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of whole pixels.

    >>> Region(90, 90, 40, 40).inside(100, 100)
    Region(left=90, top=90, width=10, height=10)
    """

    left: int
    top: int
    width: int
    height: int

    @classmethod
    def centre(cls, width: int, height: int) -> Region:
        """Give the middle quarter of a picture of this size in px: what most people look at."""
        return cls(width // 4, height // 4, max(1, width // 2), max(1, height // 2))

    def inside(self, width: int, height: int) -> Region:
        """Give what of it lies in a picture of this size in px, at least one pixel."""
        left, top = min(max(0, self.left), width - 1), min(max(0, self.top), height - 1)
        right, bottom = min(self.left + self.width, width), min(self.top + self.height, height)
        return Region(left, top, max(1, right - left), max(1, bottom - top))

    def of(self, picture: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Look at this part of a picture, shape (h, w) or (h, w, 3), without a copy."""
        return picture[self.top : self.top + self.height, self.left : self.left + self.width]
