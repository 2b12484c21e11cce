"""What follows from `grab`, `start`, `stop` and `close`: frames, callbacks, settings."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from types import MappingProxyType

import numpy as np
import pytest

from heliograph.core import (
    Camera,
    CameraBase,
    CameraLostError,
    FeatureValueError,
    Frame,
    FrameTimeoutError,
    LocalFeatures,
    PixelFormat,
    SettingError,
    StreamStatistics,
    Subscription,
)
from heliograph.testing.camera import PatternCamera


class Counter(CameraBase):
    name = "counter"
    features = LocalFeatures()
    statistics = StreamStatistics()
    streaming = True

    def __init__(self) -> None:
        self.calls: list[str] = []

    def start(self) -> None:
        self.calls.append("start")

    def stop(self) -> None:
        self.calls.append("stop")

    def close(self) -> None:
        self.calls.append("close")

    def grab(self, timeout_s: float = 5.0) -> Frame:
        self.calls.append("grab")
        return Frame(np.zeros((2, 2), np.uint8), PixelFormat.Mono8, len(self.calls), 0, metadata=MappingProxyType({}))


def test_a_driver_is_a_camera() -> None:
    camera = Counter()
    assert isinstance(camera, Camera)
    with camera as same:
        assert same is camera
        assert [frame.id for frame in camera.frames(2)] == [2, 3]
        endless = camera.frames()
        assert next(endless).id == 5
    assert camera.calls == ["start", "grab", "grab", "start", "grab", "close"]


def test_frames_end_when_acquisition_is_stopped() -> None:
    camera = PatternCamera(rate_hz=1000)
    ids = []
    for frame in camera.frames():
        ids.append(frame.id)
        if frame.id == 3:
            camera.stop()
    assert ids == [1, 2, 3]
    assert camera.starts == 1


def test_frames_end_when_another_thread_stops_them() -> None:
    camera = PatternCamera(rate_hz=1000)
    taken: list[int] = []
    begun = threading.Event()

    def take() -> None:
        for frame in camera.frames():
            taken.append(frame.id)
            begun.set()

    thread = threading.Thread(target=take)
    thread.start()
    assert begun.wait(10)
    camera.stop()
    thread.join(10)
    assert not thread.is_alive()
    assert not camera.streaming


def test_a_policy_that_does_not_exist_is_told_at_once() -> None:
    with pytest.raises(SettingError, match="'all' or 'newest'"):
        PatternCamera().frames(policy="oldest")  # type: ignore[arg-type]  # the mistake


def test_settings_that_shape_frames_stop_and_start_the_stream() -> None:
    camera = PatternCamera(rate_hz=1000)
    frames = camera.frames()
    next(frames)
    camera.apply({"Gain": 3.0})
    assert camera.starts == 1
    camera.apply({"Width": 320, "Gain": 6.0})
    assert camera.starts == 2
    # The loop goes on with frames of the new shape.
    frame = next(frames)
    assert (frame.id, frame.data.shape) == (1, (480, 320))
    settings = camera.snapshot_settings()
    assert (settings["Width"], settings["Gain"]) == (320, 6.0)
    with pytest.raises(FeatureValueError, match="Gain"):
        camera.apply({"Width": 640, "Gain": 99.0})
    assert camera.streaming
    assert camera.features["Width"] == 320


def test_settings_of_a_camera_that_stands_do_not_start_it() -> None:
    camera = PatternCamera()
    camera.apply({"Width": 320})
    assert not camera.streaming


def test_callbacks_get_every_frame_and_fail_alone(caplog: pytest.LogCaptureFixture) -> None:
    camera = PatternCamera(rate_hz=500)
    heard: list[int] = []
    enough = threading.Event()

    def listen(frame: Frame) -> None:
        heard.append(frame.id)
        if len(heard) == 20:
            enough.set()

    def fail(frame: Frame) -> None:
        raise ValueError(f"frame {frame.id} is not to my liking")

    with camera, camera.on_frame(listen) as listening, camera.on_frame(fail) as failing:
        assert enough.wait(10)
        assert failing.closed
        assert isinstance(failing.error, ValueError)
        assert not listening.closed
    assert heard[:20] == list(range(1, 21))
    assert listening.closed
    assert listening.error is None
    assert "is not to my liking" in caplog.text
    assert not camera.streaming


def test_callbacks_end_with_the_stream_and_begin_again() -> None:
    camera = PatternCamera(rate_hz=500)
    for _ in range(2):
        called = threading.Event()
        subscriptions = [camera.on_frame(lambda frame, called=called: called.set())]  # type: ignore[misc]  # binds this one
        assert called.wait(10)
        camera.stop()
        until(partial(all_closed, subscriptions))
        assert subscriptions[0].error is None


def test_a_lost_camera_is_the_error_of_its_callbacks() -> None:
    class Lost(PatternCamera):
        def grab(self, timeout_s: float = 5.0) -> Frame:
            self.start()
            raise CameraLostError("its cable was cut")

    with Lost() as camera:
        subscription = camera.on_frame(print)
        until(lambda: subscription.closed)
        assert isinstance(subscription.error, CameraLostError)


def test_a_camera_that_waits_for_its_trigger_keeps_its_callbacks() -> None:
    class Waiting(PatternCamera):
        timeouts = 0

        def grab(self, timeout_s: float = 5.0) -> Frame:
            self.timeouts += 1
            if self.timeouts <= 2:
                self.start()
                raise FrameTimeoutError("no trigger yet")
            return super().grab(timeout_s)

    called = threading.Event()
    with Waiting() as camera, camera.on_frame(lambda frame: called.set()) as subscription:
        assert called.wait(10)
        assert not subscription.closed


def test_a_camera_that_is_stopped_before_its_first_callback_stays_so() -> None:
    for _ in range(20):
        camera = PatternCamera(rate_hz=500)
        subscription = camera.on_frame(lambda frame: None)
        camera.stop()
        until(lambda subscription=subscription: subscription.closed)  # type: ignore[misc]  # binds this one
        assert not camera.streaming


def test_a_camera_that_is_stopped_while_it_waits_for_its_trigger_stays_so() -> None:
    class Untriggered(PatternCamera):
        def grab(self, timeout_s: float = 5.0) -> Frame:
            self.stop()
            raise FrameTimeoutError("no trigger yet")

    camera = Untriggered()
    assert list(camera.frames()) == []
    subscription = camera.on_frame(print)
    until(lambda: subscription.closed)
    assert subscription.error is None
    assert not camera.streaming


def test_frames_go_on_over_settings_that_interrupt_who_waits() -> None:
    class Interrupted(PatternCamera):
        def grab(self, timeout_s: float = 5.0) -> Frame:
            starts = self.starts
            frame = super().grab(timeout_s)
            if self.starts != starts:
                raise CameraLostError("it was stopped by another thread")
            return frame

    waits = threading.Event()
    shapes: list[tuple[int, ...]] = []

    def changed(frame: Frame) -> None:
        shapes.append(frame.data.shape)
        waits.set()

    with Interrupted(rate_hz=20) as camera, camera.on_frame(changed) as subscription:
        assert waits.wait(10)
        camera.apply({"Width": 320})
        until(lambda: shapes[-1] == (480, 320) or subscription.closed)
        assert subscription.error is None


def test_settings_change_under_callbacks() -> None:
    shapes: list[tuple[int, ...]] = []
    with PatternCamera(rate_hz=500) as camera, camera.on_frame(lambda frame: shapes.append(frame.data.shape)):
        until(lambda: shapes)
        camera.apply({"Width": 320})
        until(lambda: shapes[-1] == (480, 320))


def all_closed(subscriptions: list[Subscription]) -> bool:
    return all(subscription.closed for subscription in subscriptions)


def until(condition: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.002)
