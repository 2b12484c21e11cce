"""Measures: every pixel counts once, and blur lowers sharpness."""

from __future__ import annotations

import numpy as np
import pytest

from heliograph.core import PixelFormat
from heliograph.core.measure import native_rgb, rgb_histogram, sharpness


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_histogram_counts_every_pixel_of_every_channel_once(dtype: type[np.uint8]) -> None:
    rng = np.random.default_rng(2)
    rgb = rng.integers(0, int(np.iinfo(dtype).max) + 1, (33, 21, 3)).astype(dtype)
    high = (rgb >> (8 * (rgb.itemsize - 1))).reshape(-1, 3)
    wanted = [np.bincount(high[:, channel], minlength=256) for channel in range(3)]
    np.testing.assert_array_equal(rgb_histogram(rgb), wanted)


def test_sharpness_falls_when_a_picture_is_blurred() -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (40, 40, 3), np.uint8)
    soft = rgb.astype(np.float32)
    soft = ((soft + np.roll(soft, 1, 0) + np.roll(soft, 1, 1)) / 3).astype(np.uint8)
    assert 0 < sharpness(soft) < sharpness(rgb)
    assert sharpness(rgb.astype(np.uint16) * 257) == pytest.approx(sharpness(rgb) * 257**2, rel=0.05)


@pytest.mark.parametrize(("name", "rgb"), [("Mono8", "RGB8"), ("BayerRG12", "RGB16"), ("NV12", "RGB8")])
def test_native_rgb_holds_every_bit(name: str, rgb: str) -> None:
    assert native_rgb(PixelFormat.parse(name)) == rgb
