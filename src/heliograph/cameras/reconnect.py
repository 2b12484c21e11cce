"""A network camera that is opened again when it is lost, with the settings it had."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import astuple, replace
from functools import cached_property
from typing import TYPE_CHECKING

from heliograph.cameras.recorded import RecordedFeatures
from heliograph.core import (
    AddressError,
    CameraBase,
    CameraBusyError,
    CameraLostError,
    CameraNotFoundError,
    Frame,
    FramePolicy,
    FrameTimeoutError,
    HeliographError,
    RemoteStatusError,
    StreamStatistics,
    Subscription,
)
from heliograph.core import settings as camera_settings

if TYPE_CHECKING:
    from heliograph.cameras.gige import GigeCamera

_log = logging.getLogger(__name__)

_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 5.0
# What passes: off, starting, still held by our own lost control, no route while the cable is out.
_PASSING = (
    AddressError,
    CameraBusyError,
    CameraLostError,
    CameraNotFoundError,
    FrameTimeoutError,
    RemoteStatusError,
)


class ReconnectingCamera(CameraBase):
    """A network camera whose `grab` and `frames` outlive its restarts, a pulled cable and a killed receiver.

    When the camera is lost they look for it for `patience_s`, open it, give it the settings it had when acquisition
    started and those that were made since, and go on. Frame ids go on too: the gap is as long as the camera was away,
    at the rate of before, and counts as dropped. Features raise `CameraLostError` meanwhile.

    Raises `CameraLostError` when it does not come back in time, and the feature's error when it comes back as a
    camera that does not take its settings.
    """

    def __init__(self, camera: GigeCamera, patience_s: float) -> None:
        self._camera = camera
        self._patience_s = patience_s
        self._features = RecordedFeatures(lambda: self._camera.features)
        self._reconnects = 0
        self._told: list[tuple[Subscription, tuple[str, ...]]] = []
        self._lock = threading.RLock()
        self._wanted = False
        self._interrupted = threading.Event()
        self._past = StreamStatistics()
        self._forget()

    @property
    def name(self) -> str:
        """Name of the camera."""
        return self._camera.name

    @cached_property  # IPython completes behind no plain property
    def features(self) -> RecordedFeatures:
        """All features of the camera's XML."""
        return self._features

    @property
    def statistics(self) -> StreamStatistics:
        """Counts since acquisition started, over all its interruptions."""
        return replace(_sum(self._past, self._camera.statistics), reconnects=self._reconnects)

    @property
    def streaming(self) -> bool:
        """True between start and stop, also while the camera is away."""
        return self._wanted

    def start(self) -> None:
        """Remember the settings and start acquisition; does nothing when it runs."""
        with self._lock:
            if self._wanted:
                return
            self._interrupted.clear()
            self._wanted = True
            try:
                self._forget()
                self._begin()
            except BaseException:
                self._wanted = False
                raise

    def stop(self) -> None:
        """Stop acquisition, or looking for the camera."""
        self._wanted = False
        self._interrupted.set()
        with self._lock:
            self._camera.stop()

    def close(self) -> None:
        """Stop, and give control of the camera back."""
        self.stop()
        self._camera.close()

    def grab(self, timeout_s: float = 5.0) -> Frame:
        """Give the next picture: the first one that arrives whole after this call; raises what `frames` raises."""
        self.start()
        return self._take(lambda camera: camera.grab(timeout_s))

    def on_event(self, callback: Callable[[str, int, int], object], *names: str) -> Subscription:
        """Call `callback(name, frame_id, timestamp_ns)` with every event, as `GigeCamera.on_event`, over all losses."""
        subscription = Subscription(callback, self.name)
        with self._lock:
            self._camera.on_event(subscription.deliver, *names)
            self._told = [*(each for each in self._told if not each[0].closed), (subscription, names)]
        return subscription

    def _next(self, timeout_s: float) -> Frame:
        return self._take(lambda camera: _one(camera, timeout_s, "all"))

    def _latest(self, timeout_s: float) -> Frame:
        return self._take(lambda camera: _one(camera, timeout_s, "newest"))

    def _take(self, take: Callable[[GigeCamera], Frame]) -> Frame:
        while self._runs():
            camera = self._camera
            try:
                frame = take(camera)
            except CameraLostError as error:
                self._come_back(camera, error)
            else:
                return self._numbered(frame)
        raise CameraLostError(f"{self.name} was stopped by another thread")

    def _begin(self) -> None:
        try:
            if self._camera.controls:
                self._features.remember(self._camera.snapshot_settings())
            self._camera.start()
        except CameraLostError as error:
            self._come_back(self._camera, error)

    def _come_back(self, lost: GigeCamera, error: HeliographError) -> None:
        """Open the camera again unless another thread has; returns without it when acquisition is stopped."""
        with self._lock:
            if self._camera is not lost or not self._wanted:
                return
            _log.warning("%s; looking for it for %g s", error, self._patience_s)
            with suppress(HeliographError):
                lost.close()
            until_s, pause_s = time.monotonic() + self._patience_s, _FIRST_PAUSE_S
            while self._wanted:
                try:
                    self._reopen(lost)
                except _PASSING as again:
                    error = again
                else:
                    return
                if time.monotonic() + pause_s > until_s:
                    told = f"{self.name} was lost and did not come back within {self._patience_s:g} s: {error}"
                    raise CameraLostError(told) from error
                self._interrupted.wait(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _reopen(self, lost: GigeCamera) -> None:
        camera = lost.reopened()
        try:
            self._restore(camera)
            for subscription, names in self._told:
                camera.on_event(subscription.deliver, *names)
            camera.start()
        except BaseException:
            camera.close()
            raise
        self._past = _sum(self._past, lost.statistics)
        self._camera = camera
        self._reconnects += 1
        self._returned = True
        _log.warning("%s is back at %s", self.name, camera.found.address)

    def _restore(self, camera: GigeCamera) -> None:
        refused = camera_settings.restore(camera.features, self._features.settings)
        for setting, error in refused.items():
            if camera_settings.shapes_frames(camera.features.describe(setting.partition("[")[0])):
                raise error  # frames of another shape are no continuation
            _log.warning("%s came back without %s: %s", self.name, setting, error)

    def _forget(self) -> None:
        """Begin to count anew."""
        self._past = StreamStatistics()
        self._ids_before = 0
        self._returned = False
        self._last: tuple[int, int] | None = None
        self._period_ns = 0.0

    def _numbered(self, frame: Frame) -> Frame:
        """Give a frame its number in the whole series."""
        if self._last is not None:
            last_id, last_ns = self._last
            if self._returned:
                missed = self._missed(frame.timestamp_ns - last_ns)
                self._ids_before = last_id + missed + 1 - frame.id
                self._past = _sum(self._past, StreamStatistics(dropped_frames=missed))
            else:
                passed = frame.id + self._ids_before - last_id
                self._period_ns = (frame.timestamp_ns - last_ns) / max(1, passed)
        self._returned = False
        frame = replace(frame, id=frame.id + self._ids_before) if self._ids_before else frame
        self._last = frame.id, frame.timestamp_ns
        return frame

    def _missed(self, away_ns: int) -> int:
        """Frames that the camera would have sent; one at least, and where its clock began anew nobody knows better."""
        return max(1, round(away_ns / self._period_ns) - 1) if self._period_ns > 0 else 1


def _one(camera: GigeCamera, timeout_s: float, policy: FramePolicy) -> Frame:
    for frame in camera.frames(1, timeout_s, policy):
        return frame
    raise CameraLostError(f"{camera.name} was stopped by another thread")


def _sum(first: StreamStatistics, second: StreamStatistics) -> StreamStatistics:
    return StreamStatistics(*(one + other for one, other in zip(astuple(first), astuple(second), strict=True)))
