"""The clocks a simulated camera runs by: the machine's, or one that a test moves."""

from __future__ import annotations

import time
from typing import Protocol

from heliograph.core import Clock


class SensorClock(Protocol):
    """Where simulated sensors take the time from."""

    @property
    def source(self) -> Clock:
        """What frames say that their timestamps were read from."""
        ...

    def now_ns(self) -> int:
        """Read the clock."""
        ...

    def wall_time_ns(self, time_ns: int) -> int | None:
        """Give the time of day at `time_ns`, in ns since 1970; None when this clock knows nothing of days."""
        ...

    def sleep_until_ns(self, time_ns: int) -> None:
        """Return when the clock shows `time_ns` or more."""
        ...


class BoottimeClock:
    """CLOCK_BOOTTIME: it never steps, and it counts on while the machine sleeps."""

    source = Clock.BOOTTIME

    def now_ns(self) -> int:
        """Read the clock."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    def wall_time_ns(self, time_ns: int) -> int | None:
        """Give the time of day at `time_ns`, by how far the two clocks are apart now."""
        return time_ns + time.time_ns() - self.now_ns()

    def sleep_until_ns(self, time_ns: int) -> None:
        """Return when the clock shows `time_ns` or more."""
        # time.sleep counts CLOCK_MONOTONIC, which stands still while the machine sleeps: look again.
        while (left_ns := time_ns - self.now_ns()) > 0:
            time.sleep(left_ns / 1e9)


class ManualClock:
    """A clock that moves only when told to, and jumps to where a sleeper wants to be.

    >>> clock = ManualClock(now_ns=1_000)
    >>> clock.advance(500)
    >>> clock.sleep_until_ns(1_600)
    >>> clock.now_ns()
    1600
    """

    source = Clock.SIM

    def __init__(self, now_ns: int = 0) -> None:
        self._now_ns = now_ns

    def now_ns(self) -> int:
        """Read the clock."""
        return self._now_ns

    def wall_time_ns(self, time_ns: int) -> int | None:
        """Know nothing of days."""
        return None

    def sleep_until_ns(self, time_ns: int) -> None:
        """Move the clock to `time_ns`, unless it is there already."""
        self._now_ns = max(self._now_ns, time_ns)

    def advance(self, duration_ns: int) -> None:
        """Move the clock on."""
        self._now_ns += duration_ns
