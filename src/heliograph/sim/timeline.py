"""When a free-running sensor exposes its frames."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace

from heliograph.core import FeatureValueError

# One stretch for each request: more than the frames that anybody asks about begin in.
_STRETCHES = 64


@dataclass(frozen=True, slots=True)
class Timeline:
    """Frame `first_id` begins at `start_ns`, every later one a period after the one before, by a clock that drifts.

    >>> timeline = Timeline(start_ns=1_000, period_ns=1e6, drift_ppm=100.0)
    >>> timeline.exposure_start_ns(11)
    10002000
    >>> timeline.newest_id(10_001_999)
    10

    Frames last whole lines: a period that is none is kept on average.
    """

    start_ns: int
    period_ns: float
    drift_ppm: float = 0.0
    """How much longer the sensor's periods are than it believes, in millionths."""
    first_id: int = 1
    line_time_ns: int = 1

    @property
    def true_period_ns(self) -> float:
        """Period with the drift of the sensor's oscillator."""
        return self.period_ns * (1 + self.drift_ppm * 1e-6)

    def exposure_start_ns(self, frame_id: int) -> int:
        """When the first row of a frame begins to expose."""
        lines = round((frame_id - self.first_id) * self.period_ns / self.line_time_ns)
        return self.start_ns + round(lines * self.line_time_ns * (1 + self.drift_ppm * 1e-6))

    def newest_id(self, time_ns: int) -> int:
        """Give the last frame that began at or before `time_ns`; below `first_id` when none did."""
        elapsed = math.floor((time_ns - self.start_ns) / self.true_period_ns)
        # Rounding of a start to whole lines may put it on either side of the quotient.
        begun = self.first_id + elapsed
        return begun + (self.exposure_start_ns(begun + 1) <= time_ns) - (self.exposure_start_ns(begun) > time_ns)

    def retimed(self, frame_id: int, period_ns: float) -> Timeline:
        """Give the same sensor with another period from frame `frame_id` on."""
        return replace(self, start_ns=self.exposure_start_ns(frame_id), period_ns=period_ns, first_id=frame_id)


class FrameSequence:
    """All frames of a sensor that runs freely, while somebody asks it for other durations.

    >>> frames = FrameSequence(Timeline(start_ns=0, period_ns=1_000, line_time_ns=10), pipeline_frames=2)
    >>> frames.request(1_500, shortest_ns=900, now_ns=100)
    >>> [frames.exposure_start_ns(frame) for frame in (1, 2, 3, 4, 5)]
    [0, 1000, 2000, 3500, 5000]

    A duration that is asked for while frame k exposes is that of frame k + `pipeline_frames` and of all after it,
    as with the registers of a real sensor and the driver before them.
    """

    def __init__(self, timeline: Timeline, pipeline_frames: int) -> None:
        self._stretches = deque([timeline], maxlen=_STRETCHES)
        self._pipeline_frames = pipeline_frames

    def exposure_start_ns(self, frame_id: int) -> int:
        """When the first row of a frame begins to expose, as far as is known by now."""
        return self._stretch(frame_id).exposure_start_ns(frame_id)

    def newest_id(self, time_ns: int) -> int:
        """Give the last frame that began at or before `time_ns`; 0 or less when none did."""
        for stretch in reversed(self._stretches):
            newest_id = stretch.newest_id(time_ns)
            if newest_id >= stretch.first_id:
                break
        return newest_id

    def request(self, duration_ns: float, shortest_ns: float, now_ns: int) -> None:
        """Ask for another duration; raises `FeatureValueError` when the sensor cannot be that quick."""
        if duration_ns < shortest_ns:
            raise FeatureValueError(f"a frame cannot last {duration_ns:.0f} ns: the shortest is {shortest_ns:.0f} ns")
        self._retime(self.newest_id(now_ns) + self._pipeline_frames, duration_ns)

    def stretch(self, frame_id: int, shortest_ns: float) -> None:
        """Let no frame from `frame_id` on be shorter: an exposure that does not fit makes its frame longer at once."""
        period_ns = self._stretch(frame_id).period_ns
        if period_ns < shortest_ns:
            self._retime(frame_id, shortest_ns)

    def _retime(self, frame_id: int, period_ns: float) -> None:
        frame_id = max(frame_id, self._stretches[0].first_id)
        while len(self._stretches) > 1 and self._stretches[-1].first_id >= frame_id:
            self._stretches.pop()
        self._stretches.append(self._stretches[-1].retimed(frame_id, period_ns))

    def _stretch(self, frame_id: int) -> Timeline:
        stretches = self._stretches
        return next((each for each in reversed(stretches) if each.first_id <= frame_id), stretches[0])
