"""When a step is due: a while after the one before it was completed, or at a time of UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime

from heliograph.core import SequenceError

_S = 1_000_000_000
_EPOCH = date(1970, 1, 1).toordinal()
_YEARS = range(1970, 2200)
_UNTELLABLE_NS = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp()) * _S

_RELATIVE = re.compile(r"R(\d{1,6}):(\d\d):(\d\d)(?:\.(\d{1,9}))?", re.ASCII)
_ABSOLUTE = re.compile(r"A(\d{4})-(\d{1,3})T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?", re.ASCII)
_CALENDAR = re.compile(r"A?(\d{4})-(\d\d)-(\d\d)(T.*)?", re.ASCII)

RELATIVE_FORM = "RHH:MM:SS[.sss]"
ABSOLUTE_FORM = "AYYYY-DDDTHH:MM:SS[.sss]"


@dataclass(frozen=True, slots=True)
class After:
    """A while after the step before it was completed; for the first step, after the start of the sequence."""

    delay_ns: int


@dataclass(frozen=True, slots=True)
class At:
    """A time of UTC, in nanoseconds since 1970 as the wall clock counts them."""

    wall_ns: int


def read_when(text: str) -> After | At:
    """Give the time that a word of the language stands for; the day of a year may have one to three digits.

    >>> read_when("R100:00:00.5")
    After(delay_ns=360000500000000)
    >>> read_when("A2024-132T02:24:05") == At(1715394245 * 10**9)
    True

    Raises `SequenceError` that says what belongs there.
    """
    if found := _RELATIVE.fullmatch(text):
        hours, minutes, seconds, fraction = found.groups()
        return After(int(hours) * 3600 * _S + _minutes_ns(minutes, seconds, fraction))
    if found := _ABSOLUTE.fullmatch(text):
        year, day, hours, minutes, seconds, fraction = found.groups()
        if int(hours) > 23:
            raise SequenceError(f"a day has hours 00 to 23, not {hours}")
        of_day_ns = int(hours) * 3600 * _S + _minutes_ns(minutes, seconds, fraction)
        return At(_days(int(year), int(day)) * 86_400 * _S + of_day_ns)
    raise SequenceError(_hint(text))


def shown_delay(delay_ns: int) -> str:
    """Give a span of time as the language writes it, without its `R`.

    >>> shown_delay(360_000_500_000_000), shown_delay(-5_000_000_000)
    ('100:00:00.5', '-00:00:05')
    """
    seconds, fraction = divmod(abs(delay_ns), _S)
    decimals = f".{fraction:09d}".rstrip("0") if fraction else ""
    sign = "-" if delay_ns < 0 else ""
    return f"{sign}{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{decimals}"


def shown_wall(wall_ns: int) -> str:
    """Give a time of UTC for people, to the millisecond.

    >>> shown_wall(1715394245 * 10**9)
    '2024-05-11T02:24:05.000Z'
    """
    if wall_ns >= _UNTELLABLE_NS:
        return "after the year 9999"
    return f"{datetime.fromtimestamp(wall_ns // _S, UTC):%Y-%m-%dT%H:%M:%S}.{wall_ns % _S // 1_000_000:03d}Z"


def _minutes_ns(minutes: str, seconds: str, fraction: str | None) -> int:
    for name, value in (("minutes", minutes), ("seconds", seconds)):
        if int(value) > 59:
            raise SequenceError(f"{name} are 00 to 59, not {value}")
    return (int(minutes) * 60 + int(seconds)) * _S + int((fraction or "").ljust(9, "0"))


def _days(year: int, day: int) -> int:
    if year not in _YEARS:
        raise SequenceError(f"years are {_YEARS.start} to {_YEARS.stop - 1}, not {year}")
    first = date(year, 1, 1).toordinal()
    last = date(year + 1, 1, 1).toordinal() - first
    if not 1 <= day <= last:
        raise SequenceError(f"{year} has days 001 to {last}, not {day:03d}")
    return first + day - 1 - _EPOCH


def _hint(text: str) -> str:
    """Say what belongs in the place of a word that is no time."""
    if found := _CALENDAR.fullmatch(text):
        year, month, day = map(int, found.groups()[:3])
        try:
            number = date(year, month, day).timetuple().tm_yday
        except ValueError:
            return (
                f"{year}-{month:02d}-{day:02d} is no date; a time of UTC is {ABSOLUTE_FORM}, with the day of the year"
            )
        clock = found[4] or "T00:00:00"
        return f"the day is the day of the year: write A{year}-{number:03d}{clock.removesuffix('Z')}"
    if text[:1] in "ra" and text[1:2].isdigit():
        return f"{text[0].upper()} is a capital letter here: write {text[0].upper()}{text[1:]}"
    if text[:1] == "R":
        return f"a time after the step before is {RELATIVE_FORM}, such as R00:01:12"
    if text[:1] == "A":
        return f"a time of UTC is {ABSOLUTE_FORM}, such as A2024-132T02:24:05 (year, day of the year)"
    return f"a time belongs first: {RELATIVE_FORM} after the step before, or {ABSOLUTE_FORM} of UTC"
