"""The camera against its own true times, on a clock that the test moves."""

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from heliograph.core import CameraLostError, Clock, FeatureAccessError, Frame, FrameTimeoutError, StreamStatistics
from heliograph.sim.camera import Oscillator, SimCamera
from heliograph.sim.clock import ManualClock
from heliograph.sim.rendering import Renderer
from heliograph.sim.sensor import SensorModel
from heliograph.testing.scene import DawnScene

PERIOD_NS = 100_000_000
BLACK_DN = 32 * 255 / 4095


def taken(camera: SimCamera, count: int) -> list[Frame]:
    return list(camera.frames(count))


@pytest.mark.parametrize(("phase_ns", "drift_ppm"), [(0, 0.0), (3_000_000, 0.0), (0, 250.0), (1_234_567, -80.0)])
def test_frames_begin_at_start_plus_phase_plus_whole_drifting_periods(
    small: SensorModel, clock: ManualClock, phase_ns: int, drift_ppm: float
) -> None:
    pictures = Renderer(DawnScene(1.0), small, seed=1)
    camera = SimCamera("dawn", pictures, small, clock, oscillator=Oscillator(phase_ns, drift_ppm))
    camera.features["AcquisitionFrameRate"] = 10
    start_ns = clock.now_ns()
    for k, frame in enumerate(taken(camera, 12), 1):
        true_ns = start_ns + phase_ns + round((k - 1) * PERIOD_NS * (1 + drift_ppm * 1e-6))
        assert (frame.id, frame.timestamp_ns, frame.metadata["true_time_ns"]) == (k, true_ns, true_ns)
        assert frame.clock is Clock.SIM


def test_a_frame_is_given_when_its_last_row_has_been_exposed(dawn: SimCamera, clock: ManualClock) -> None:
    dawn.features["ExposureTime"] = 3_000
    frame = dawn.grab()
    assert clock.now_ns() == frame.timestamp_ns + 239 * 20_000 + 3_000_000
    assert frame.exposure_us == 3_000


class Interrupting(ManualClock):
    """Does something else while somebody sleeps for the third time."""

    def __init__(self) -> None:
        super().__init__()
        self.sleeps = 0
        self.meanwhile: Callable[[], object] = lambda: None

    def sleep_until_ns(self, time_ns: int) -> None:
        self.sleeps += 1
        if self.sleeps == 3:
            self.meanwhile()
        super().sleep_until_ns(time_ns)


def test_a_frame_that_waits_for_a_series_that_ends_is_one_of_the_next(small: SensorModel) -> None:
    clock = Interrupting()
    camera = SimCamera("dawn", Renderer(DawnScene(1.0), small, seed=1), small, clock)

    def restart() -> None:
        camera.stop()
        camera.start()

    clock.meanwhile = restart
    before, after = taken(camera, 2), taken(camera, 2)
    assert [frame.id for frame in (*before, *after)] == [1, 2, 1, 2]
    assert after[1].timestamp_ns - after[0].timestamp_ns == pytest.approx(1e9 / small.default_rate_hz, abs=1e5)
    assert camera.statistics == StreamStatistics(frames=2)


def test_who_waits_for_a_frame_is_told_when_the_sensor_stops(small: SensorModel) -> None:
    clock = Interrupting()
    camera = SimCamera("dawn", Renderer(DawnScene(1.0), small, seed=1), small, clock)
    clock.meanwhile = camera.stop
    taken(camera, 2)
    with pytest.raises(CameraLostError, match="dawn was stopped by another thread"):
        camera.grab()
    assert not camera.streaming


def test_rows_are_exposed_a_line_time_after_each_other(small: SensorModel, clock: ManualClock) -> None:
    camera = SimCamera("dawn", Renderer(DawnScene(light_per_ms=20.0), small, seed=1), small, clock)
    camera.features["PixelFormat"] = "BayerRG12"
    camera.features["BlackLevel"] = 0
    exposure_ms = small.default_exposure_us * 1e-3
    for frame in taken(camera, 4):
        light = frame.data.mean(axis=1) * 4096 / 4095
        slope, first = np.polyfit(np.arange(240), light, 1)
        since_start_ms = (frame.timestamp_ns - 5_000_000_000) * 1e-6
        assert slope / 20.0 == pytest.approx(small.line_time_ns * 1e-6, rel=0.05)
        assert first / 20.0 == pytest.approx(since_start_ms + exposure_ms / 2, abs=0.2)


def test_the_second_row_of_each_mosaic_cell_is_later_than_the_first(small: SensorModel, clock: ManualClock) -> None:
    camera = SimCamera("dawn", Renderer(DawnScene(light_per_ms=200.0), small, seed=1), small, clock)
    camera.features["PixelFormat"] = "BayerRG12"
    rows = camera.grab().data.mean(axis=1)
    assert (rows[1::2] - rows[0::2]).mean() == pytest.approx(200 * small.line_time_ns * 1e-6, rel=0.2)
    assert (rows[2::2] - rows[1:-1:2]).mean() == pytest.approx(200 * small.line_time_ns * 1e-6, rel=0.2)


def test_a_picture_follows_from_its_number_and_not_from_the_order_of_calls(small: SensorModel) -> None:
    def camera(clock: ManualClock, seed: int = 1) -> SimCamera:
        return SimCamera("dawn", Renderer(DawnScene(1.0), small, seed), small, clock, seed)

    every = {frame.id: frame.data for frame in taken(camera(ManualClock()), 8)}
    clock = ManualClock(77_000_000_123)
    late = camera(clock)
    late.start()
    clock.advance(6 * 40_000_000)
    for frame in (late.grab(), late.grab()):
        assert frame.id > 5
        np.testing.assert_array_equal(frame.data, every[frame.id])
    assert not np.array_equal(every[1], every[2])
    assert not np.array_equal(every[1], camera(ManualClock(), seed=2).grab().data)


def test_frames_that_nobody_took_are_skipped_and_counted(dawn: SimCamera, clock: ManualClock) -> None:
    assert dawn.grab().id == 1
    clock.advance(5 * PERIOD_NS)
    late = dawn.grab()
    # The sensor holds the newest whole frame: taking it needs no wait.
    assert late.id == 6
    assert clock.now_ns() == 5_000_000_000 + 239 * 20_000 + 2_000_000 + 5 * PERIOD_NS
    assert dawn.grab().id == 7
    assert (dawn.statistics.frames, dawn.statistics.dropped_frames) == (3, 4)


class SlowRenderer(Renderer):
    """Takes 1.8 periods for a picture."""

    clock: ManualClock

    def picture(self, *about: object) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        if about[1:] != (1, 0, 0):
            self.clock.advance(180_000_000)
        return super().picture(*about)  # type: ignore[arg-type]  # passed on as they came


def test_a_sensor_does_not_wait_for_a_slow_renderer(small: SensorModel, clock: ManualClock) -> None:
    pictures = SlowRenderer(DawnScene(1.0), small, seed=1)
    pictures.clock = clock
    camera = SimCamera("dawn", pictures, small, clock)
    camera.features["AcquisitionFrameRate"] = 10
    frames = taken(camera, 20)
    steps = np.diff([frame.id for frame in frames])
    assert set(steps.tolist()) <= {1, 2}
    assert 1.6 < steps.mean() < 1.9
    assert camera.statistics.dropped_frames == frames[-1].id - len(frames)
    assert frames[-1].timestamp_ns == 5_000_000_000 + (frames[-1].id - 1) * PERIOD_NS


def test_a_frame_too_far_away_is_a_timeout_and_comes_later(dawn: SimCamera, clock: ManualClock) -> None:
    dawn.grab()
    before_ns = clock.now_ns()
    with pytest.raises(FrameTimeoutError, match="raise the timeout or the frame rate"):
        dawn.grab(timeout_s=0.01)
    assert clock.now_ns() == before_ns + 10_000_000
    assert dawn.grab().id == 2


@pytest.mark.parametrize("pipeline_frames", [2, 3, 4])
def test_a_new_frame_rate_passes_the_pipeline_before_it_acts(
    small: SensorModel, clock: ManualClock, pipeline_frames: int
) -> None:
    model = replace(small, pipeline_frames=pipeline_frames)
    camera = SimCamera("dawn", Renderer(DawnScene(1.0), model, seed=1), model, clock)
    camera.features["AcquisitionFrameRate"] = 10
    camera.grab()
    camera.features["AcquisitionFrameRate"] = 20
    times_ns = [frame.timestamp_ns for frame in taken(camera, 8)]
    # Asked for while frame 1 exposes: frame 1 + pipeline is the first that lasts as long.
    wanted = [PERIOD_NS] * (pipeline_frames - 1) + [PERIOD_NS // 2] * (8 - pipeline_frames)
    assert np.diff(times_ns).tolist() == wanted


def test_frames_last_whole_lines_and_keep_a_period_that_is_none(small: SensorModel, clock: ManualClock) -> None:
    camera = SimCamera("dawn", Renderer(DawnScene(1.0), small, seed=1), small, clock)
    camera.features["AcquisitionFrameRate"] = 30
    times_ns = [frame.timestamp_ns for frame in taken(camera, 31)]
    durations_ns = set(np.diff(times_ns).tolist())
    assert durations_ns == {33_320_000, 33_340_000}
    assert times_ns[-1] - times_ns[0] == pytest.approx(1e9, abs=20_000)
    assert camera.features["AcquisitionFrameRate"] == 30


def test_a_long_exposure_makes_its_own_frame_longer(dawn: SimCamera) -> None:
    dawn.grab()
    dawn.features["ExposureTime"] = 250_000
    frames = taken(dawn, 3)
    assert [frame.exposure_us for frame in frames] == [250_000] * 3
    assert np.diff([frame.timestamp_ns for frame in frames]).tolist() == [250_020_000] * 2
    assert dawn.features["AcquisitionFrameRate"] == pytest.approx(3.9997, rel=1e-4)


def test_a_frame_that_began_before_a_change_is_as_it_was(dawn: SimCamera, clock: ManualClock) -> None:
    dawn.grab()
    clock.advance(100_000_000)
    # Frame 2 is whole, frame 3 not begun.
    dawn.features["Gain"] = 12
    before, after = taken(dawn, 2)
    assert (before.id, before.gain_db, after.gain_db) == (2, 0.0, 12.0)
    assert after.data.mean() > before.data.mean() + 20


def test_stamps_jitter_about_the_true_time(small: SensorModel, clock: ManualClock) -> None:
    pictures = Renderer(DawnScene(1.0), small, seed=1)
    camera = SimCamera("dawn", pictures, small, clock, oscillator=Oscillator(jitter_ns=20_000))
    errors_ns = [frame.timestamp_ns - frame.metadata["true_time_ns"] for frame in taken(camera, 200)]
    assert np.std(errors_ns) == pytest.approx(20_000, rel=0.2)
    assert abs(np.mean(errors_ns)) < 5_000


def test_frames_tell_line_time_temperature_and_time_of_day(small: SensorModel, dawn: SimCamera) -> None:
    simulated = dawn.grab()
    assert (simulated.line_time_ns, simulated.wall_time_ns) == (20_000, None)
    assert simulated.temperature_c == pytest.approx(dawn.features["DeviceTemperature"], abs=0.1)
    with SimCamera("dawn", Renderer(DawnScene(1.0), small, seed=1), small) as camera:
        before_ns = time.time_ns()
        frame = camera.grab()
    assert frame.wall_time_ns is not None
    assert before_ns <= frame.wall_time_ns <= time.time_ns()
    apart_ns = time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    assert frame.wall_time_ns - frame.timestamp_ns == pytest.approx(apart_ns, abs=50_000_000)


def test_rows_of_a_global_shutter_are_exposed_together(small: SensorModel, clock: ManualClock) -> None:
    model = replace(small, global_shutter=True)
    camera = SimCamera("dawn", Renderer(DawnScene(light_per_ms=20.0), model, seed=1), model, clock)
    camera.features["PixelFormat"] = "BayerRG12"
    frame = taken(camera, 3)[-1]
    rows = frame.data.mean(axis=1)
    assert abs(np.polyfit(np.arange(240), rows, 1)[0]) < 0.01
    assert frame.line_time_ns == 0
    assert clock.now_ns() == frame.timestamp_ns + 240 * 20_000 + 2_000_000


def test_exposure_gain_and_black_level_act_on_the_next_frame(dawn: SimCamera) -> None:
    dawn.features["BlackLevel"] = 1000
    assert dawn.grab().data.mean() == pytest.approx(1000 * 255 / 4095, abs=1)
    dawn.features["BlackLevel"] = 32
    taken(dawn, 3)
    light = dawn.grab().data.mean() - BLACK_DN
    dawn.features["Gain"] = 6.0206
    louder = dawn.grab()
    assert (louder.data.mean() - BLACK_DN) / light == pytest.approx(2 * 500 / 400, rel=0.05)
    assert louder.gain_db == 6.0206
    dawn.features["ExposureTime"] = 4_000
    longer = dawn.grab()
    assert (longer.data.mean() - BLACK_DN) / light == pytest.approx(4 * 600 / 400, rel=0.05)


@pytest.mark.parametrize(
    ("name", "value"),
    [("Width", 160), ("Height", 120), ("PixelFormat", "Mono8"), ("BinningHorizontal", 2), ("BinningVertical", 2)],
)
def test_what_decides_the_shape_is_locked_while_frames_stream(dawn: SimCamera, name: str, value: object) -> None:
    dawn.grab()
    with pytest.raises(FeatureAccessError, match="stop acquisition first"):
        dawn.features[name] = value
    dawn.stop()
    dawn.features[name] = value
    assert dawn.features[name] == value
    assert dawn.grab().id == 1


def test_a_grab_on_the_machines_clock_carries_its_time(small: SensorModel) -> None:
    with SimCamera("dawn", Renderer(DawnScene(1.0), small, seed=1), small) as camera:
        frames = taken(camera, 3)
    assert frames[0].clock is Clock.BOOTTIME
    for frame in frames:
        assert frame.timestamp_ns - frames[0].timestamp_ns == (frame.id - 1) * 40_000_000
