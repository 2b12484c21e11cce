"""When pictures are due: a wall-clock start, and a grid of slots that does not drift."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from heliograph.core import SettingError


def parse_start_at(text: str) -> datetime:
    """Read a start time: ISO 8601, or seconds since 1970; without an offset it is UTC.

    >>> parse_start_at("2026-11-21T12:00:00+01:00")
    datetime.datetime(2026, 11, 21, 11, 0, tzinfo=datetime.timezone.utc)
    >>> parse_start_at("1795258800.5").isoformat()
    '2026-11-21T11:00:00.500000+00:00'

    Raises `SettingError` for anything else.
    """
    try:
        seconds = float(text)
    except ValueError:
        return _parse_iso(text)
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        raise SettingError(f"start time {text!r} is out of range: give seconds since 1970-01-01 UTC") from None


def _parse_iso(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise SettingError(
            f"cannot read start time {text!r}: write 2026-11-21T12:00:00Z or seconds since 1970"
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


@dataclass(slots=True)
class SlotGrid:
    """Slots `interval_ns` apart, counted from `start_ns` on a clock that never steps.

    >>> grid = SlotGrid(start_ns=0, interval_ns=100)
    >>> [grid.next_due_ns(now) for now in (0, 30, 130, 450)]
    [0, 100, 200, 400]
    >>> grid.skipped
    1

    A slot whose time passed before the one after it was due is skipped and counted: pictures stay on the grid, and a
    slow camera never causes a burst.
    """

    start_ns: int
    interval_ns: int
    skipped: int = 0
    _next: int = 0

    def next_due_ns(self, now_ns: int) -> int:
        """Give the time of the next slot; it may have begun already, but the one after it has not."""
        current = max(self._next, (now_ns - self.start_ns) // self.interval_ns)
        self.skipped += current - self._next
        self._next = current + 1
        return self.start_ns + current * self.interval_ns
