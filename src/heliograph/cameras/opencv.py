"""Cameras that OpenCV reads: V4L2 and USB cameras, RTSP and HTTP streams.

`v4l2:///dev/video0`, `v4l2://0`, `rtsp://user:password@host/path`, `http://host/stream.mjpg`
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import Protocol

from heliograph.cameras.intake import Intake, LiveStream
from heliograph.cameras.url import CameraUrl
from heliograph.cameras.v4l2.source import WebcamSource, device_path
from heliograph.cameras.videostream import NetworkSource
from heliograph.core import CameraBase, CameraLostError, Features, Frame, StreamStatistics

# What a stream has sent before acquisition starts is old; after this pause it is opened anew.
_FRESH_S = 1.0


class LiveSource(Protocol):
    """Where the pictures come from, open or not."""

    @property
    def name(self) -> str:
        """Its address, without a password."""
        ...

    def connect(self) -> LiveStream:
        """Open the stream; raises a `HeliographError` when it cannot."""
        ...

    def features(self, streaming: Callable[[], bool]) -> Features:
        """What it can be asked and told."""
        ...

    def close(self) -> None:
        """Let everything go."""
        ...


def open_camera(url: CameraUrl) -> OpenCvCamera:
    """Open a V4L2 device, or the stream that an RTSP or HTTP URL names, parameters and all.

    Raises `CameraNotFoundError`, `CameraBusyError`, `CameraUrlError`, `SourceError` for a file that ends.
    """
    if url.scheme == "v4l2":
        return OpenCvCamera(WebcamSource(device_path(url)))
    source = NetworkSource(url.text)
    return OpenCvCamera(source, source.connect())


class OpenCvCamera(CameraBase):
    """A camera that sends whether its frames are taken or not; up to 4 wait, the oldest makes room.

    It is opened again whenever it goes away: `frames` goes on after a gap in the ids, as long as its timeout allows.
    Frames are timestamped when they arrive, except where the source says better.
    """

    def __init__(self, source: LiveSource, stream: LiveStream | None = None) -> None:
        self._source = source
        self._stream = stream
        self._opened_s = time.monotonic()
        self._intake: Intake | None = None
        self._statistics = StreamStatistics()
        self._last_id = 0
        self._reconnects_before = 0
        self._features = source.features(lambda: self.streaming)

    @property
    def name(self) -> str:
        """The device or the address, without a password."""
        return self._source.name

    @cached_property  # IPython completes behind no plain property
    def features(self) -> Features:
        """What the source can be asked and told."""
        return self._features

    @property
    def statistics(self) -> StreamStatistics:
        """Counts of the frames taken since acquisition started."""
        intake = self._intake
        return replace(self._statistics, reconnects=self._reconnects_before + (intake.reconnects if intake else 0))

    @property
    def streaming(self) -> bool:
        """True while acquisition runs."""
        return self._intake is not None

    def start(self) -> None:
        """Start acquisition; does nothing when it runs.

        Raises `CameraNotFoundError` or `CameraBusyError` when the source went away since the camera was opened.
        """
        if self.streaming:
            return
        stream, self._stream = self._stream, None
        if stream is not None and time.monotonic() - self._opened_s > _FRESH_S:
            stream.close()
            stream = None
        self._intake = Intake(self.name, self._source.connect, stream or self._source.connect())
        self._statistics = StreamStatistics()
        self._last_id = 0

    def stop(self) -> None:
        """Stop acquisition and let the stream go; the next start opens it again."""
        intake, self._intake = self._intake, None
        if intake is not None:
            intake.close()
            self._reconnects_before += intake.reconnects

    def close(self) -> None:
        """Stop, and let the source go."""
        self.stop()
        if self._stream is not None:
            self._stream.close()
            self._stream = None
        self._source.close()

    def grab(self, timeout_s: float = 5.0) -> Frame:
        """Give the first frame that arrives after this call.

        Raises `FrameTimeoutError`, or `CameraLostError` when the camera is away for so long.
        """
        return self._counted(lambda intake: intake.arriving(timeout_s))

    def _next(self, timeout_s: float) -> Frame:
        return self._counted(lambda intake: intake.oldest(timeout_s))

    def _latest(self, timeout_s: float) -> Frame:
        return self._counted(lambda intake: intake.newest(timeout_s))

    def _counted(self, take: Callable[[Intake], Frame]) -> Frame:
        self.start()
        intake = self._intake
        if intake is None:
            raise CameraLostError(f"{self.name} was stopped by another thread")
        frame = take(intake)
        # One of before a stop is none of the series that has begun since.
        if intake is self._intake:
            gap = frame.id - self._last_id - 1 if self._last_id else 0
            counts = self._statistics
            self._last_id = frame.id
            self._statistics = replace(counts, frames=counts.frames + 1, dropped_frames=counts.dropped_frames + gap)
        return frame
