from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.core import SequenceError
from heliograph.link.sequence.when import After, At, read_when, shown_delay, shown_wall

S = 10**9


@pytest.mark.parametrize(
    ("text", "delay_ns"),
    [
        ("R00:01:12", 72 * S),
        ("R0:00:01", S),
        ("R100:00:00", 360_000 * S),
        ("R00:00:00.5", S // 2),
        ("R00:00:00.000000001", 1),
    ],
)
def test_relative_times(text: str, delay_ns: int) -> None:
    assert read_when(text) == After(delay_ns)


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("A2024-132T02:24:05", datetime(2024, 5, 11, 2, 24, 5, tzinfo=UTC)),
        ("A2024-34T00:00:00", datetime(2024, 2, 3, tzinfo=UTC)),
        ("A2024-366T23:59:59.25", datetime(2024, 12, 31, 23, 59, 59, 250_000, tzinfo=UTC)),
        ("A2023-060T00:00:00", datetime(2023, 3, 1, tzinfo=UTC)),
        ("A1970-001T00:00:00", datetime(1970, 1, 1, tzinfo=UTC)),
    ],
)
def test_absolute_times(text: str, utc: datetime) -> None:
    assert read_when(text) == At(round(utc.timestamp() * 1000) * 1_000_000)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("R00:60:00", "minutes are 00 to 59, not 60"),
        ("R00:00:60", "seconds are 00 to 59, not 60"),
        ("R1:2:3", "RHH:MM:SS"),
        ("R00:00:00.0000000001", "RHH:MM:SS"),
        ("r00:00:01", "write R00:00:01"),
        ("a2024-132T02:24:05", "write A2024-132T02:24:05"),
        ("A2023-366T00:00:00", "2023 has days 001 to 365, not 366"),
        ("A2024-000T00:00:00", "2024 has days 001 to 366, not 000"),
        ("A2024-132T24:00:00", "hours 00 to 23, not 24"),
        ("A2024-05-11T02:24:05Z", "write A2024-132T02:24:05"),
        ("2024-05-11", "write A2024-132T00:00:00"),
        ("A2024-13-11T02:24:05", "2024-13-11 is no date"),
        ("A2024-132T02:24:05Z", "a time of UTC is AYYYY-DDDTHH:MM:SS[.sss]"),
        ("A9999-001T00:00:00", "years are 1970 to 2199"),
        ("R\u0660\u0660:\u0660\u0660:\u0660\u0661", "RHH:MM:SS"),
        ("node.ping", "a time belongs first"),
    ],
)
def test_what_is_no_time_says_what_belongs_there(text: str, said: str) -> None:
    with pytest.raises(SequenceError) as told:
        read_when(text)
    assert said in str(told.value)


@given(st.integers(0, 10**18))
def test_a_delay_that_is_shown_is_read_back(delay_ns: int) -> None:
    assert read_when(f"R{shown_delay(delay_ns)}") == After(delay_ns)


@given(st.integers(0, (datetime(2199, 12, 31, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)))
def test_every_second_of_utc_is_read_as_the_calendar_has_it(second: int) -> None:
    utc = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=second)
    assert read_when(f"A{utc:%Y-%jT%H:%M:%S}") == At(second * S)
    assert shown_wall(second * S) == f"{utc:%Y-%m-%dT%H:%M:%S}.000Z"
