"""One camera, several users: the network's client, a command, a preview and a payload take the same frames."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import replace

from heliograph.core import Camera, CameraBase, CameraLostError, Features, Frame, FrameTimeoutError, StreamStatistics

_log = logging.getLogger(__name__)

# One being worked on and one waiting: more would only make pictures old, and hold a driver's buffers.
_WAITING_FRAMES = 2
_POLL_S = 0.1
_END_S = 10.0


class SharedCamera:
    """Takes frames from a driver while anybody wants them, and gives each of them to all who do.

    >>> shared = SharedCamera(heliograph.open("sim://bench"))                    # doctest: +SKIP
    >>> with shared.tap() as camera:                                            # doctest: +SKIP
    ...     frame = camera.grab()

    The driver runs from the first tap's start to the last one's stop. Settings are one camera's and so are shared; what
    is locked while it streams is locked as long as any tap does.
    """

    def __init__(self, driver: Camera) -> None:
        self.driver = driver
        self._lock = threading.RLock()
        self._taps: tuple[Tap, ...] = ()
        self._pump: threading.Thread | None = None
        self._ending = threading.Event()

    def tap(self) -> Tap:
        """Give a camera that shares this one's frames; whoever asked for it closes it."""
        return Tap(self)

    def close(self) -> None:
        """Stop every tap and give the driver back."""
        for tap in self._taps:
            tap.stop()
        self.driver.close()

    def add(self, tap: Tap) -> None:
        """Let a tap have frames from now on. Raises what the driver raises."""
        with self._lock:
            if self._pump is not None and not self._pump.is_alive():
                self._rest()  # the driver failed: whoever starts again tries it again
            if self._pump is None:
                self.driver.start()
                self._ending.clear()
                self._pump = threading.Thread(
                    target=self._run, name=f"heliograph-share-{self.driver.name}", daemon=True
                )
                self._taps = (*self._taps, tap)
                self._pump.start()
            elif tap not in self._taps:
                self._taps = (*self._taps, tap)

    def remove(self, tap: Tap) -> None:
        """Let a tap have no more; with the last one the driver stops. Raises what the driver raises."""
        with self._lock:
            self._taps = tuple(each for each in self._taps if each is not tap)
            if not self._taps and self._pump is not None:
                self._rest()

    def _rest(self) -> None:
        pump = self._pump
        if pump is None:
            return
        self._ending.set()
        pump.join(_END_S)
        if pump.is_alive():
            raise CameraLostError(f"{self.driver.name} hangs in its driver: stop again later, or restart the node")
        self._pump = None
        self.driver.stop()

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                frame = self.driver.grab(_POLL_S)
            except FrameTimeoutError:
                continue
            except Exception as error:  # whatever a driver raises, those who wait for frames are told
                _log.warning("%s gives no more frames: %s", self.driver.name, error)
                for tap in self._taps:
                    tap.fail(error)
                return
            for tap in self._taps:
                tap.offer(frame)
            del frame  # or this thread would hold it while it waits for the next one


class Tap(CameraBase):
    """A camera made of another's frames: it starts and stops on its own, and what it is too slow for it misses."""

    def __init__(self, shared: SharedCamera) -> None:
        self._shared = shared
        self._arrived = threading.Condition()
        self._waiting: deque[Frame] = deque(maxlen=_WAITING_FRAMES)
        self._error: Exception | None = None
        self._streaming = False
        self._before_first: int | None = None
        self._frames = self._last_id = 0

    @property
    def name(self) -> str:
        """The shared camera's name."""
        return self._shared.driver.name

    @property
    def features(self) -> Features:
        """The shared camera's features."""
        return self._shared.driver.features

    @property
    def streaming(self) -> bool:
        """True between start and stop."""
        return self._streaming

    @property
    def statistics(self) -> StreamStatistics:
        """Counts since this tap started."""
        return StreamStatistics(frames=self._frames, dropped_frames=self._last_id - self._frames)

    def start(self) -> None:
        """Have frames from now on."""
        if self._streaming:
            return
        with self._arrived:
            self._waiting.clear()
            self._error = self._before_first = None
            self._frames = self._last_id = 0
        self._shared.add(self)
        self._streaming = True

    def stop(self) -> None:
        """Have no more."""
        if self._streaming:
            self._streaming = False
            self._shared.remove(self)

    def close(self) -> None:
        """Have no more; the shared camera stays open."""
        self.stop()

    def grab(self, timeout_s: float = 5.0) -> Frame:
        """Give the oldest frame that waits, or the next one."""
        self.start()
        deadline_s = time.monotonic() + timeout_s
        with self._arrived:
            while not self._waiting:
                if self._error is not None:
                    raise self._error
                if not self._arrived.wait(deadline_s - time.monotonic()):
                    raise FrameTimeoutError(f"{self.name}: no frame within {timeout_s:g} s")
            frame = self._waiting.popleft()
            self._frames += 1
            if self._before_first is None:
                self._before_first = frame.id - 1
            self._last_id = frame.id - self._before_first
        return frame if self._last_id == frame.id else replace(frame, id=self._last_id)

    def offer(self, frame: Frame) -> None:
        """Take a frame of the shared camera; the oldest that waits makes room for it."""
        with self._arrived:
            self._waiting.append(frame)
            self._arrived.notify_all()

    def fail(self, error: Exception) -> None:
        """Learn that there will be no more frames; those that wait are still given."""
        with self._arrived:
            self._error = error
            self._arrived.notify_all()
