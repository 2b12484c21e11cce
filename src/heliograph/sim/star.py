"""Stars as a telescope with a four-armed spider draws them, and a red giant near enough to be a disc."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from heliograph.core.convert import opencv

# sRGB of black bodies from 30000 K to 3500 K, after Charity's table of star colours by spectral class.
STAR_COLORS = (
    (155, 176, 255),
    (170, 191, 255),
    (202, 215, 255),
    (248, 247, 255),
    (255, 244, 234),
    (255, 210, 161),
    (255, 198, 140),
)
_CORE_PX = 2.6
_MOFFAT_BETA = 1.9
_SPIKE_LIGHT = 0.05
_SPIKE_LENGTH_PX = 30.0
_SPIKE_WIDTH_PX = 1.4
_FAINTEST = 0.004


@dataclass(frozen=True, slots=True)
class Star:
    """A star at (x, y) px of the sky; `peak` is its brightest light, 1 fills the well."""

    x_px: float
    y_px: float
    peak: float
    color: tuple[int, int, int]

    def draw(self, sky: npt.NDArray[np.float32]) -> None:
        """Add the star to a sky (h, w, 3)."""
        reach_px = math.ceil(16 + _SPIKE_LENGTH_PX * max(0.0, math.log(_SPIKE_LIGHT * self.peak / _FAINTEST)))
        patch, dx, dy = _around(sky, self.x_px, self.y_px, reach_px)
        square = (dx**2 + dy**2).astype(np.float32)
        shape = (1 + square / _CORE_PX**2) ** -_MOFFAT_BETA + 0.003 * np.exp(-np.sqrt(square) / 16)
        shape += _SPIKE_LIGHT * _spikes(dx, dy, _SPIKE_LENGTH_PX)
        # Fades out towards the patch's edge, which would show as a square otherwise.
        shape *= np.clip(2 - 2 * np.sqrt(square) / reach_px, 0, 1)
        patch += (self.peak * shape)[:, :, None] * _tint(self.color)


@dataclass(frozen=True, slots=True)
class RedGiant:
    """A star whose disc is seen: dark towards its limb, mottled by convection, in a faint glow."""

    x_px: float
    y_px: float
    radius_px: float = 27.0
    color: tuple[float, float, float] = (0.88, 0.19, 0.09)
    limb_darkening: tuple[float, float, float] = (0.55, 0.78, 0.85)
    """Linear law, by channel: a limb is darker in blue than in red."""
    glow: tuple[float, float, float] = (0.34, 0.06, 0.03)

    def draw(self, sky: npt.NDArray[np.float32], rng: np.random.Generator) -> None:
        """Put the giant into a sky (h, w, 3), in front of what is there."""
        cv2 = opencv()
        reach = 7
        patch, dx, dy = _around(sky, self.x_px, self.y_px, math.ceil(reach * self.radius_px))
        distance = np.sqrt(dx**2 + dy**2) / self.radius_px
        mu = np.sqrt(np.clip(1 - distance**2, 0, 1))[:, :, None]
        disc = np.array(self.color) * (1 - np.array(self.limb_darkening) * (1 - mu))
        mottling = cv2.GaussianBlur(rng.standard_normal(distance.shape), (0, 0), self.radius_px / 7)
        disc *= 1 + 0.07 * (mottling / mottling.std())[:, :, None]
        # The edge is as soft as the telescope's own blur.
        cover = np.clip((1 - distance) * self.radius_px / 5 + 0.5, 0, 1)[:, :, None]
        spread = np.exp(-np.clip(distance - 1, 0, None) * 0.9) + 0.5 * _spikes(dx, dy, 1.6 * self.radius_px)
        spread *= np.clip(reach - distance, 0, 1)
        patch[:] = disc * cover + (patch + spread[:, :, None] * np.array(self.glow)) * (1 - cover)


def _spikes(dx: npt.NDArray[np.float64], dy: npt.NDArray[np.float64], length_px: float) -> npt.NDArray[np.float32]:
    """What the four arms of the spider make of a point's light, 1 in the middle."""
    along = [np.exp(-np.abs(each) / length_px).astype(np.float32) for each in (dx, dy)]
    across = [np.exp(-((each / _SPIKE_WIDTH_PX) ** 2)).astype(np.float32) for each in (dx, dy)]
    return np.asarray(np.maximum(along[0] * across[1], along[1] * across[0]))


def _tint(color: tuple[int, int, int]) -> npt.NDArray[np.float32]:
    # Twice the colour that an eye sees, as in photographs meant to please.
    return ((np.array(color) / max(color)) ** 2).astype(np.float32)


def _around(
    sky: npt.NDArray[np.float32], x_px: float, y_px: float, reach_px: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Give the part of a sky around a place, and its columns' (1, w) and rows' (h, 1) distances to it."""
    left, top = max(0, round(x_px) - reach_px), max(0, round(y_px) - reach_px)
    patch = sky[top : round(y_px) + reach_px + 1, left : round(x_px) + reach_px + 1]
    y, x = np.ogrid[top : top + patch.shape[0], left : left + patch.shape[1]]
    return patch, x - x_px, y - y_px
