from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from heliograph.payload.measure import Threshold, brightness, red_threshold

Picture = npt.NDArray[Any]


def sorted_threshold(rgb: Picture, min_pixels: int) -> tuple[int, int]:
    """The definition, written down by sorting: no strips, no bounds, signed integers."""
    wide = rgb.astype(np.int64)
    redness = sorted((max(0, r - max(g, b)) for r, g, b in wide.reshape(-1, 3).tolist()), reverse=True)
    threshold = redness[min_pixels - 1] if len(redness) >= min_pixels else 0
    return threshold, sum(value >= threshold for value in redness)


def pictures(dtype: type[np.uint8] | type[np.uint16]) -> st.SearchStrategy[Picture]:
    shapes = st.tuples(st.integers(1, 24), st.integers(1, 24), st.just(3))
    # A few values only, so that ties at the threshold are common.
    top = int(np.iinfo(dtype).max)
    values = st.one_of(st.sampled_from([0, 1, 100, 101, top - 1, top]), st.integers(0, top))
    return hnp.arrays(dtype, shapes, elements=values)


@given(st.one_of(pictures(np.uint8), pictures(np.uint16)), st.integers(1, 200))
def test_threshold_is_what_sorting_all_pixels_gives(rgb: Picture, min_pixels: int) -> None:
    assert red_threshold(rgb, min_pixels) == sorted_threshold(rgb, min_pixels)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("slope", [1, -1, 0])
def test_pictures_of_many_strips(dtype: type[np.uint8], slope: int) -> None:
    # Redness that rises from strip to strip raises the bound in each of them; falling, it never does again.
    rng = np.random.default_rng(5)
    rows = np.arange(300)[::slope] if slope else np.zeros(300)
    rgb = rng.integers(0, 40, (300, 900, 3)).astype(dtype)
    rgb[:, :, 0] += (rows / 2).astype(dtype)[:, None]
    assert red_threshold(rgb, 64) == sorted_threshold(rgb, 64)


def test_picture_and_rows_apart_in_memory_stay_as_they_are() -> None:
    rng = np.random.default_rng(6)
    wide = rng.integers(0, 256, (50, 90, 3), np.uint8)
    before = wide.copy()
    assert red_threshold(wide[:, 20:60], 64) == sorted_threshold(wide[:, 20:60], 64)
    np.testing.assert_array_equal(wide, before)


@given(st.data())
def test_fewer_hot_pixels_than_asked_never_beat_a_red_giant(data: st.DataObject) -> None:
    sky = data.draw(hnp.arrays(np.uint8, (30, 40, 3), elements=st.integers(0, 20)))
    giant, hot = sky.copy(), sky.copy()
    giant[10:18, 10:18] = (200, 60, 50)
    spots = data.draw(st.lists(st.tuples(st.integers(0, 29), st.integers(0, 39)), max_size=63))
    for spot in spots:
        hot[spot] = (255, 0, 0)
    assert red_threshold(giant) > red_threshold(hot)


@given(st.integers(0, 255), st.integers(0, 255), st.integers(1, 40))
def test_white_star_never_beats_a_red_giant(level: int, sky: int, size: int) -> None:
    white = np.full((40, 40, 3), sky, np.uint8)
    white[:size, :size] = level
    red = np.zeros((40, 40, 3), np.uint8)
    red[:8, :8] = (2, 1, 0)
    assert red_threshold(white) == (0, 1600)
    assert red_threshold(red) > red_threshold(white)


def test_pixels_at_the_threshold_decide_between_equal_thresholds() -> None:
    small, large = np.zeros((2, 20, 20, 3), np.uint8)
    small[:8, :8, 0] = 90
    large[:9, :9, 0] = 90
    assert red_threshold(small) == (90, 64)
    assert red_threshold(large) == (90, 81)


def test_blue_and_green_count_as_no_red() -> None:
    assert red_threshold(np.full((10, 10, 3), (10, 200, 0), np.uint8)) == Threshold(0, 100)


def test_brightness_is_the_mean_luma_at_either_depth() -> None:
    rgb = np.zeros((10, 10, 3), np.uint8)
    rgb[..., 1] = 200
    assert brightness(rgb) == pytest.approx(0.587 * 200)
    assert brightness(rgb.astype(np.uint16) * 257) == pytest.approx(0.587 * 200 * 257)
