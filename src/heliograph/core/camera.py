"""What every camera is, wherever its light comes from."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, Self, TypeAlias, runtime_checkable

from heliograph.core import settings as camera_settings
from heliograph.core.errors import CameraLostError, FrameTimeoutError, SettingError
from heliograph.core.feature import Features, FeatureValue
from heliograph.core.frame import Frame
from heliograph.core.subscription import FrameFeed, Subscription

FramePolicy: TypeAlias = Literal["all", "newest"]
"""`all`: every frame in order, as many as there are buffers wait for a slow program. `newest`: the latest whole one."""


@dataclass(frozen=True, slots=True)
class StreamStatistics:
    """Counts since acquisition started."""

    frames: int = 0
    """Frames received, incomplete ones included."""
    incomplete_frames: int = 0
    """Frames received with packets missing."""
    missing_packets: int = 0
    dropped_frames: int = 0
    """Frames that never reached the program: lost whole, the program was too slow, or did not want them."""
    reconnects: int = 0
    """Times that the camera was lost and came back, with `reconnect=True`; counted since it was opened."""
    resent_packets: int = 0
    """Packets that arrived only after they were asked for again."""
    malformed_packets: int = 0
    """Packets from the camera's address that break the protocol or do not belong to the stream."""


@runtime_checkable
class Camera(Protocol):
    """A camera: features to set, frames to take.

    >>> with heliograph.open("sim://red-giant", exposure_us=2_000) as camera:   # doctest: +SKIP
    ...     frame = camera.grab()
    ...     for frame in camera.frames(100):
    ...         print(frame.id, frame.data.mean(), frame.missing_packets)

    `grab` and `frames` start acquisition when it does not run; it then runs until `stop` or `close`.
    Errors: `CameraLostError` when the camera goes away, `FrameTimeoutError` when no frame comes in time.
    """

    @property
    def name(self) -> str:
        """What people call this camera."""
        ...

    @property
    def features(self) -> Features:
        """The camera's features."""
        ...

    @property
    def streaming(self) -> bool:
        """True while acquisition runs: features that decide the shape of frames are locked."""
        ...

    @property
    def statistics(self) -> StreamStatistics:
        """Counts since acquisition started."""
        ...

    def start(self) -> None:
        """Start acquisition; frame ids begin at 1. Does nothing when it runs already."""
        ...

    def stop(self) -> None:
        """Stop acquisition. Does nothing when it does not run."""
        ...

    def grab(self, timeout_s: float = 5.0) -> Frame:
        """Give the next picture.

        From the network it is the first that arrives whole after this call; from a camera in this process the oldest
        that its driver holds, or the next one.
        """
        ...

    def frames(self, count: int | None = None, timeout_s: float = 5.0, policy: FramePolicy = "all") -> Iterator[Frame]:
        """Give frame after frame, `count` of them or until `stop`; a gap in `Frame.id` is frames lost or passed over.

        `policy` "all" gives every frame in order, and as many as there are buffers wait for a slow program; "newest"
        gives the latest whole frame and passes over those before it. Raises `SettingError` for any other.
        """
        ...

    def on_frame(self, callback: Callable[[Frame], object]) -> Subscription:
        """Start acquisition and call `callback` with every frame until it raises, is closed, or `stop`.

        >>> with camera.on_frame(lambda frame: print(frame.id)):                # doctest: +SKIP
        ...     input("Enter ends it ")

        All callbacks of a camera run one after the other in one thread of their own, which takes the frames: take none
        by `grab` or `frames` meanwhile. A callback that is too slow finds gaps in the ids.
        """
        ...

    def snapshot_settings(self) -> dict[str, FeatureValue]:
        """Give every setting that can be changed now, by feature name; one behind a selector as `Name[Entry]`."""
        ...

    def apply(self, settings: Mapping[str, object]) -> None:
        """Set many features at once, all or none; a stream is stopped and started again where that takes it.

        >>> camera.apply({"PixelFormat": "Mono8", "ExposureTime": 2_000})       # doctest: +SKIP

        Frame ids begin at 1 again when the stream was. Raises what setting the one that fails raises.
        """
        ...

    def close(self) -> None:
        """Stop and give the camera back. Does nothing when it is closed already."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...


class CameraBase(ABC):
    """The parts of `Camera` that follow from the others, and the `with` statement.

    A driver whose `grab` gives the sensor's next frame needs no more; one that holds frames back overrides `_latest`.
    """

    _feed: FrameFeed | None = None
    _restarts = 0

    @property
    @abstractmethod
    def name(self) -> str:
        """What people call this camera."""

    @property
    @abstractmethod
    def features(self) -> Features:
        """The camera's features."""

    @property
    @abstractmethod
    def streaming(self) -> bool:
        """True while acquisition runs."""

    @abstractmethod
    def start(self) -> None:
        """Start acquisition."""

    @abstractmethod
    def stop(self) -> None:
        """Stop acquisition."""

    @abstractmethod
    def close(self) -> None:
        """Give the camera back."""

    @abstractmethod
    def grab(self, timeout_s: float = 5.0) -> Frame:
        """Give the next picture."""

    def frames(self, count: int | None = None, timeout_s: float = 5.0, policy: FramePolicy = "all") -> Iterator[Frame]:
        """Give every frame in order, or with `policy="newest"` the latest, `count` of them or until `stop`."""
        if policy not in ("all", "newest"):
            raise SettingError(f"policy of frames cannot be {policy!r}: it is 'all' or 'newest'")
        return self._deliver(count, timeout_s, self._next if policy == "all" else self._latest)

    def on_frame(self, callback: Callable[[Frame], object]) -> Subscription:
        """Start acquisition and call `callback` with every frame, until the subscription is closed or it raises."""
        with self._switching:
            self.start()
            if self._feed is None:
                self._feed = FrameFeed(self.name, self._while_running)
            return self._feed.subscribe(callback)

    def snapshot_settings(self) -> dict[str, FeatureValue]:
        """Give every setting that can be changed now, by feature name."""
        return camera_settings.snapshot(self.features)

    def apply(self, settings: Mapping[str, object]) -> None:
        """Set many features at once, all or none; a stream is stopped and started again where that takes it."""
        with self._switching:
            restart = self.streaming and camera_settings.needs_stop(self.features, settings)
            if restart:
                self.stop()
            try:
                camera_settings.apply(self.features, settings)
            finally:
                if restart:
                    self._restarts += 1
                    self.start()

    def _next(self, timeout_s: float) -> Frame:
        """Give the oldest frame that waits, or the next one."""
        return self.grab(timeout_s)

    def _latest(self, timeout_s: float) -> Frame:
        """Give the newest frame that waits, or the next one."""
        return self.grab(timeout_s)

    def _deliver(self, count: int | None, timeout_s: float, take: Callable[[float], Frame]) -> Iterator[Frame]:
        self.start()
        taken = 0
        while count is None or taken < count:
            restarts = self._restarts
            try:
                ready = [take(timeout_s)]
            except (CameraLostError, FrameTimeoutError):
                if not self._runs():
                    return
                if self._restarts == restarts:
                    raise
                continue
            yield ready.pop()  # nobody here holds the frame while the program works with it
            taken += 1
            if not self._runs():
                return

    def _while_running(self) -> Iterator[Frame]:
        """Give every frame, but do not start a camera that was stopped."""
        return self.frames(timeout_s=1.0) if self._runs() else iter(())

    def _runs(self) -> bool:
        """Tell whether acquisition runs, or was stopped only to start again."""
        with self._switching:
            return self.streaming

    @property
    def _switching(self) -> threading.RLock:
        """Held while settings stop and start the stream; made on first use, as drivers have their own constructors."""
        lock: threading.RLock = self.__dict__.setdefault("_switching_lock", threading.RLock())
        return lock

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        # A driver must not be closed under the thread that takes its frames.
        if self._feed is not None:
            self._feed.close()
        self.close()
