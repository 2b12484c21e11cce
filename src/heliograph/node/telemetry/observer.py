"""Looks at samples as they pass: the newest of each stream, and limits that are crossed."""

from __future__ import annotations

import numpy as np

from heliograph.link.channel import Stream
from heliograph.link.event import Severity
from heliograph.link.limits import LimitChange, LimitState, LimitWatch
from heliograph.link.telemetry import Newest
from heliograph.node.outlet import Emit
from heliograph.node.telemetry.recorder import Taken

_TOLD = {
    LimitState.NORMAL: (Severity.ACTIVITY, "limit.normal"),
    LimitState.WARNING: (Severity.WARNING, "limit.warning"),
    LimitState.ALARM: (Severity.ALARM, "limit.alarm"),
}


class Observer:
    """Is shown every sample of every stream, in order, from one thread."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._watches: dict[str, LimitWatch] = {}
        self._newest: dict[str, Newest] = {}

    @property
    def newest(self) -> tuple[Newest, ...]:
        """The newest sample of each stream that has one."""
        return tuple(self._newest.copy().values())

    def note(self, stream: Stream, taken: Taken) -> None:
        """Look at what a recorder gave."""
        if not taken.count:
            return
        times_ns = np.frombuffer(taken.times, "<i8")
        rows = np.frombuffer(taken.rows, stream.dtype)
        self._newest[stream.name] = Newest(
            stream=stream,
            sequence=taken.first + taken.count - 1,
            boot_time_ns=int(times_ns[-1]),
            row=taken.rows[-stream.dtype.itemsize :],
        )
        watch = self._watches.get(stream.name)
        if watch is None:
            watch = self._watches[stream.name] = LimitWatch(stream)
        for change in watch.check(times_ns, rows):
            self._tell(stream, change)

    def _tell(self, stream: Stream, change: LimitChange) -> None:
        severity, name = _TOLD[change.state]
        unit = f" {change.channel.unit}" if change.channel.unit else ""
        where = f"{stream.name}.{change.channel.name} is {change.value:g}{unit}"
        reason = "within its limits again" if change.limit is None else f"beyond {change.limit:g}{unit}"
        self._emit(
            severity,
            name,
            f"{where}, {reason}",
            stream=stream.name,
            channel=change.channel.name,
            value=change.value,
            unit=change.channel.unit,
            limit=change.limit,
            former=change.former.name.lower(),
            at_boot_ns=change.boot_time_ns,
        )
