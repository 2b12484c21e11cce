"""Times as people write and read them."""

from __future__ import annotations

from datetime import UTC, datetime

from heliograph.core import SettingError

EVER_NS = (-(2**63), 2**63 - 1)
"""All the time there is, whatever a node's clock said."""
_FAR_S = 2**62 / 1e9


def local_time(wall_time_ns: int) -> str:
    """Give a time in the local zone, as ISO 8601 with milliseconds."""
    return datetime.fromtimestamp(wall_time_ns // 1_000_000 / 1000).astimezone().isoformat(" ", "milliseconds")


def wall_time_ns(text: str) -> int:
    """Read a time: ISO 8601, or seconds since 1970; without an offset it is UTC.

    >>> wall_time_ns("1970-01-01T01:00:01+01:00"), wall_time_ns("0.5")
    (1000000000, 500000000)

    Raises `SettingError` for anything else.
    """
    try:
        seconds = float(text)
    except ValueError:
        seconds = _seconds(text)
    # Not so for what is no number.
    if not 0 <= seconds < _FAR_S:
        raise SettingError(f"the time {text!r} is out of range: write 2026-11-21T12:00:00Z or seconds since 1970")
    return round(seconds * 1e6) * 1000


def _seconds(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise SettingError(f"cannot read the time {text!r}: write 2026-11-21T12:00:00Z or seconds since 1970") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def ago(seconds: float) -> str:
    """Give how long something is past.

    >>> ago(0.41), ago(75), ago(5000), ago(200_000)
    ('0.4 s ago', '75 s ago', '83 min ago', '56 h ago')
    """
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago" if seconds >= 10 else f"{max(0.0, seconds):.1f} s ago"
