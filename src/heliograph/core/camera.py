"""What every camera is, wherever its light comes from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, Self, runtime_checkable

from heliograph.core.feature import Features
from heliograph.core.frame import Frame


@dataclass(frozen=True, slots=True)
class StreamStatistics:
    """Counts since acquisition started."""

    frames: int = 0
    """Frames received, incomplete ones included."""
    incomplete_frames: int = 0
    """Frames received with packets missing."""
    missing_packets: int = 0
    dropped_frames: int = 0
    """Frames that never reached the program: lost whole, or the program was too slow to take them."""


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

    def frames(self, count: int | None = None, timeout_s: float = 5.0) -> Iterator[Frame]:
        """Give every frame in order, `count` of them or without end; a gap in `Frame.id` is a frame lost."""
        ...

    def close(self) -> None:
        """Stop and give the camera back. Does nothing when it is closed already."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...


class CameraBase(ABC):
    """The parts of `Camera` that follow from the others: `frames` from `grab`, and the `with` statement.

    For cameras in this process, whose `grab` gives the sensor's next frame.
    """

    @abstractmethod
    def start(self) -> None:
        """Start acquisition."""

    @abstractmethod
    def close(self) -> None:
        """Give the camera back."""

    @abstractmethod
    def grab(self, timeout_s: float = 5.0) -> Frame:
        """Give the next picture."""

    def frames(self, count: int | None = None, timeout_s: float = 5.0) -> Iterator[Frame]:
        """Give every frame in order, `count` of them or without end."""
        self.start()
        taken = 0
        while count is None or taken < count:
            yield self.grab(timeout_s)
            taken += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
