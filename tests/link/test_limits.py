"""Limits against a reference that looks at sample after sample."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.link.channel import Channel, Limits, Stream
from heliograph.link.limits import LimitChange, LimitState, LimitWatch, states_of

SECOND_NS = 1_000_000_000
LIMITS = Limits(alarm_low=-10, warning_low=-5, warning_high=5, alarm_high=10)
STREAM = Stream(name="power", channels=(Channel(name="other"), Channel(name="volts", unit="V", limits=LIMITS)))


def check(watch: LimitWatch, samples: list[tuple[int, float]]) -> list[LimitChange]:
    times_ns = np.array([time_ns for time_ns, _ in samples], np.int64)
    return watch.check(times_ns, STREAM.pack([(0.0, value) for _, value in samples]))


def reference(samples: list[tuple[int, float]], hold_ns: int) -> list[tuple[int, str, float]]:
    state, beyond_ns = LimitState.NORMAL, 0
    found = []
    for time_ns, value in samples:
        if np.isnan(value):
            continue  # it says nothing
        now = LimitState.ALARM if abs(value) > 10 else LimitState.WARNING if abs(value) > 5 else LimitState.NORMAL
        if now > state or (now < state and time_ns - beyond_ns >= hold_ns):
            state = now
            found.append((time_ns, state.name, value))
        if now >= state:
            beyond_ns = time_ns
    return found


samples = st.lists(
    st.tuples(st.integers(1, 1_500), st.sampled_from([0.0, 4.9, 5.0, 5.1, -5.1, 9.0, 10.1, -11.0, float("nan")])),
    max_size=60,
)


@given(samples, st.lists(st.integers(0, 60), max_size=5))
def test_the_changes_are_those_of_sample_after_sample_however_they_come(
    steps: list[tuple[int, float]], cuts: list[int]
) -> None:
    times_ns = np.cumsum([1, *(step * 1_000_000 for step, _ in steps)])[1:]
    given_samples = [(int(time_ns), value) for time_ns, (_, value) in zip(times_ns, steps, strict=True)]
    watch = LimitWatch(STREAM, hold_ns=SECOND_NS)
    found: list[LimitChange] = []
    ends = sorted({*(min(cut, len(given_samples)) for cut in cuts), len(given_samples)})
    for begin, end in zip([0, *ends], ends, strict=False):
        found += check(watch, given_samples[begin:end])
    told = [(each.boot_time_ns, each.state.name, each.value) for each in found]
    assert str(told) == str(reference(given_samples, SECOND_NS))


def test_chatter_is_one_change() -> None:
    watch = LimitWatch(STREAM)
    chatter = [(at * 10_000_000, 5.1 if at % 2 else 4.9) for at in range(1_000)]
    assert [each.state for each in check(watch, chatter)] == [LimitState.WARNING]
    calm = [(chatter[-1][0] + at * SECOND_NS, 4.0) for at in range(1, 4)]
    assert [each.state for each in check(watch, calm)] == [LimitState.NORMAL]


@pytest.mark.parametrize(
    ("value", "limit", "state"),
    [(6.0, 5.0, "WARNING"), (11.0, 10.0, "ALARM"), (-6.0, -5.0, "WARNING"), (-11.0, -10.0, "ALARM")],
)
def test_the_change_says_which_limit(value: float, limit: float, state: str) -> None:
    (change,) = check(LimitWatch(STREAM), [(5, value)])
    assert (change.limit, change.state.name, change.value, change.boot_time_ns) == (limit, state, value, 5)
    assert (change.channel.name, change.former) == ("volts", LimitState.NORMAL)


def test_a_sensor_that_fails_in_alarm_is_not_within_its_limits_again() -> None:
    watch = LimitWatch(STREAM, hold_ns=SECOND_NS)
    assert [each.state for each in check(watch, [(1, 11.0)])] == [LimitState.ALARM]
    assert check(watch, [(time_s * SECOND_NS, float("nan")) for time_s in range(2, 9)]) == []
    assert [each.state for each in check(watch, [(9 * SECOND_NS, 1.0)])] == [LimitState.NORMAL]


def test_a_limit_is_not_beyond_itself_and_no_number_is_beyond_nothing() -> None:
    values = np.array([5.0, -5.0, np.nan, np.inf])
    assert states_of(values, LIMITS).tolist() == [0, 0, 0, LimitState.ALARM]


def test_one_sided_limits_and_whole_numbers() -> None:
    assert states_of(np.array([0, 200], np.uint8), Limits(warning_high=150)).tolist() == [0, 1]
    assert states_of(np.array([True, False]), Limits(alarm_low=1)).tolist() == [0, 2]
