"""When a free-running sensor exposes its frames."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Timeline:
    """Frame `first_id` begins at `start_ns`, every later one a period after the one before, by a clock that drifts.

    >>> timeline = Timeline(start_ns=1_000, period_ns=1e6, drift_ppm=100.0)
    >>> timeline.exposure_start_ns(11)
    10002000
    >>> timeline.newest_id(10_001_999)
    10
    """

    start_ns: int
    period_ns: float
    drift_ppm: float = 0.0
    """How much longer the sensor's periods are than it believes, in millionths."""
    first_id: int = 1

    @property
    def true_period_ns(self) -> float:
        """Period with the drift of the sensor's oscillator."""
        return self.period_ns * (1 + self.drift_ppm * 1e-6)

    def exposure_start_ns(self, frame_id: int) -> int:
        """When the first row of a frame begins to expose."""
        return self.start_ns + round((frame_id - self.first_id) * self.true_period_ns)

    def newest_id(self, time_ns: int) -> int:
        """Give the last frame that began at or before `time_ns`; below `first_id` when none did."""
        elapsed = math.floor((time_ns - self.start_ns) / self.true_period_ns)
        # Rounding of a start to whole ns may put it on either side of the quotient.
        begun = self.first_id + elapsed
        return begun + (self.exposure_start_ns(begun + 1) <= time_ns) - (self.exposure_start_ns(begun) > time_ns)

    def retimed(self, frame_id: int, period_ns: float) -> Timeline:
        """Give the same sensor with another period from frame `frame_id` on."""
        return replace(self, start_ns=self.exposure_start_ns(frame_id), period_ns=period_ns, first_id=frame_id)
