"""The code in a test card, through everything that may happen to a picture."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.core import Frame, PixelFormat, SourceError
from heliograph.sim.camera import SimCamera
from heliograph.sim.clock import ManualClock
from heliograph.sim.development import FORMATS
from heliograph.sim.rendering import Renderer
from heliograph.sim.sensor import SensorModel
from heliograph.sim.testcard import ChartScene, Reading, TimeInserter, read
from heliograph.sim.timecode import Place, cells, drawn

MODEL = SensorModel()


@pytest.fixture(scope="module")
def card() -> ChartScene:
    return ChartScene(MODEL)


@pytest.fixture
def camera(card: ChartScene) -> SimCamera:
    return SimCamera(
        "test-card", Renderer(card, MODEL, seed=1, inserter=TimeInserter()), MODEL, ManualClock(1_234_567_890_123)
    )


def check(frame: Frame) -> None:
    assert read(frame.to("Mono8")) == Reading(frame.id, frame.timestamp_ns)


def picture_of(reading: Reading, width: int = 320, height: int = 240) -> npt.NDArray[np.uint8]:
    strip = drawn(reading, width, height)
    return np.concatenate([np.full((height - len(strip), width), 90, np.uint8), strip])


readings = st.builds(Reading, st.integers(0, 2**32 - 1), st.integers(0, 2**63 - 1))


@given(readings, st.integers(160, 1100), st.integers(120, 800))
def test_every_reading_comes_back_from_every_size(reading: Reading, half_width: int, half_height: int) -> None:
    assert read(picture_of(reading, 2 * half_width, 2 * half_height)) == reading


@given(readings, st.integers(0, 2**32 - 1))
def test_low_contrast_and_strong_noise_do_no_harm(reading: Reading, seed: int) -> None:
    noise = np.random.default_rng(seed).normal(0, 25, (240, 320))
    assert read(np.clip(picture_of(reading) * 0.4 + 60 + noise, 0, 255).astype(np.uint8)) == reading


@given(readings, st.integers(1, 7), st.integers(1, 16))
def test_a_cell_gone_wrong_is_noticed(reading: Reading, row: int, column: int) -> None:
    picture = picture_of(reading)
    place = Place.in_picture(320, 240)
    top, left = place.top + row * place.cell, place.left + column * place.cell
    picture[top : top + place.cell, left : left + place.cell] = 255 * (1 - cells(reading)[row, column])
    with pytest.raises(SourceError, match="no readable code"):
        read(picture)


@pytest.mark.parametrize("pixel_format", FORMATS, ids=lambda each: each.name)
def test_every_format_is_readable(camera: SimCamera, pixel_format: PixelFormat) -> None:
    camera.features["PixelFormat"] = pixel_format.name
    check(camera.grab())


@pytest.mark.parametrize("region", [(320, 240, 0, 0), (320, 240, 1708, 1280), (640, 242, 300, 600), (322, 1520, 4, 0)])
def test_every_region_is_readable(camera: SimCamera, region: tuple[int, int, int, int]) -> None:
    for name, value in zip(("Width", "Height", "OffsetX", "OffsetY"), region, strict=True):
        camera.features[name] = value
    for frame in camera.frames(3):
        check(frame)


@pytest.mark.parametrize("binning", [1, 2, 4])
@pytest.mark.parametrize("mirrored", [False, True])
def test_binned_and_mirrored_pictures_are_readable(camera: SimCamera, binning: int, mirrored: bool) -> None:
    camera.features["BinningHorizontal"] = camera.features["BinningVertical"] = binning
    camera.features["ReverseX"] = camera.features["ReverseY"] = mirrored
    check(camera.grab())


@pytest.mark.parametrize(("exposure_us", "gain_db"), [(20, 0), (10_000, 0), (50, 26), (2_000, 26)])
def test_dark_and_bright_pictures_are_readable(camera: SimCamera, exposure_us: float, gain_db: float) -> None:
    camera.features["ExposureTime"], camera.features["Gain"] = exposure_us, gain_db
    check(camera.grab())


def test_a_picture_without_a_code_is_an_error(card: ChartScene) -> None:
    plain = SimCamera("plain", Renderer(card, MODEL, seed=1), MODEL, ManualClock())
    with pytest.raises(SourceError, match="show all of a test card"):
        read(plain.grab().to("Mono8"))


def test_a_picture_too_small_for_a_code_has_none_and_says_so(camera: SimCamera) -> None:
    camera.features["Width"] = 318
    with pytest.raises(SourceError, match="318x1520 px has no readable code: make it at least 320x240"):
        read(camera.grab().to("Mono8"))
