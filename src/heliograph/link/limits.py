"""Tells when channels of a stream cross their limits: once for each change, however much a value chatters. Sans-IO."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from heliograph.link.channel import Channel, Limits, Stream

HOLD_NS = 2_000_000_000
"""A channel is calm again when it has not been beyond the limit for this long."""


class LimitState(IntEnum):
    """How far a value is out; worse is higher."""

    NORMAL = 0
    WARNING = 1
    ALARM = 2


@dataclass(frozen=True, slots=True)
class LimitChange:
    """A channel's state has changed, and the sample that changed it."""

    channel: Channel
    state: LimitState
    former: LimitState
    value: float
    limit: float | None
    """The limit that the value is beyond; None in the normal state."""
    boot_time_ns: int


class LimitWatch:
    """Watches one stream: what gets worse is told at once, what gets better after `hold_ns`; NaN changes nothing.

    >>> stream = Stream(name="health", channels=(Channel(name="cpu", limits=Limits(warning_high=80.0)),))
    >>> watch = LimitWatch(stream)
    >>> [change.state.name for change in watch.check(np.array([1, 2]), stream.pack([(79.0,), (81.0,)]))]
    ['WARNING']
    """

    def __init__(self, stream: Stream, hold_ns: int = HOLD_NS) -> None:
        self._channels = [_ChannelWatch(each, each.limits, hold_ns) for each in stream.channels if each.limits]

    def check(self, boot_times_ns: npt.NDArray[np.int64], rows: npt.NDArray[Any]) -> list[LimitChange]:
        """Give the changes in samples that follow those checked before: times of shape (n,), rows of `Stream.dtype`."""
        return [change for each in self._channels for change in each.check(boot_times_ns, rows[each.name])]


class _ChannelWatch:
    def __init__(self, channel: Channel, limits: Limits, hold_ns: int) -> None:
        self.name = channel.name
        self._channel = channel
        self._limits = limits
        self._hold_ns = hold_ns
        self._state = LimitState.NORMAL
        self._beyond_ns = 0
        """Time of the last sample that was as bad as the state says."""

    def check(self, times_ns: npt.NDArray[np.int64], values: npt.NDArray[Any]) -> list[LimitChange]:
        if values.dtype.kind == "f":
            # A sensor that fails while in alarm is not within its limits again.
            told = ~np.isnan(values)
            times_ns, values = times_ns[told], values[told]
        states = states_of(values, self._limits)
        changes = []
        at = 0
        # Once for each change, of which there are few: two at most in each hold time.
        while (found := self._change(times_ns[at:], states[at:])) is not None:
            at += found
            state = LimitState(int(states[at]))
            changes.append(
                LimitChange(
                    channel=self._channel,
                    state=state,
                    former=self._state,
                    value=float(values[at]),
                    limit=_limit_of(float(values[at]), state, self._limits),
                    boot_time_ns=int(times_ns[at]),
                )
            )
            self._state = state
            self._beyond_ns = int(times_ns[at])
            at += 1
        return changes

    def _change(self, times_ns: npt.NDArray[np.int64], states: npt.NDArray[np.int8]) -> int | None:
        """Give the index of the next sample that changes the state."""
        worse = _first(states > self._state)
        if self._state is LimitState.NORMAL:
            return worse
        beyond = states >= self._state
        last_ns = np.maximum.accumulate(np.where(beyond, times_ns, self._beyond_ns))
        calm = _first(times_ns - last_ns >= self._hold_ns)
        if len(last_ns):
            self._beyond_ns = int(last_ns[-1])
        return min((each for each in (worse, calm) if each is not None), default=None)


def states_of(values: npt.NDArray[Any], limits: Limits) -> npt.NDArray[np.int8]:
    """Give the `LimitState` of each value, shape (n,); a value that is no number is normal."""
    states = np.zeros(len(values), np.int8)
    for state, low, high in (
        (LimitState.WARNING, limits.warning_low, limits.warning_high),
        (LimitState.ALARM, limits.alarm_low, limits.alarm_high),
    ):
        if low is not None:
            states[values < low] = state
        if high is not None:
            states[values > high] = state
    return states


def _limit_of(value: float, state: LimitState, limits: Limits) -> float | None:
    if state is LimitState.NORMAL:
        return None
    low, high = (
        (limits.warning_low, limits.warning_high)
        if state is LimitState.WARNING
        else (limits.alarm_low, limits.alarm_high)
    )
    return low if low is not None and value < low else high


def _first(wanted: npt.NDArray[np.bool_]) -> int | None:
    at = int(np.argmax(wanted)) if len(wanted) else 0
    return at if len(wanted) and wanted[at] else None
