"""The sky of the red giant: the Hubble Deep Field, and stars before it."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from heliograph.core import MissingDependencyError
from heliograph.core.convert import opencv
from heliograph.sim.scene import FULL_LIGHT
from heliograph.sim.star import STAR_COLORS, RedGiant, Star

_PHOTOGRAPH = "data/hubble_deep_field.jpg"
# The photograph's own rows and columns at the edge are black.
_EDGE_PX = 6
_SCALE = 2
_SEAM_PX = 60
_STARS = 150
_BRIGHTEST = 14.0
# What the first would be, had light no upper bound.
_BRIGHTEST_UNBOUND = 50.0
# The photograph shall not outshine the stars before it.
_PHOTOGRAPH_LIGHT = 0.8
# The giant stands alone.
_CLEAR_PX = 150.0


@dataclass(frozen=True, slots=True)
class Sky:
    """Light by channel, red, green and blue, each (h, w) uint16, and where in it the giant stands."""

    planes: tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint16], npt.NDArray[np.uint16]]
    giant: RedGiant

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height."""
        height, width = self.planes[0].shape
        return width, height


def photograph_path() -> Path:
    """Find the Hubble Deep Field (NASA, public domain) that ships in scikit-image's wheel, without importing it.

    Raises `MissingDependencyError` with the line that installs it.
    """
    spec = importlib.util.find_spec("skimage")
    folders = spec.submodule_search_locations if spec else None
    for folder in folders or ():
        path = Path(folder) / _PHOTOGRAPH
        if path.exists():
            return path
    raise MissingDependencyError(
        "sim://red-giant needs the Hubble photograph in scikit-image: pip install 'heliograph[sim]'"
    )


@lru_cache(maxsize=1)
def sky(seed: int) -> Sky:
    """Give the sky of a seed, about 5800 x 1720 px: three photographs wide, with stars and one red giant.

    The photograph's code values count as light, so that a picture looks as the photograph does.
    Raises `MissingDependencyError` when the photograph is missing.
    """
    cv2 = opencv()
    rng = np.random.default_rng([seed, 4])
    encoded = np.fromfile(photograph_path(), np.uint8)
    photograph = cv2.cvtColor(cv2.imdecode(encoded, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    strip = _strip(photograph[_EDGE_PX:-_EDGE_PX, _EDGE_PX:-_EDGE_PX])
    canvas = cv2.resize(strip, None, fx=_SCALE, fy=_SCALE, interpolation=cv2.INTER_CUBIC)
    canvas *= _PHOTOGRAPH_LIGHT / 255
    height, width, _ = canvas.shape
    giant = RedGiant(x_px=0.56 * width, y_px=0.5 * height)
    for star in _stars(rng, width, height):
        if np.hypot(star.x_px - giant.x_px, star.y_px - giant.y_px) > _CLEAR_PX:
            star.draw(canvas)
    giant.draw(canvas, rng)
    red, green, blue = (cv2.multiply(each, FULL_LIGHT, dtype=cv2.CV_16U) for each in cv2.split(canvas))
    return Sky((red, green, blue), giant)


def _strip(photograph: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Three of the photograph side by side, turned so that none looks like the next, faded into each other."""
    tiles = [photograph[::-1, ::-1], photograph, photograph[::-1]]
    fade = np.linspace(0, 1, _SEAM_PX, dtype=np.float32)[None, :, None]
    strip = tiles[0].astype(np.float32)
    for tile in tiles[1:]:
        seam = strip[:, -_SEAM_PX:] * (1 - fade) + tile[:, :_SEAM_PX] * fade
        strip = np.concatenate([strip[:, :-_SEAM_PX], seam, tile[:, _SEAM_PX:].astype(np.float32)], axis=1)
    return strip


def _stars(rng: np.random.Generator, width: int, height: int) -> list[Star]:
    """Stars anywhere, few of them bright, of every colour but red."""
    peaks = np.minimum(_BRIGHTEST, _BRIGHTEST_UNBOUND * (np.arange(_STARS) + 1.0) ** -0.7)
    places = rng.uniform((0, 0), (width, height), (_STARS, 2))
    # The brightest go round all the colours, so that every sky has each of them.
    order = rng.permutation(len(STAR_COLORS))
    return [
        Star(float(x), float(y), float(peak), STAR_COLORS[order[index % len(STAR_COLORS)]])
        for index, ((x, y), peak) in enumerate(zip(places, peaks, strict=True))
    ]
