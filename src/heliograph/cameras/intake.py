"""Reads a live stream in a thread of its own: old frames never pile up, and a stream that breaks is opened again."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy.typing as npt

from heliograph.core import CameraLostError, Frame, FrameTimeoutError, HeliographError, PixelFormat

# Frames that wait for a program that is busy; older ones make room.
DEPTH = 4
_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 8.0
# A driver that hangs longer than this is left alone with its thread.
_CLOSE_S = 12.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """One picture as a stream gives it, and its time in ns of CLOCK_BOOTTIME."""

    data: npt.NDArray[Any]
    pixel_format: PixelFormat
    timestamp_ns: int


class LiveStream(Protocol):
    """A source of pictures that goes on whether they are taken or not."""

    @property
    def rate_hz(self) -> float:
        """Frames per second as the source says, 0 when it does not."""
        ...

    def read(self) -> Shot | None:
        """Wait for the next picture; None when the stream broke."""
        ...

    def close(self) -> None:
        """Let the source go."""
        ...


class Intake:
    """A live stream, read by a thread from now until `close`; frame ids begin at 1.

    `connect` opens the stream and raises a `HeliographError` while it cannot; `stream` is one that is open already.
    After an outage the ids skip as many frames as the stream's rate gives in that time, at least one.
    """

    def __init__(self, name: str, connect: Callable[[], LiveStream], stream: LiveStream | None = None) -> None:
        self._name = name
        self._connect = connect
        self.reconnects = 0
        """Times that the stream was lost and came back."""
        self._frames: deque[Frame] = deque(maxlen=DEPTH)
        self._arrived = threading.Condition()
        self._stop = threading.Event()
        self._outage = ""
        self._thread = threading.Thread(target=self._run, args=(stream,), name=f"intake of {name}", daemon=True)
        self._thread.start()

    def oldest(self, timeout_s: float) -> Frame:
        """Give the oldest frame that waits, or the next; `FrameTimeoutError`, `CameraLostError` when there is none."""
        with self._arrived:
            self._wait(timeout_s)
            return self._frames.popleft()

    def newest(self, timeout_s: float) -> Frame:
        """Give the newest frame that waits, or the next; errors as of `oldest`."""
        with self._arrived:
            self._wait(timeout_s)
            frame = self._frames.pop()
            self._frames.clear()
            return frame

    def arriving(self, timeout_s: float) -> Frame:
        """Give the first frame that arrives after this call; errors as of `oldest`."""
        with self._arrived:
            self._frames.clear()
            return self.oldest(timeout_s)

    def close(self) -> None:
        """End the thread, which lets the source go; whoever waits for a frame is told."""
        with self._arrived:
            self._stop.set()
            self._outage = "it was stopped"
            self._arrived.notify_all()
        self._thread.join(_CLOSE_S)

    def _wait(self, timeout_s: float) -> None:
        deadline_s = time.monotonic() + timeout_s
        while not self._frames:
            left_s = deadline_s - time.monotonic()
            if self._stop.is_set() or left_s <= 0 or not self._arrived.wait(left_s):
                raise self._silence(timeout_s)

    def _silence(self, timeout_s: float) -> HeliographError:
        if self._outage:
            return CameraLostError(f"{self._name} is lost: {self._outage}")
        return FrameTimeoutError(f"no frame of {self._name} arrived within {timeout_s:g} s; is it still sending?")

    def _run(self, stream: LiveStream | None) -> None:
        number = 0
        while not self._stop.is_set():
            if stream is None:
                begin_ns = time.monotonic_ns()
                stream = self._reconnect()
                if stream is None:
                    return
                number += max(1, round((time.monotonic_ns() - begin_ns) / 1e9 * stream.rate_hz))
            shot = stream.read()
            if shot is None:
                stream.close()
                stream = None
                continue
            number += 1
            self._publish(Frame(shot.data, shot.pixel_format, id=number, timestamp_ns=shot.timestamp_ns))
        if stream is not None:
            stream.close()

    def _publish(self, frame: Frame) -> None:
        with self._arrived:
            if not self._stop.is_set():
                self._outage = ""
            self._frames.append(frame)
            self._arrived.notify()

    def _reconnect(self) -> LiveStream | None:
        """Open the stream again, with growing pauses; None when told to stop meanwhile."""
        begin_s, pause_s = time.monotonic(), _FIRST_PAUSE_S
        self._outage = "its stream ended; it is tried again while this camera is open"
        _log.warning("%s is lost, trying again", self._name)
        while not self._stop.wait(pause_s):
            try:
                stream = self._connect()
            except HeliographError as error:
                self._outage = str(error)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            else:
                self.reconnects += 1
                _log.warning("%s is back after %.1f s", self._name, time.monotonic() - begin_s)
                return stream
        return None
