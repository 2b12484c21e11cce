"""Geometry: where on the sensor the pixels of a picture lie, mosaic, region, binning and mirrors."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from heliograph.core import PixelFormat
from heliograph.core.convert import convert, opencv
from heliograph.sim.lens import Lens
from heliograph.sim.rendering import Renderer
from heliograph.sim.sensor import SensorModel, SensorSettings
from heliograph.sim.testcard import ChartScene
from heliograph.testing.scene import FlatScene

MODEL = SensorModel(width_px=800, height_px=608)
FULL = SensorSettings(800, 608)


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(ChartScene(MODEL), MODEL, seed=4)


def seen(renderer: Renderer, settings: SensorSettings) -> npt.NDArray[np.float32]:
    """Give a picture in colour, without its noise and finest detail."""
    rgb = convert(renderer.picture(settings, 1, 0, 0), PixelFormat.BayerRG8, "RGB8").astype(np.float32)
    return np.asarray(opencv().GaussianBlur(rgb, (0, 0), 3))


def distance(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> float:
    return float(np.abs(first - second).mean())


def check_same(picture: npt.NDArray[Any], wanted: npt.NDArray[Any]) -> None:
    """Two pictures are the same but for noise and aliasing: a shift by one pixel in any direction is worse."""
    shifted = min(
        distance(picture[8:-8, 8:-8], np.roll(wanted, by, axis)[8:-8, 8:-8]) for axis in (0, 1) for by in (-1, 1)
    )
    assert distance(picture[8:-8, 8:-8], wanted[8:-8, 8:-8]) < 0.75 * shifted


def test_the_mosaic_is_red_green_green_blue() -> None:
    picture = Renderer(FlatScene(3000, 2000, 1000), MODEL, seed=1).picture(FULL, 1, 0, 0)
    wanted = [[3000, 2000], [2000, 1000]]
    for row, column in np.ndindex(2, 2):
        level = 2 + wanted[row][column] / 4096 * 255
        assert np.median(picture[row::2, column::2]) == pytest.approx(level, abs=1)


@pytest.mark.parametrize("mirrors", [(True, False), (False, True), (True, True)])
def test_mirrors_turn_the_scene_and_leave_the_mosaic(renderer: Renderer, mirrors: tuple[bool, bool]) -> None:
    plain = seen(renderer, FULL)
    mirrored = seen(renderer, replace(FULL, reverse_x=mirrors[0], reverse_y=mirrors[1]))
    wanted = plain[:: -1 if mirrors[1] else 1, :: -1 if mirrors[0] else 1]
    check_same(mirrored, wanted)
    assert distance(mirrored, plain) > 10


def test_a_region_shows_its_part_of_the_field(renderer: Renderer) -> None:
    region = seen(renderer, replace(FULL, width=200, height=100, offset_x=80, offset_y=240))
    wanted = seen(renderer, FULL)[240:340, 80:280]
    check_same(region, wanted)


def test_a_region_is_cut_out_of_the_mirrored_field(renderer: Renderer) -> None:
    mirrored = replace(FULL, reverse_x=True)
    region = seen(renderer, replace(mirrored, width=200, height=100, offset_x=80, offset_y=240))
    wanted = seen(renderer, mirrored)[240:340, 80:280]
    check_same(region, wanted)


@pytest.mark.parametrize(("across", "down"), [(2, 2), (4, 4), (1, 4), (4, 2)])
def test_binned_pixels_are_means_of_what_they_cover(renderer: Renderer, across: int, down: int) -> None:
    settings = replace(FULL, width=800 // across, height=608 // down, binning_x=across, binning_y=down)
    binned = seen(renderer, settings)
    plain = convert(renderer.picture(FULL, 1, 0, 0), PixelFormat.BayerRG8, "RGB8").astype(np.float32)
    means = plain.reshape(608 // down, down, 800 // across, across, 3).mean(axis=(1, 3))
    wanted = opencv().GaussianBlur(means, (0, 0), 3)
    check_same(binned, wanted)


def test_the_lens_darkens_the_corners_by_the_fourth_power_of_the_cosine() -> None:
    lens = Lens(focal_length_px=600.0)
    picture = Renderer(FlatScene(3600, 3600, 3600), MODEL, seed=1, lens=lens).picture(FULL, 1, 0, 0).astype(np.float64)
    middle, corner = np.median(picture[296:312, 392:408]) - 2, np.median(picture[:16, :16]) - 2
    radius_px = np.hypot(391.5, 295.5)
    assert corner / middle == pytest.approx(np.cos(np.arctan(radius_px / 600)) ** 4, rel=0.02)


def test_the_lens_stays_in_the_middle_of_the_sensor_for_every_region() -> None:
    renderer = Renderer(FlatScene(3600, 3600, 3600), MODEL, seed=1, lens=Lens(600.0))
    full = renderer.picture(FULL, 1, 0, 0)
    region = renderer.picture(replace(FULL, width=100, height=100, offset_x=700, offset_y=500), 1, 0, 0)
    assert np.median(region) == pytest.approx(np.median(full[500:600, 700:800]), abs=1)
