from dataclasses import replace

import pytest

from heliograph.link.sequence.language import Step, parse
from heliograph.link.sequence.run import Miss, Moment, OnFailure, RunState, SequenceRun, Start, Wait, step_command_id

S = 10**9
# Day 2 of 1970.
T0 = Moment(boot_ns=1_000 * S, wall_ns=86_400 * S, machine="first", synchronised=True)
AFTER_FIVE = "R00:00:05 a\nR00:00:05 b"
AT_TEN = "A1970-002T00:00:10 a\nR00:00:05 b"


def steps(text: str) -> tuple[Step, ...]:
    found, faults = parse(text)
    assert not faults
    return found


def later(seconds: float, *, wall_stepped_s: float = 0, moment: Moment = T0) -> Moment:
    moved = round(seconds * S)
    return replace(moment, boot_ns=moment.boot_ns + moved, wall_ns=moment.wall_ns + moved + round(wall_stepped_s * S))


def test_a_relative_step_counts_from_the_completion_of_the_one_before() -> None:
    run = SequenceRun(steps(AFTER_FIVE), T0)
    assert run.next(later(4.5)) == Wait(S // 2)
    assert isinstance(run.next(later(5)), Start)
    run.ended(later(65))
    assert run.next(later(69)) == Wait(S)
    start = run.next(later(70))
    assert isinstance(start, Start)
    assert start.step.name == "b"
    run.ended(later(71))
    assert (run.state, run.next(later(72)), run.step) == (RunState.COMPLETED, None, None)


@pytest.mark.parametrize("wall_stepped_s", [-7200, 7200])
def test_a_step_of_the_wall_clock_does_not_move_relative_steps(wall_stepped_s: float) -> None:
    run = SequenceRun(steps(AFTER_FIVE), T0)
    assert run.next(later(4, wall_stepped_s=wall_stepped_s)) == Wait(S)
    assert isinstance(run.next(later(5, wall_stepped_s=wall_stepped_s)), Start)


def test_an_absolute_step_follows_the_wall_clock() -> None:
    run = SequenceRun(steps(AT_TEN), T0)
    assert run.next(later(9)) == Wait(S)
    # Set back by an hour: it is not due yet. Set right again: it is.
    assert run.next(later(10, wall_stepped_s=-3600)) == Wait(3600 * S)
    assert isinstance(run.next(later(10)), Start)


def test_an_absolute_step_is_late_when_the_wall_clock_is_set_over_it() -> None:
    run = SequenceRun(steps(AT_TEN), T0)
    missed = run.next(later(1, wall_stepped_s=3600))
    assert missed == Miss(run._steps[0], "late by 00:59:51")
    assert run.state is RunState.FAILED
    assert run.reason == "step 1 (line 1) a: late by 00:59:51"


@pytest.mark.parametrize(("lateness_s", "kind"), [(0, Start), (2, Start), (2.001, Miss), (1000, Miss)])
@pytest.mark.parametrize(("text", "due_s"), [(AFTER_FIVE, 5), (AT_TEN, 10)])
def test_a_step_is_late_after_the_grace_and_not_before(text: str, due_s: float, lateness_s: float, kind: type) -> None:
    run = SequenceRun(steps(text), T0, grace_ns=2 * S)
    assert isinstance(run.next(later(due_s + lateness_s)), kind)


def test_a_failure_stops_the_run() -> None:
    run = SequenceRun(steps(AFTER_FIVE), T0)
    run.next(later(5))
    run.ended(later(6), "failed: no camera")
    assert (run.state, run.reason, run.failures) == (RunState.FAILED, "step 1 (line 1) a: failed: no camera", 1)
    assert run.next(later(11)) is None


def test_a_run_may_go_on_after_failures_and_counts_them() -> None:
    run = SequenceRun(steps(AFTER_FIVE), T0, on_failure=OnFailure.CONTINUE)
    assert isinstance(run.next(later(100)), Miss)
    # The next one counts from when the failure was found.
    assert run.next(later(104)) == Wait(S)
    assert isinstance(run.next(later(105)), Start)
    run.ended(later(105))
    assert (run.state, run.failures, run.reason) == (RunState.COMPLETED, 1, "")


def test_a_run_that_is_stopped_begins_no_further_step() -> None:
    run = SequenceRun(steps(AFTER_FIVE), T0)
    run.stop(RunState.CANCELLED, "cancelled by ada")
    assert (run.next(later(5)), run.state, run.reason) == (None, RunState.CANCELLED, "cancelled by ada")
    # Its end is what came first.
    run.stop(RunState.FAILED, "too late")
    assert run.state is RunState.CANCELLED


def test_the_outcome_of_the_step_under_way_does_not_revive_a_cancelled_run() -> None:
    run = SequenceRun(steps("R00:00:00 a"), T0)
    assert isinstance(run.next(T0), Start)
    run.stop(RunState.CANCELLED, "")
    run.ended(later(1))
    assert run.state is RunState.CANCELLED


REBOOTED = Moment(boot_ns=3 * S, wall_ns=T0.wall_ns + 4 * S, machine="second", synchronised=True)


@pytest.mark.parametrize(("text", "left_s"), [(AFTER_FIVE, 1), (AT_TEN, 6)])
def test_across_a_restart_of_the_machine_a_synchronised_wall_clock_counts(text: str, left_s: int) -> None:
    run = SequenceRun(steps(text), T0)
    assert run.next(REBOOTED) == Wait(left_s * S)
    # From now on the clock of the new start counts, whatever the wall clock is set to.
    due = later(left_s, moment=REBOOTED)
    assert isinstance(run.next(due), Start)
    if text is AFTER_FIVE:
        assert isinstance(run.next(replace(due, wall_ns=0)), Start)


def test_what_was_due_while_the_machine_was_off_is_late() -> None:
    run = SequenceRun(steps(AFTER_FIVE), T0)
    assert run.next(later(60, moment=REBOOTED)) == Miss(run._steps[0], "late by 00:00:59")


@pytest.mark.parametrize("text", [AFTER_FIVE, AT_TEN])
def test_until_the_clock_is_synchronised_again_nothing_runs(text: str) -> None:
    run = SequenceRun(steps(text), T0)
    # As a board without a battery: its clock begins anywhere.
    waiting = run.next(Moment(boot_ns=S, wall_ns=T0.wall_ns + 10 * S, machine="second"))
    assert isinstance(waiting, Wait)
    assert "not synchronised" in waiting.reason
    assert isinstance(run.next(REBOOTED), Wait)
    assert run.state is RunState.RUNNING


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (replace(T0, synchronised=False), REBOOTED, "was not synchronised before"),
        (T0, replace(REBOOTED, wall_ns=T0.wall_ns - 1), "went back"),
    ],
)
def test_a_run_whose_time_is_lost_fails(before: Moment, after: Moment, said: str) -> None:
    run = SequenceRun(steps(AFTER_FIVE), before)
    assert isinstance(run.next(after), Miss)
    assert said in run.reason


def test_ids_of_step_commands_differ_and_stay() -> None:
    ids = {step_command_id(run, number) for run in ("a", "b") for number in range(1, 100)}
    assert len(ids) == 198
    assert all(len(each) == 32 and int(each, 16) for each in ids)
    assert step_command_id("a", 1) == step_command_id("a", 1)
