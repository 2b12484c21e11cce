"""Steering of a free-running sensor: its frames begin when somebody wants them to, by frames of other lengths.

Sans-IO, and knowing nothing of any sensor: `PhaseSteering` is told when frames began and says how long the next ones
should be. The figures it was tested with, and what limits it, are in docs/reference/features.md.
"""

from __future__ import annotations

import math
from collections import deque

from heliograph.cameras.phase import PhaseEstimate
from heliograph.core import Access, Feature, FeatureKind, LocalFeatures, Visibility

_CATEGORY = "Heliograph"
# Frames from a request to the first frame it shapes: two to four of the sensor's pipeline, and one that is read out.
_USUAL_LAG_FRAMES = 4
# After so many frames a request is surely in force.
_LONGEST_LAG_FRAMES = 7
# Stamps needed to know phase and rate well enough for a large step.
_STAMPS_BEFORE_STEP = 8
_STEP_LINES = 3
# Frames that may each be a little shorter, before one that is much longer is the quicker way.
_SHORTER_FRAMES = 4
# Beyond this gap nothing is known of what the sensor did meanwhile.
_LONGEST_GAP_FRAMES = 100
_STAMP_ERROR_NS = 20_000.0
# A driver that asks about when a frame begins hits now this one, now the next: single lines come early or late.
_FRAME_ERROR_LINES = 0.15
_FURTHEST_NS = 1 << 62


class PhaseSteering:
    """Makes frames begin at `target_ns` and whole periods before and after it.

    >>> steering = PhaseSteering(line_time_ns=20_000, period_ns=40_000_000, shortest_ns=30_000_000)
    >>> steering.enabled, steering.target_ns = True, 5_000_000
    >>> steering.observe(start_ns=0)         # ask for this duration from now on
    40000000
    >>> steering.observe(start_ns=40_000_000), steering.error_ns    # None: no new request
    (None, -5000000)

    A driver calls `observe` with the start of every frame it gets, in order, in ns of the clock that targets are in,
    and passes on the duration that comes back: whole lines, in force until the next one, at most `longest_ns` and at
    least `shortest_ns`. One that rounds down, to lines or microseconds, asks for half a line more. It calls `retime`
    when period or limits change and `restart` when the sensor starts anew. Frames that it never sees are allowed for.
    Times may be set by another thread than the one that observes.
    """

    def __init__(self, line_time_ns: float, period_ns: float, shortest_ns: float, longest_ns: float = math.inf) -> None:
        self.enabled = False
        """False lets the sensor run freely at its period."""
        self.target_ns = 0
        """A time at which some frame shall begin."""
        self.error_ns = 0
        """Start of the latest frame less the wanted one nearest to it."""
        self.line_time_ns = line_time_ns
        self._period_ns, self._shortest_ns, self._longest_ns = round(period_ns), shortest_ns, longest_ns
        self._requested_ns: float | None = None
        self._estimate: PhaseEstimate | None = None
        self._drift = 0.0
        self._settling_frames = 0
        self._stamps = 0
        self._pending_ns: deque[float] = deque()

    def retime(
        self, period_ns: float, shortest_ns: float, longest_ns: float = math.inf, line_time_ns: float | None = None
    ) -> None:
        """Take another period, other limits, and another line time; what is known of the sensor's rate is kept."""
        timing = (self._period_ns, self.line_time_ns)
        self._period_ns, self._shortest_ns, self._longest_ns = round(period_ns), shortest_ns, longest_ns
        self.line_time_ns = line_time_ns or self.line_time_ns
        if timing != (self._period_ns, self.line_time_ns):
            self.restart()

    def restart(self) -> None:
        """Forget phase and requests: the sensor runs at its period, or will soon."""
        if self._estimate is not None:
            self._drift = self._estimate.drift
        self._estimate, self._requested_ns = None, None

    def observe(self, start_ns: int) -> int | None:
        """Take the start of a frame; give the duration to ask for, None when the last one stays."""
        self.error_ns = round(self._folded((start_ns - self.target_ns) % self._period_ns))
        if not self.enabled:
            return self._free()
        if self._requested_ns is None:
            self._settling_frames = _LONGEST_LAG_FRAMES
            return self._request(self._whole_lines(self._period_ns))
        if self._estimate is None:
            self._settle(start_ns)
            return None
        if not self._follow(self._estimate, start_ns):
            self.restart()
            return None
        duration_ns = self._duration_ns(self._estimate)
        self._pending_ns.append(duration_ns)
        return self._request(duration_ns)

    def _free(self) -> int | None:
        if self._requested_ns is None:
            return None
        self.restart()
        return self._period_ns

    def _settle(self, start_ns: int) -> None:
        """Wait until every frame lasts what was asked for, and begin with that one."""
        self._settling_frames -= 1
        if self._settling_frames <= 0 and self._requested_ns is not None:
            stamp_error_ns = math.hypot(_STAMP_ERROR_NS, self.line_time_ns / 2)
            frame_error_ns = _FRAME_ERROR_LINES * self.line_time_ns
            self._estimate = PhaseEstimate(start_ns, stamp_error_ns, frame_error_ns, self._drift)
            self._pending_ns = deque([self._requested_ns] * _USUAL_LAG_FRAMES)
            self._stamps = 1

    def _follow(self, estimate: PhaseEstimate, start_ns: int) -> bool:
        """Go on to the frame that began at `start_ns`, over those that nobody saw; False when they are too many."""
        for _ in range(_LONGEST_GAP_FRAMES):
            estimate.advance(self._pending_ns.popleft())
            if -estimate.since_ns(start_ns) < self._period_ns / 2:
                break
            # While nobody asks for anything else, the last request stays in force.
            self._pending_ns.append(self._requested_ns or self._period_ns)
        else:
            return False
        if self._settling_frames > 0:
            # When exactly a large step comes is not known: these stamps would teach nonsense.
            self._settling_frames -= 1
        else:
            estimate.correct(start_ns)
            self._stamps += 1
        return True

    def _duration_ns(self, estimate: PhaseEstimate) -> float:
        """Give the duration that corrects what will be wrong when all requests so far are carried out."""
        rate = 1 + estimate.drift
        period_ns = self._period_ns
        later_ns = sum(self._pending_ns) * rate - len(self._pending_ns) * period_ns
        error_ns = self._folded(estimate.phase_ns(self.target_ns, period_ns) + later_ns)
        if abs(error_ns) > _STEP_LINES * self.line_time_ns:
            if self._stamps < _STAMPS_BEFORE_STEP:
                error_ns = 0.0
            else:
                self._settling_frames = _LONGEST_LAG_FRAMES
        if error_ns > _SHORTER_FRAMES * (period_ns / rate - self._shortest_ns):
            error_ns -= period_ns
        return self._whole_lines((period_ns - error_ns) / rate)

    def _whole_lines(self, duration_ns: float) -> float:
        line_ns = self.line_time_ns
        lines = round(min(duration_ns, self._longest_ns) / line_ns)
        return max(lines, math.ceil(self._shortest_ns / line_ns)) * line_ns

    def _request(self, duration_ns: float) -> int | None:
        if duration_ns == self._requested_ns:
            return None
        self._requested_ns = duration_ns
        return round(duration_ns)

    def _folded(self, error_ns: float) -> float:
        """Give the error to the nearest of all wanted starts."""
        return (error_ns + self._period_ns / 2) % self._period_ns - self._period_ns / 2


def add_steering_features(features: LocalFeatures, steering: PhaseSteering) -> None:
    """Add the features by which a client, or the head of a rig, steers when frames begin.

    >>> camera.features.FramePhaseTarget = 1_000_000_000                        # doctest: +SKIP
    >>> camera.features.FramePhaseMode = "On"                                   # doctest: +SKIP
    >>> camera.features.FramePhaseError                                         # doctest: +SKIP
    -3120

    The camera has AcquisitionFrameRate already: FramePeriod is the same setting as a time.
    """
    features.add(_MODE, lambda: "On" if steering.enabled else "Off", lambda mode: _switch(steering, mode))
    features.add(_TARGET, lambda: steering.target_ns, lambda target_ns: setattr(steering, "target_ns", target_ns))
    features.add(_ERROR, lambda: steering.error_ns)
    features.add(
        _PERIOD,
        lambda: _period_ns(features),
        lambda period_ns: _set_period(features, period_ns),
        lambda: _period_limits_ns(features),
    )
    features.add(_LINE_TIME, lambda: round(steering.line_time_ns))


def _switch(steering: PhaseSteering, mode: str) -> None:
    steering.enabled = mode == "On"


def _period_ns(features: LocalFeatures) -> int:
    return round(1e9 / float(features["AcquisitionFrameRate"]))


def _period_limits_ns(features: LocalFeatures) -> tuple[int, int]:
    rate = features.describe("AcquisitionFrameRate")
    return math.ceil(1e9 / (rate.maximum or math.inf)), math.floor(1e9 / (rate.minimum or 1e-3))


def _set_period(features: LocalFeatures, period_ns: int) -> None:
    features["AcquisitionFrameRate"] = 1e9 / period_ns


_MODE = Feature(
    "FramePhaseMode",
    FeatureKind.ENUMERATION,
    _CATEGORY,
    "On: frames begin at FramePhaseTarget and at whole FramePeriods before and after it. Off: the sensor runs freely.",
    entries={"Off": 0, "On": 1},
)
_TARGET = Feature(
    "FramePhaseTarget",
    FeatureKind.INTEGER,
    _CATEGORY,
    "A time, past or to come, at which the exposure of some frame shall begin, in device ticks: "
    "ns of the clock of Timestamp.",
    unit="ns",
    minimum=0,
    maximum=_FURTHEST_NS,
    increment=1,
    streamable=False,
)
_ERROR = Feature(
    "FramePhaseError",
    FeatureKind.INTEGER,
    _CATEGORY,
    "Start of exposure of the latest frame less the wanted one nearest to it, in device ticks (ns), as it was stamped.",
    unit="ns",
    access=Access.READ_ONLY,
    minimum=-_FURTHEST_NS,
    maximum=_FURTHEST_NS,
    increment=1,
)
_PERIOD = Feature(
    "FramePeriod",
    FeatureKind.INTEGER,
    _CATEGORY,
    "Wanted time from frame to frame in device ticks (ns): AcquisitionFrameRate as a time. Frames last whole "
    "SensorLineTimes; their mean is this period.",
    unit="ns",
    increment=1,
    # The frame rate is the setting; the same one twice would be set twice.
    streamable=False,
)
_LINE_TIME = Feature(
    "SensorLineTime",
    FeatureKind.INTEGER,
    _CATEGORY,
    "Time in which the sensor reads a row, in device ticks (ns): frames last whole ones.",
    unit="ns",
    access=Access.READ_ONLY,
    visibility=Visibility.EXPERT,
    minimum=0,
    maximum=1_000_000_000,
    increment=1,
)
