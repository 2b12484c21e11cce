from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable

import numpy as np
import pytest

from heliograph.core import (
    Camera,
    CameraBusyError,
    CameraLostError,
    CameraNotFoundError,
    Feature,
    FeatureKind,
    Frame,
    FrameTimeoutError,
    SourceError,
)
from heliograph.payload.supply import Ending, Supply
from heliograph.testing.scripted import Lost, Scene, ScriptedCamera, Shot

PICTURE = np.zeros((4, 4, 3), np.uint8)


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("heliograph.payload.supply._RETRY_PAUSE_S", 0.05)


class Bench:
    """A supply on cameras that follow one another, one for each time it opens one."""

    def __init__(self, *openings: Iterable[Scene] | Exception, interval_s: float = 0, patience_s: float = 30) -> None:
        self.openings = iter(openings)
        self.cameras: list[ScriptedCamera] = []
        self.notices: list[str] = []
        self.stop = threading.Event()
        self.supply = Supply(
            self.open,
            interval_s=interval_s,
            patience_s=patience_s,
            timeout_s=5,
            stop=self.stop,
            notice=self.notices.append,
        )

    def open(self) -> Camera:
        opening = next(self.openings, CameraNotFoundError("no camera answers"))
        if isinstance(opening, Exception):
            raise opening
        self.cameras.append(ScriptedCamera(opening))
        return self.cameras[-1]

    def take(self, each: Callable[[Frame], None] = lambda frame: None) -> int:
        taken = 0
        for frame in self.supply.pictures():
            each(frame)
            del frame
            taken += 1
        return taken


def test_gives_every_frame_and_says_that_the_source_ended() -> None:
    bench = Bench([PICTURE] * 5)
    assert bench.take() == 5
    assert bench.supply.ending is Ending.SOURCE_ENDED
    assert bench.notices == []


def test_counts_what_was_lost() -> None:
    bench = Bench([Lost(), PICTURE, Lost(3), PICTURE, Shot(PICTURE, 7), Shot(PICTURE, 2)])
    assert bench.take() == 4
    losses = bench.supply.losses
    assert (losses.lost_frames, losses.incomplete_pictures, losses.missing_packets) == (4, 2, 9)


def test_skipped_ids_are_no_loss_where_one_picture_a_slot_is_wanted() -> None:
    bench = Bench([PICTURE, Lost(40), PICTURE], interval_s=0.01)
    assert bench.take() == 2
    assert bench.supply.losses.lost_frames == 0


@pytest.mark.parametrize("interval_s", [0, 0.01])
@pytest.mark.parametrize(
    "error", [CameraLostError("unplugged"), FrameTimeoutError("no frame"), ConnectionResetError("reset")]
)
def test_lost_camera_is_opened_again(error: Exception, interval_s: float) -> None:
    busy = CameraBusyError("held by another")
    bench = Bench([PICTURE, PICTURE, error], busy, [PICTURE] * 3, interval_s=interval_s)
    assert bench.take() == 5
    assert bench.supply.losses.reconnections == 1
    assert bench.cameras[0].closed
    assert str(error) in bench.notices[0]
    assert bench.notices[-1] == ""


def test_camera_that_stays_away_ends_the_series_after_the_patience() -> None:
    bench = Bench([PICTURE, CameraLostError("unplugged")], patience_s=0.3)
    begin_s = time.monotonic()
    assert bench.take() == 1
    assert 0.3 <= time.monotonic() - begin_s < 10
    assert bench.supply.ending is Ending.CAMERA_LOST
    assert bench.supply.reason == "the camera was lost and not back within 0.3 s: no camera answers"


def test_camera_that_opens_but_sends_nothing_is_still_lost() -> None:
    silent: list[Scene] = [FrameTimeoutError("no frame")]
    bench = Bench([PICTURE, *silent], *[silent] * 1000, patience_s=0.6)
    assert bench.take() == 1
    assert bench.supply.ending is Ending.CAMERA_LOST
    assert "no frame" in bench.supply.reason


def test_patience_begins_anew_with_every_picture() -> None:
    def work(frame: Frame) -> None:
        bench.stop.wait(0.3)

    lost = CameraLostError("unplugged")
    bench = Bench([PICTURE, lost], [PICTURE, lost], [PICTURE, lost], patience_s=0.4)
    assert bench.take(work) == 3
    assert bench.supply.losses.reconnections == 2


def test_no_patience_means_no_second_try() -> None:
    bench = Bench([PICTURE, CameraLostError("unplugged")], [PICTURE], patience_s=0)
    assert bench.take() == 1
    assert bench.supply.ending is Ending.CAMERA_LOST


@pytest.mark.parametrize("interval_s", [0, 3600])
def test_stop_ends_the_series(interval_s: float) -> None:
    bench = Bench([PICTURE] * 9, interval_s=interval_s)
    assert bench.take(lambda frame: bench.stop.set()) == 1
    assert bench.supply.ending is Ending.INTERRUPTED


def test_stop_ends_the_wait_for_a_lost_camera() -> None:
    bench = Bench([PICTURE, CameraLostError("unplugged")], patience_s=3600)
    bench.supply._notice = lambda notice: bench.stop.set()
    assert bench.take() == 1
    assert bench.supply.ending is Ending.INTERRUPTED


def test_error_that_waiting_does_not_cure_goes_through() -> None:
    bench = Bench([PICTURE, SourceError("torn file")])
    with pytest.raises(SourceError, match="torn file"):
        bench.take()


def test_camera_that_cannot_be_opened_at_first_is_an_error_at_once() -> None:
    with pytest.raises(CameraBusyError, match="held"):
        Bench(CameraBusyError("held by another"))


def test_slots_do_not_drift() -> None:
    bench = Bench([PICTURE] * 11, interval_s=0.03)
    times_s: list[float] = []
    assert bench.take(lambda frame: times_s.append(time.monotonic())) == 11
    # Ten intervals; the work and lateness of each must not add up. No picture comes before its slot.
    slots = [(moment - times_s[0]) / 0.03 for moment in times_s]
    assert slots[-1] >= 9.5 + bench.supply.losses.skipped_slots
    assert slots[-1] < 11.5 + bench.supply.losses.skipped_slots


def test_slow_camera_skips_slots() -> None:
    def work(frame: Frame) -> None:
        bench.stop.wait(0.05)

    bench = Bench([PICTURE] * 3, interval_s=0.02)
    assert bench.take(work) == 3
    assert bench.supply.losses.skipped_slots >= 2


@pytest.mark.parametrize(("rate_hz", "exposure_us", "wanted_s"), [(0.1, 5e5, 25), (10, 3e6, 11), (0, 0, 5)])
@pytest.mark.parametrize("interval_s", [0, 0.01])
def test_slow_camera_is_given_its_time(rate_hz: float, exposure_us: float, wanted_s: float, interval_s: float) -> None:
    timeouts_s = []

    class Slow(ScriptedCamera):
        def grab(self, timeout_s: float = 5.0) -> Frame:
            timeouts_s.append(timeout_s)
            return super().grab(timeout_s)

    camera = Slow([PICTURE])
    camera.features.add(Feature("AcquisitionFrameRate", FeatureKind.FLOAT), read=lambda: rate_hz)
    camera.features.add(Feature("ExposureTime", FeatureKind.FLOAT), read=lambda: exposure_us)
    supply = Supply(
        lambda: camera,
        interval_s=interval_s,
        patience_s=0,
        timeout_s=5,
        stop=threading.Event(),
        notice=lambda notice: None,
    )
    assert next(supply.pictures()).id == 1
    assert timeouts_s[0] == pytest.approx(wanted_s)
