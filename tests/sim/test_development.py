"""Every format shows the same picture."""

import numpy as np
import pytest

from heliograph.core import Frame, PixelFormat
from heliograph.core.convert import opencv
from heliograph.sim.development import FORMATS
from heliograph.sim.rendering import Renderer
from heliograph.sim.sensor import SensorModel, SensorSettings
from heliograph.sim.testcard import ChartScene

MODEL = SensorModel(width_px=800, height_px=608)


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(ChartScene(MODEL), MODEL, seed=4)


def frame(renderer: Renderer, pixel_format: PixelFormat) -> Frame:
    settings = SensorSettings(800, 608, pixel_format)
    return Frame(renderer.picture(settings, 1, 0, 0), pixel_format, id=1, timestamp_ns=0)


def soft(picture: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """What is left of a picture when noise and the colour of single pixels are averaged away."""
    return np.asarray(opencv().GaussianBlur(picture.astype(np.float32), (0, 0), 4))


@pytest.mark.parametrize("pixel_format", FORMATS, ids=lambda each: each.name)
def test_every_format_looks_like_the_mosaic(renderer: Renderer, pixel_format: PixelFormat) -> None:
    made = frame(renderer, pixel_format)
    assert made.data.dtype == pixel_format.dtype
    assert (made.width, made.height) == (800, 608)
    target = "Mono8" if pixel_format.name.startswith("Mono") else "RGB8"
    wanted = frame(renderer, PixelFormat.BayerRG8).to(target)
    difference = np.abs(soft(made.to(target)) - soft(wanted))
    # Bars of full colour clip to a byte in YCbCr; all else agrees to a step or two.
    assert np.median(difference) < 1
    assert np.percentile(difference, 99) < 4


def test_the_deeper_formats_have_finer_steps(renderer: Renderer) -> None:
    values = {name: len(np.unique(frame(renderer, PixelFormat[f"Mono{name}"]).data)) for name in (8, 10, 12)}
    assert values[8] <= 256 < values[10] <= 1024 < values[12] <= 4096


def test_the_converter_has_twelve_bits(renderer: Renderer) -> None:
    mosaic = frame(renderer, PixelFormat.BayerRG16).data
    assert not (mosaic & 15).any()
    np.testing.assert_array_equal(mosaic >> 4, frame(renderer, PixelFormat.BayerRG12).data)


@pytest.mark.parametrize("name", ["NV12", "YUYV"])
def test_chroma_of_red_and_blue_is_on_its_side(renderer: Renderer, name: str) -> None:
    picture = frame(renderer, PixelFormat.parse(name))
    bars = picture.to("RGB8")[60:140, 40:760]
    columns = bars.mean(axis=0)
    red, blue = columns[5 * 90 + 45], columns[6 * 90 + 45]
    assert red[0] > 180
    assert red[2] < 60
    assert blue[2] > 180
    assert blue[0] < 60
