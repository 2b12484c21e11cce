from heliograph.link.sequence.language import parse
from heliograph.link.sequence.run import OnFailure
from heliograph.link.sequence.timetable import Row, timetable

S = 10**9
START_NS = 86_400 * S


def rows(text: str, on_failure: OnFailure = OnFailure.STOP, **durations_s: float) -> list[Row]:
    steps, faults = parse(text)
    assert not faults
    durations_ns = {name: round(seconds * S) for name, seconds in durations_s.items()}
    return timetable(steps, START_NS, durations_ns, on_failure=on_failure)


def test_known_durations_give_exact_times() -> None:
    table = rows("R00:00:01 a\nR00:00:05 b\nA1970-002T00:01:00 b", a=10, b=2)
    assert [(row.wall_ns - START_NS, row.exact, row.problem) for row in table] == [
        (1 * S, True, ""),
        (16 * S, True, ""),
        (60 * S, True, ""),
    ]
    assert table[1].when == "1970-01-02T00:00:16.000Z"


def test_after_an_unknown_duration_only_the_earliest_time_is_known() -> None:
    table = rows("R00:00:01 a\nR00:00:05 b\nR00:00:00 b\nA1970-002T00:01:00 b\nR00:00:01 b", b=2)
    assert [row.exact for row in table] == [True, False, False, True, True]
    assert table[1].when == "after completion of step 1 + 00:00:05 (not before 1970-01-02T00:00:06.000Z)"
    assert table[2].when == "after completion of step 2 (not before 1970-01-02T00:00:08.000Z)"
    # What the steps before may take until the fourth is late.
    assert [row.spare_ns for row in table] == [None, None, None, 50 * S, None]


def test_a_time_that_will_have_passed_is_a_conflict() -> None:
    table = rows("R00:00:30 a\nA1970-002T00:00:10 b\nR00:00:01 c")
    assert [row.problem for row in table] == ["", "not run: late by 00:00:20", "not reached"]


def test_a_run_that_goes_on_after_failures_reaches_the_rest() -> None:
    table = rows("R00:00:30 a\nA1970-002T00:00:10 b\nR00:00:01 c", on_failure=OnFailure.CONTINUE, a=1)
    assert [row.problem for row in table] == ["", "not run: late by 00:00:21", ""]
    assert table[2].wall_ns == START_NS + 32 * S


def test_a_step_within_the_grace_runs_when_the_one_before_has_ended() -> None:
    table = rows("R00:00:10.5 a\nA1970-002T00:00:10 b")
    assert (table[1].problem, table[1].exact, table[1].wall_ns) == ("", False, START_NS + 10_500_000_000)
    assert table[1].when == "after completion of step 1 (not before 1970-01-02T00:00:10.500Z)"


def test_hundreds_of_hours_and_thousands_of_steps() -> None:
    table = rows("R100:00:00 a\n" * 3000, a=0)
    assert table[-1].wall_ns == START_NS + 3000 * 360_000 * S


def test_what_no_calendar_has_is_told_as_such() -> None:
    assert rows("R999999:00:00 a\n" * 100, a=0)[-1].when == "after the year 9999"
