"""Pictures for a series: every frame or one a slot, from a camera that may go away and come back."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from heliograph.core import Camera, Frame, HeliographError, SourceEndedError
from heliograph.payload.schedule import SlotGrid

OpenCamera: TypeAlias = Callable[[], Camera]

_RETRY_PAUSE_S = 0.5


class Ending(StrEnum):
    """Why a series ended."""

    COMPLETE = "complete"
    INTERRUPTED = "interrupted"
    """Somebody stopped it."""
    SOURCE_ENDED = "source ended"
    """The files of a replay were used up."""
    CAMERA_LOST = "camera lost"
    """The camera went away and did not come back in time."""
    FAILED = "failed"
    """An error that waiting does not cure, such as an unreadable file or a broken scorer."""


@dataclass(slots=True)
class Losses:
    """What a series did not get."""

    lost_frames: int = 0
    """Gaps in the frame ids, where every frame was wanted."""
    incomplete_pictures: int = 0
    missing_packets: int = 0
    skipped_slots: int = 0
    """Slots that passed while the camera was slow or away."""
    reconnections: int = 0


class Supply:
    """Gives pictures until there are no more, and then says why in `ending` and `reason`.

    `interval_s` 0 gives every frame in order; above 0, a fresh picture for each slot of a grid. A camera that is lost
    is opened again for `patience_s` seconds. `notice` is told, in a few words, when it is.
    """

    def __init__(
        self,
        open_camera: OpenCamera,
        *,
        interval_s: float,
        patience_s: float,
        timeout_s: float,
        stop: threading.Event,
        notice: Callable[[str], None],
    ) -> None:
        self.losses = Losses()
        self.ending = Ending.INTERRUPTED
        self.reason = "stopped before all pictures were taken"
        self.camera = open_camera()
        self._open_camera = open_camera
        self._interval_ns = round(interval_s * 1e9)
        self._patience_ns = round(patience_s * 1e9)
        self._timeout_s = timeout_s
        self._stop = stop
        self._notice = notice
        self._lost_since_ns: int | None = None

    def close(self) -> None:
        """Give the camera back; one that is gone already is no error."""
        with contextlib.suppress(HeliographError, OSError):
            self.camera.close()

    def pictures(self) -> Iterator[Frame]:
        """Give picture after picture; hold no more than one at a time, for it may be a lease of a camera's buffer."""
        grid = SlotGrid(time.monotonic_ns(), self._interval_ns) if self._interval_ns else None
        while not self._stop.is_set():
            try:
                yield from self._every_frame() if grid is None else self._one_a_slot(grid)
                return
            except SourceEndedError as error:
                self._end(Ending.SOURCE_ENDED, str(error))
                return
            except (ConnectionError, TimeoutError) as error:
                if not self._reopen(error):
                    return

    def _every_frame(self) -> Iterator[Frame]:
        last_id = 0
        for frame in self.camera.frames(timeout_s=self._frame_timeout_s()):
            self.losses.lost_frames += max(0, frame.id - last_id - 1)
            last_id = frame.id
            self._count(frame)
            yield frame
            del frame
            if self._stop.is_set():
                return
        self._end(Ending.SOURCE_ENDED, f"{self.camera.name} has no more pictures")

    def _one_a_slot(self, grid: SlotGrid) -> Iterator[Frame]:
        timeout_s = self._frame_timeout_s()
        while True:
            now_ns = time.monotonic_ns()
            due_ns = grid.next_due_ns(now_ns)
            self.losses.skipped_slots = grid.skipped
            if self._stop.wait(max(0, due_ns - now_ns) / 1e9):
                return
            yield self._count(self.camera.grab(timeout_s))

    def _frame_timeout_s(self) -> float:
        """The time to wait for a picture: what is allowed, and two periods of a camera that takes its time."""
        period_s = 0.0
        with contextlib.suppress(HeliographError, ZeroDivisionError):
            period_s = 1 / float(self.camera.features["AcquisitionFrameRate"])
        with contextlib.suppress(HeliographError):
            period_s = max(period_s, float(self.camera.features["ExposureTime"]) / 1e6)
        return self._timeout_s + 2 * period_s

    def _count(self, frame: Frame) -> Frame:
        self._lost_since_ns = None
        self.losses.missing_packets += frame.missing_packets
        self.losses.incomplete_pictures += frame.missing_packets > 0
        return frame

    def _reopen(self, error: Exception) -> bool:
        self.close()
        # Counted from the last picture on: a camera that opens again but sends nothing is still lost.
        self._lost_since_ns = self._lost_since_ns or time.monotonic_ns()
        until_ns = self._lost_since_ns + self._patience_ns
        self._notice(f"camera lost, trying again: {error}")
        while (left_ns := until_ns - time.monotonic_ns()) > 0:
            if self._stop.wait(min(_RETRY_PAUSE_S, left_ns / 1e9)):
                return False
            try:
                self.camera = self._open_camera()
            except (HeliographError, OSError) as again:
                error = again
            else:
                self.losses.reconnections += 1
                self._notice("")
                return True
        waited_s = self._patience_ns / 1e9
        self._end(Ending.CAMERA_LOST, f"the camera was lost and not back within {waited_s:g} s: {error}")
        return False

    def _end(self, ending: Ending, reason: str) -> None:
        self.ending, self.reason = ending, reason
