"""Where a free-running sensor is in its period, from stamps that jitter: a Kalman filter of phase and rate."""

from __future__ import annotations

import math

# Longer than asked for by at most this share: twice the crystals of phones and boards that anybody reports.
_LARGEST_DRIFT = 100e-6
# Random walk of a crystal's rate in a second. Real ones wander by 1e-9 to 1e-8; more keeps the filter awake.
_DRIFT_WALK = 2e-8
_OUTLIER_DEVIATIONS = 5.0
# So many outliers one after the other are no accident: the sensor has moved.
_OUTLIERS_BELIEVED = 3


class PhaseEstimate:
    """When the sensor's latest frame began, and how much longer its periods are than asked for.

    >>> estimate = PhaseEstimate(start_ns=0, stamp_error_ns=10_000.0, frame_error_ns=0.0)
    >>> for frame in range(1, 200):
    ...     estimate.advance(40_000_000)
    ...     estimate.correct(round(frame * 40_000_000 * 1.00002))
    >>> round(estimate.drift * 1e6)
    20

    `stamp_error_ns` is the standard deviation of a stamp, `frame_error_ns` that of a frame's length from what was
    asked for.
    """

    def __init__(self, start_ns: int, stamp_error_ns: float, frame_error_ns: float, drift: float = 0.0) -> None:
        self.drift = drift
        """By how much periods are longer than asked for, as a share of them."""
        # Whole and fraction apart: a float alone holds nanoseconds of today to no better than 128.
        self._start_ns = start_ns
        self._fraction_ns = 0.0
        self._stamp_variance = stamp_error_ns**2
        self._frame_variance = frame_error_ns**2
        self._phase_variance = self._stamp_variance
        self._drift_variance = _LARGEST_DRIFT**2
        self._covariance = 0.0
        self._outliers = 0

    def since_ns(self, time_ns: int) -> float:
        """Time from `time_ns` to the start of the latest frame."""
        return self._start_ns - time_ns + self._fraction_ns

    def phase_ns(self, time_ns: int, period_ns: int) -> float:
        """Time to the start of the latest frame from the last of `time_ns` and all periods before and after it."""
        return (self._start_ns - time_ns) % period_ns + self._fraction_ns

    def advance(self, duration_ns: float) -> None:
        """Go on to the next frame: the latest one was asked to last `duration_ns`."""
        later_ns = math.floor(self._fraction_ns + duration_ns * (1 + self.drift))
        self._fraction_ns += duration_ns * (1 + self.drift) - later_ns
        self._start_ns += later_ns
        self._phase_variance += duration_ns * (2 * self._covariance + duration_ns * self._drift_variance)
        self._phase_variance += self._frame_variance
        self._covariance += duration_ns * self._drift_variance
        self._drift_variance += _DRIFT_WALK**2 * duration_ns * 1e-9

    def correct(self, start_ns: int) -> None:
        """Learn from the stamp of the latest frame; one far from all others counts only when more follow."""
        surprise_ns = -self.since_ns(start_ns)
        variance = self._phase_variance + self._stamp_variance
        if surprise_ns**2 > _OUTLIER_DEVIATIONS**2 * variance:
            self._outliers += 1
            if self._outliers == _OUTLIERS_BELIEVED:
                self._outliers, self._phase_variance = 0, surprise_ns**2
            return
        self._outliers = 0
        phase_gain, drift_gain = self._phase_variance / variance, self._covariance / variance
        self._fraction_ns += phase_gain * surprise_ns
        self.drift += drift_gain * surprise_ns
        self._drift_variance -= drift_gain * self._covariance
        self._covariance -= phase_gain * self._covariance
        self._phase_variance -= phase_gain * self._phase_variance
