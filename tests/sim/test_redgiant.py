"""What is true of the red giant's pass, measured in its pictures."""

import subprocess
import sys
import zlib
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

from heliograph.core import Frame
from heliograph.sim.camera import SimCamera
from heliograph.sim.clock import ManualClock
from heliograph.sim.lens import Lens
from heliograph.sim.redgiant import RedGiantPass
from heliograph.sim.rendering import Renderer
from heliograph.sim.sensor import SensorModel
from heliograph.sim.sky import sky

MODEL = SensorModel()


PASS_S = 20.0
COUNT = 20


class Shot(NamedTuple):
    """A picture and what the tests look at."""

    frame: Frame
    rgb: npt.NDArray[np.uint8]
    redness: npt.NDArray[np.int16]
    threshold: int
    giant_px: tuple[float, float]
    """Where the truth has the giant when the row that shows its middle is exposed."""

    def shows_giant(self, margin_px: int) -> bool:
        x, y = self.giant_px
        return -margin_px < x < MODEL.width_px + margin_px and -margin_px < y < MODEL.height_px + margin_px


def shot(scene: RedGiantPass, frame: Frame) -> Shot:
    rgb = frame.to("RGB8").astype(np.int16)
    redness = np.clip(rgb[..., 0] - np.maximum(rgb[..., 1], rgb[..., 2]), 0, None)
    threshold = int(np.partition(redness, -64, axis=None)[-64])
    _, row = frame.metadata["giant_px"]
    x, y = scene.truth(frame.timestamp_ns + row * MODEL.line_time_ns + MODEL.default_exposure_us * 500)["giant_px"]
    return Shot(frame, rgb.astype(np.uint8), redness, threshold, (x, y))


@pytest.fixture(scope="module")
def one_pass() -> list[Shot]:
    """Give pictures spread over a pass that is short, so that the rolling shutter shows in them."""
    scene = RedGiantPass(sky(1), MODEL, 1, PASS_S)
    camera = SimCamera("red-giant", Renderer(scene, MODEL, 1, Lens(1_700.0)), MODEL, ManualClock())
    camera.features["AcquisitionFrameRate"] = COUNT / PASS_S
    return [shot(scene, frame) for frame in camera.frames(COUNT)]


def test_the_giant_is_where_the_truth_says_for_a_part_of_the_pass_only(one_pass: list[Shot]) -> None:
    present = [each for each in one_pass if each.shows_giant(-60)]
    absent = [each for each in one_pass if not each.shows_giant(60)]
    assert len(present) > 6
    assert len(absent) > 6
    for each in present:
        x, y = each.giant_px
        left, top = round(x) - 40, round(y) - 40
        disc = np.clip(each.redness[top : top + 81, left : left + 81] - 25.0, 0, 60)
        assert 800 < (disc > 40).sum() < 4000
        rows, columns = np.mgrid[top : top + 81, left : left + 81]
        # The first row is exposed 12 ms before this one: 2.3 px of the giant's way, more than this allows.
        assert np.average(columns, weights=disc) == pytest.approx(x, abs=1)
        assert np.average(rows, weights=disc) == pytest.approx(y, abs=1)


def test_the_rolling_shutter_is_more_than_the_tolerance_of_the_test_above(one_pass: list[Shot]) -> None:
    shifts = [each.frame.metadata["giant_px"][0] - each.giant_px[0] for each in one_pass if each.shows_giant(0)]
    assert min(shifts) > 2


def test_one_region_of_the_pass_is_reddest_by_far(one_pass: list[Shot]) -> None:
    thresholds = np.array([each.threshold for each in one_pass])
    best = int(thresholds.argmax())
    x, y = one_pass[best].giant_px
    assert np.hypot(x - 1013.5, y - 759.5) < 200
    without = [each.threshold for each in one_pass if not each.shows_giant(60)]
    assert thresholds[best] > max(without) + 50
    near = np.abs(np.arange(COUNT) - best) <= 3
    assert thresholds[near].min() > thresholds[~near].max()


def test_other_stars_are_brighter_and_of_every_colour(one_pass: list[Shot]) -> None:
    reddest = max(one_pass, key=lambda each: each.threshold)
    red, green, blue = (reddest.rgb[..., channel].astype(np.int16) for channel in range(3))
    total = red + green + blue
    x, y = (round(each) for each in reddest.giant_px)
    assert (total > 1.5 * total[y - 20 : y + 21, x - 20 : x + 21].max()).sum() > 500
    assert ((red == 255) & (green == 255) & (blue == 255)).sum() > 50
    assert ((blue > 200) & (blue - red > 60)).sum() > 50
    assert ((red > 200) & (red - blue > 60)).sum() > 50


def test_single_pixels_are_redder_than_anything_in_a_sky_without_the_giant(one_pass: list[Shot]) -> None:
    """Hot pixels under red filters are what a plain maximum picks, in every picture."""
    assert not one_pass[0].shows_giant(60)
    for each in one_pass:
        assert each.redness.max() > 230
        assert (each.redness > 220).sum() < 64


def test_the_pass_repeats() -> None:
    pictures = RedGiantPass(sky(1), MODEL, 1, 20.0)
    assert pictures.truth(0)["pass_fraction"] == pictures.truth(40e9)["pass_fraction"] == 0
    assert pictures.truth(5e9)["pass_fraction"] == pytest.approx(0.25)


def test_another_process_sees_the_same_picture_and_needs_only_the_photograph_of_scikit_image(
    one_pass: list[Shot],
) -> None:
    program = """
import sys, zlib
from heliograph.cameras.url import CameraUrl
from heliograph.cameras.sim import open_camera
camera = open_camera(CameraUrl.parse("sim://red-giant?pass_s=20"))
camera.features["AcquisitionFrameRate"] = 1
print(zlib.crc32(camera.grab().data.tobytes()), "skimage" in sys.modules)
"""
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert told.stdout.split() == [str(zlib.crc32(one_pass[0].frame.data.tobytes())), "False"]
