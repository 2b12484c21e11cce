"""The camera behind the page: its newest frame, its state, and one thread that sets it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from heliograph.core import (
    Camera,
    CameraBusyError,
    CameraLostError,
    Frame,
    FrameTimeoutError,
    HeliographError,
    StreamStatistics,
)

_TIMEOUT_S = 2.0
_RETRIES_S = (0.2, 0.5, 1.0, 2.0)
_RATE_FRAMES = 30

_T = TypeVar("_T")


class ViewState(StrEnum):
    """How a viewed camera is."""

    LIVE = "live"
    WAITING = "waiting"
    """It is there and sends nothing, or nothing to us."""
    LOST = "lost"
    """It is opened again as soon as it answers."""
    ENDED = "ended"
    """A replay without `loop` has no more pictures."""


@dataclass(frozen=True, slots=True)
class View:
    """What there is to show at one moment."""

    number: int
    """Counts the changes; a frame's id begins anew when the stream does."""
    state: ViewState
    message: str = ""
    frame: Frame | None = None
    statistics: StreamStatistics = field(default_factory=StreamStatistics)
    rate_hz: float = 0.0
    """Frames that arrive a second."""


class ViewedCamera:
    """Keeps a camera open, takes every frame and holds the newest; opens it again when it is lost.

    >>> with ViewedCamera(lambda: heliograph.open("sim://test-card")) as viewed:   # doctest: +SKIP
    ...     viewed.view.frame

    Raises what opening the camera raises, the first time.
    """

    def __init__(self, open_camera: Callable[[], Camera]) -> None:
        self._open = open_camera
        self._camera: Camera | None = open_camera()
        self.name = self._camera.name
        self._view = View(0, ViewState.WAITING, "the camera starts")
        self._arrivals_s: deque[float] = deque(maxlen=_RATE_FRAMES)
        self._listeners: list[Callable[[], object]] = []
        self._ended = threading.Event()
        # Features are read and written one after the other, and never by the thread that takes frames.
        self._setter = ThreadPoolExecutor(1, "view-set")
        self._taker = threading.Thread(target=self._run, name="view-frames")
        self._taker.start()

    @property
    def view(self) -> View:
        """What there is to show now."""
        return self._view

    def listen(self, listener: Callable[[], object]) -> Callable[[], None]:
        """Call `listener`, from another thread, whenever there is something new; gives what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def ask(self, job: Callable[[Camera], _T]) -> Future[_T]:
        """Have `job` done with the camera after those before it.

        The future raises what the job raises, and `CameraLostError` while the camera is lost.
        """
        return self._setter.submit(self._do, job)

    def close(self) -> None:
        """Stop, and give the camera back."""
        self._ended.set()
        self._taker.join()
        self._setter.shutdown(cancel_futures=True)
        self._leave()

    def __enter__(self) -> ViewedCamera:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _do(self, job: Callable[[Camera], _T]) -> _T:
        camera = self._camera
        if camera is None:
            raise CameraLostError(f"{self.name} is lost; it is looked for")
        return job(camera)

    def _run(self) -> None:
        attempt = 0
        while not self._ended.is_set():
            try:
                if self._camera is None:
                    self._camera = self._open()
                self._take(self._camera)
                attempt = 0
                self._tell(ViewState.ENDED, "there are no more pictures")
                self._ended.wait()
            except FrameTimeoutError as error:
                self._tell(ViewState.WAITING, str(error))
            except HeliographError as error:
                self._leave()
                # A camera that somebody else has, or streams to himself alone, is there.
                busy = isinstance(error, CameraBusyError)
                self._tell(ViewState.WAITING if busy else ViewState.LOST, str(error))
                self._ended.wait(_RETRIES_S[min(attempt, len(_RETRIES_S) - 1)])
                attempt += 1

    def _take(self, camera: Camera) -> None:
        """Take frames until there are no more, or nobody wants them."""
        self._arrivals_s.clear()
        for frame in camera.frames(timeout_s=_TIMEOUT_S):
            if self._ended.is_set():
                return
            self._arrivals_s.append(time.monotonic())
            self._tell(ViewState.LIVE, "", frame, camera.statistics)

    def _tell(
        self, state: ViewState, message: str, frame: Frame | None = None, statistics: StreamStatistics | None = None
    ) -> None:
        last = self._view
        self._view = View(
            last.number + 1, state, message, frame or last.frame, statistics or last.statistics, self._rate_hz()
        )
        for listener in tuple(self._listeners):
            listener()

    def _rate_hz(self) -> float:
        if len(self._arrivals_s) < 2:
            return 0.0
        return (len(self._arrivals_s) - 1) / max(1e-9, self._arrivals_s[-1] - self._arrivals_s[0])

    def _leave(self) -> None:
        camera, self._camera = self._camera, None
        if camera is not None:
            # It is lost, or nobody looks any more: what closing it says helps nobody.
            with contextlib.suppress(HeliographError):
                camera.close()
