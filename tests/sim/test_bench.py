import numpy as np
import pytest

from heliograph.sim.bench import BENCH_MODEL, PreparedPictures
from heliograph.sim.camera import SimCamera
from heliograph.sim.clock import ManualClock
from heliograph.sim.rendering import Renderer
from heliograph.sim.testcard import ChartScene


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def bench(clock: ManualClock) -> SimCamera:
    pictures = PreparedPictures(Renderer(ChartScene(BENCH_MODEL), BENCH_MODEL, seed=1))
    camera = SimCamera("bench", pictures, BENCH_MODEL, clock)
    camera.features["Width"], camera.features["Height"] = 640, 480
    return camera


def test_pictures_come_round_without_a_copy_and_cannot_be_written(bench: SimCamera) -> None:
    frames = list(bench.frames(17))
    for frame, later in zip(frames, frames[8:], strict=False):
        assert frame.data is later.data
    assert len({id(frame.data) for frame in frames}) == 8
    assert not np.array_equal(frames[0].data, frames[1].data)
    with pytest.raises(ValueError, match="read-only"):
        frames[0].data[0, 0] = 1


def test_the_rate_goes_to_two_thousand_frames_a_second(bench: SimCamera) -> None:
    bench.features["AcquisitionFrameRate"] = 2_000
    times_ns = [frame.timestamp_ns for frame in bench.frames(5)]
    assert np.diff(times_ns).tolist() == [500_000] * 4


def test_the_driver_keeps_eight_pictures_for_a_program_that_comes_late(bench: SimCamera, clock: ManualClock) -> None:
    period_ns = 10_000_000
    assert bench.grab().id == 1
    clock.advance(8 * period_ns)
    assert [frame.id for frame in bench.frames(9)] == list(range(2, 11))
    assert bench.statistics.dropped_frames == 0
    clock.advance(20 * period_ns)
    assert [frame.id for frame in bench.frames(2)] == [23, 24]
    assert bench.statistics.dropped_frames == 12


def test_a_new_start_prepares_pictures_of_the_new_format(bench: SimCamera) -> None:
    assert bench.grab().data.shape == (480, 640)
    bench.stop()
    bench.features["PixelFormat"] = "RGB8"
    assert bench.grab().data.shape == (480, 640, 3)
