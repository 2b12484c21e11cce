import numpy as np
import pytest

from heliograph.core import Frame, PixelFormat
from heliograph.sim.rendering import Renderer
from heliograph.sim.sensor import SensorModel, SensorSettings
from heliograph.sim.testpattern import TEST_PATTERNS, pattern_mosaic
from heliograph.testing.scene import FlatScene

MODEL = SensorModel(width_px=320, height_px=240)
BARS = ((1, 1, 1), (1, 1, 0), (0, 1, 1), (0, 1, 0), (1, 0, 1), (1, 0, 0), (0, 0, 1), (0, 0, 0))


def shown(name: str, pixel_format: str, frame_id: int = 1, size_px: tuple[int, int] = (320, 240)) -> Frame:
    renderer = Renderer(FlatScene(4000, 10, 10), MODEL, seed=1)
    settings = SensorSettings(*size_px, PixelFormat.parse(pixel_format), test_pattern=name)
    return Frame(renderer.picture(settings, frame_id, 0, 0), settings.pixel_format, id=frame_id, timestamp_ns=0)


@pytest.mark.parametrize(
    "pixel_format", ["Mono8", "Mono10", "Mono12", "Mono16", "BayerRG8", "BayerRG12", "RGB8", "NV12"]
)
def test_a_ramp_goes_from_black_to_white_in_every_format(pixel_format: str) -> None:
    grey = shown("GreyHorizontalRamp", pixel_format).to("Mono8").astype(int)
    wanted = np.linspace(0, 255, 320)
    assert np.abs(grey[4:-4, 4:-4] - wanted[4:-4]).max() <= 2
    assert grey[:, :4].max() <= 4
    assert grey[:, -4:].min() >= 251


def test_a_mosaic_has_the_pattern_to_the_bit_and_no_noise() -> None:
    for pixel_format, most in (("BayerRG8", 255), ("BayerRG10", 1023), ("BayerRG12", 4095)):
        columns = shown("GreyHorizontalRamp", pixel_format).data
        np.testing.assert_array_equal(columns, np.tile(np.linspace(0, most, 320).round(), (240, 1)))
        rows = shown("GreyVerticalRamp", pixel_format).data
        np.testing.assert_array_equal(rows, np.tile(np.linspace(0, most, 240).round()[:, None], (1, 320)))
        assert (shown("White", pixel_format).data == most).all()
        assert (shown("Black", pixel_format).data == 0).all()


@pytest.mark.parametrize(("name", "axis"), [("GreyHorizontalRampMoving", 1), ("GreyVerticalRampMoving", 0)])
def test_moving_ramps_move_by_eight_px_a_frame(name: str, axis: int) -> None:
    first, later = (pattern_mosaic(name, 320, 240, 255, frame) for frame in (3, 7))
    np.testing.assert_array_equal(later, np.roll(first, -32, axis))
    assert not np.array_equal(first, later)


def test_colour_bars_have_their_colours() -> None:
    picture = shown("ColorBar", "RGB8").data
    for number, color in enumerate(BARS):
        bar = picture[20:-20, number * 40 + 10 : number * 40 + 30]
        np.testing.assert_array_equal(np.median(bar, axis=(0, 1)), np.array(color) * 255)


@pytest.mark.parametrize("name", TEST_PATTERNS)
def test_odd_pictures_have_patterns_too(name: str) -> None:
    assert shown(name, "BGR8", size_px=(319, 237)).data.shape == (237, 319, 3)
