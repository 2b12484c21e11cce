from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.core import OutputError
from heliograph.link.event import Severity
from heliograph.link.sequence import OnFailure, parse, timetable
from heliograph.link.sequence.run import RunState, step_command_id
from heliograph.link.sequence.when import At
from heliograph.node.sequences.runner import Runner
from heliograph.node.sequences.store import SequenceStore, StepState, StoredStep

S = 10**9
MS = 10**6


def step_states(world: Any) -> list[StepState]:
    store = SequenceStore(world.folder / "sequences.db")
    try:
        return [each.state for each in store.steps("9f86d081884c7d65")]
    finally:
        store.close()


def test_steps_run_with_checked_arguments_and_ids_that_follow_from_the_run(world: Any) -> None:
    run = world.begin("R00:00:01 a 5\nR00:00:00 b")
    world.live()
    assert [(each.name, each.arguments, each.id) for each in world.ran] == [
        ("a", {"x": 5}, step_command_id(run.id, 1)),
        ("b", {"x": None}, step_command_id(run.id, 2)),
    ]
    assert world.ran[0].user == "sequence flight of ada"
    assert world.kept().state is RunState.COMPLETED


def test_each_step_is_told_when_it_begins_and_when_it_ends(world: Any) -> None:
    world.begin("R00:00:01 a\n; then\nR00:00:01 b")
    world.failing["b"] = "no camera"
    world.live()
    assert [(name, told.get("step"), told.get("state")) for _, name, _, told in world.events] == [
        ("sequence.step", 1, "running"),
        ("sequence.step", 1, "completed"),
        ("sequence.step", 2, "running"),
        ("sequence.step", 2, "failed"),
        ("sequence.failed", None, None),
    ]
    severity, _, message, told = world.events[-2]
    assert severity is Severity.WARNING
    assert message == "sequence flight step 2 (line 3) b failed: failed: no camera"
    assert (told["run"], told["line"], told["command"]) == ("9f86d081884c7d65", 3, "b")
    assert world.events[-1][2] == "sequence flight failed: step 2 (line 3) b: failed: no camera"
    assert step_states(world) == [StepState.COMPLETED, StepState.FAILED]


def test_a_failure_stops_the_run_unless_it_is_to_go_on(new_world: Callable[[], Any]) -> None:
    for on_failure, names in ((OnFailure.STOP, "ab"), (OnFailure.CONTINUE, "abc")):
        world = new_world()
        world.failing["b"] = "no camera"
        world.begin("R0:00:00 a\nR0:00:00 b\nR0:00:00 c", on_failure=on_failure)
        world.live()
        assert "".join(each.name for each in world.ran) == names
    assert world.kept().state is RunState.COMPLETED
    assert world.events[-1][2] == "sequence flight completed, 1 steps failed"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("unknown", "the node has no command unknown"),
        ("a 10", "x must be at most 9"),
        ("secret", "needs the role admin"),
    ],
)
def test_what_no_longer_fits_the_node_fails_and_is_not_submitted(world: Any, line: str, said: str) -> None:
    world.begin(f"R00:00:00 {line}")
    world.live()
    assert world.ran == []
    assert said in world.kept().reason


def test_an_unexpected_error_of_a_command_is_a_failure_and_no_end_of_the_thread(
    world: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(world, "submit", broken)
    world.begin("R00:00:00 a")
    world.live()
    assert "unexpected ZeroDivisionError: oh; this is a defect" in world.kept().reason
    assert "step 1 of sequence flight" in caplog.text


def test_a_text_that_this_program_does_not_understand_runs_nothing(world: Any) -> None:
    world.begin("R00:00:00 a\nwhen sunny b")
    world.live()
    assert world.ran == []
    assert "does not understand its text: flight:2:1:" in world.kept().reason


def test_a_cancelled_run_begins_no_further_step(world: Any) -> None:
    world.begin("R00:00:01 a\nR00:00:10 b")
    board = world.board()
    runner = Runner(board.store.runs()[0], board)

    def wait(seconds: float) -> None:
        world.wait(seconds)
        if world.ran:
            runner.cancel("ada")

    runner.drive(wait)
    board.store.close()
    assert [each.name for each in world.ran] == ["a"]
    assert (world.kept().state, world.kept().reason) == (RunState.CANCELLED, "cancelled by ada")
    assert world.events[-1][:2] == (Severity.ACTIVITY, "sequence.cancelled")


def test_what_cannot_be_journalled_is_not_run(
    world: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: Any) -> None:
        raise OutputError("sequences.db cannot be written (database or disk is full): free some room")

    monkeypatch.setattr(SequenceStore, "note_step", full)
    monkeypatch.setattr(SequenceStore, "end_run", full)
    world.begin("R00:00:00 a")
    runner = world.live()
    assert world.ran == []
    assert runner.run.state is RunState.FAILED
    assert "disk is full" in runner.run.reason
    assert "is not kept" in caplog.text


@pytest.mark.parametrize("had_run", [True, False])
def test_a_step_under_way_when_the_node_died_is_interrupted_and_not_run_again(world: Any, had_run: bool) -> None:
    def dies(*words: Any, **named: Any) -> None:
        if had_run:
            world.submit(*words, **named)
        raise KeyboardInterrupt

    world.begin("R00:00:01 a\nR00:00:01 b")
    with pytest.raises(KeyboardInterrupt):
        world.drive(replace(world.board(), submit=dies))
    world.live()
    assert [each.name for each in world.ran] == ["a"] * had_run
    assert step_states(world) == [StepState.INTERRUPTED]
    assert world.kept().reason.startswith("step 1 (line 1) a: interrupted: the node ended")


def test_a_run_goes_on_after_a_restart_when_nothing_was_due_meanwhile(world: Any) -> None:
    world.begin("R00:00:01 a\nR01:00:00 b")
    world.deaths_in = [100]
    assert world.live() is None
    assert [each.name for each in world.ran] == ["a"]
    world.true_ns += 600 * S
    assert world.live() is not None
    first, second = world.ran
    assert second.began_ns - first.ended_ns == 3600 * S


def test_what_was_due_during_an_outage_is_not_run_late(world: Any) -> None:
    world.begin("R00:00:01 a\nR00:01:00 b")
    world.deaths_in = [20]
    assert world.live() is None
    world.true_ns = world.ran[0].ended_ns + 72 * S
    world.live()
    assert [each.name for each in world.ran] == ["a"]
    assert world.kept().reason == "step 2 (line 2) b: late by 00:00:12"
    assert step_states(world) == [StepState.COMPLETED, StepState.MISSED]


def test_the_wall_clock_may_be_set_by_hours_while_relative_steps_wait(world: Any) -> None:
    world.begin("R00:00:01 a\nR00:10:00 b\nR00:10:00 c")
    original = world.wait

    def wait(seconds: float) -> None:
        original(seconds)
        world.wall_ahead_ns += (-1) ** len(world.ran) * 3600 * S

    world.wait = wait
    world.live()
    assert [each.began_ns - 1_000 * S for each in world.ran] == [S, 601 * S, 1201 * S]


def test_slow_storage_makes_no_step_late(world: Any) -> None:
    world.disk_ns = 20 * S
    world.begin("R00:00:00 a\nR00:00:00 b\nR00:00:01 c", grace_ns=S)
    world.live()
    assert [each.name for each in world.ran] == ["a", "b", "c"]
    assert world.kept().state is RunState.COMPLETED


@dataclass(frozen=True)
class Plan:
    text: str
    durations_ns: dict[str, int]


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Draw a sequence whose absolute times may come too early for what is before them."""
    lines = []
    for _ in range(draw(st.integers(1, 5))):
        name = draw(st.sampled_from("abc"))
        second = draw(st.integers(0, 120))
        absolute = draw(st.booleans())
        time = f"A1970-002T00:{second // 60:02d}:{second % 60:02d}" if absolute else f"R00:00:{second % 20:02d}"
        lines.append(f"{time} {name}")
    durations = {name: draw(st.sampled_from([0, 1, 500 * MS, 3 * S, 40 * S])) for name in "abc"}
    return Plan("\n".join(lines), durations)


@given(plan=plans(), on_failure=st.sampled_from(OnFailure), grace_ms=st.sampled_from([100, 5000]))
def test_what_runs_when_is_what_the_timetable_said(
    new_world: Callable[[], Any], plan: Plan, on_failure: OnFailure, grace_ms: int
) -> None:
    world = new_world()
    world.durations_ns |= plan.durations_ns
    start_wall_ns = world.now().wall_ns
    world.begin(plan.text, on_failure=on_failure, grace_ns=grace_ms * MS)
    world.live()
    rows = timetable(
        parse(plan.text)[0], start_wall_ns, plan.durations_ns, on_failure=on_failure, grace_ns=grace_ms * MS
    )
    assert all(row.exact for row in rows)
    assert [(each.name, each.began_wall_ns) for each in world.ran] == [
        (row.step.name, row.wall_ns) for row in rows if not row.problem
    ]


@given(
    plan=plans(),
    on_failure=st.sampled_from(OnFailure),
    deaths=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 40_000), st.booleans()), max_size=4),
)
def test_whenever_the_node_dies_each_step_runs_at_most_once_in_order_never_early_never_late(
    new_world: Callable[[], Any], plan: Plan, on_failure: OnFailure, deaths: list[tuple[int, int, bool]]
) -> None:
    world = new_world()
    world.durations_ns |= plan.durations_ns
    run = world.begin(plan.text, on_failure=on_failure)
    for opportunity, outage_ms, reboot in deaths:
        world.deaths_in = [opportunity]
        if world.live() is not None:
            break
        world.true_ns += outage_ms * MS
        if reboot:
            world.machine_began_ns = world.true_ns
    world.deaths_in = []
    ended = world.live() if world.kept().state is RunState.RUNNING else None
    assert world.kept().state in (RunState.COMPLETED, RunState.FAILED)
    assert ended is None or ended.ended.is_set()

    steps, _ = parse(plan.text)
    numbers = [next(n for n in range(1, 6) if each.id == step_command_id(run.id, n)) for each in world.ran]
    assert numbers == sorted(set(numbers))
    if on_failure is OnFailure.STOP:
        assert numbers == list(range(1, len(numbers) + 1))
    ready_ns = run.began.wall_ns
    for number, ran in zip(numbers, world.ran, strict=True):
        when = steps[number - 1].when
        if isinstance(when, At):
            assert 0 <= ran.began_wall_ns - max(when.wall_ns, ready_ns) <= run.grace_ns
        elif on_failure is OnFailure.STOP:
            assert 0 <= ran.began_wall_ns - (ready_ns + when.delay_ns) <= run.grace_ns
        else:
            assert ran.began_wall_ns >= ready_ns + when.delay_ns
        ready_ns = ran.ended_ns + world.wall_ahead_ns


def test_a_run_that_has_ended_cannot_be_cancelled(world: Any) -> None:
    world.begin("R00:00:00 a")
    board = world.board()
    runner = Runner(board.store.runs()[0], board)
    runner.drive(world.wait)
    assert not runner.cancel("ada")
    board.store.close()
    assert world.kept().state is RunState.COMPLETED


def test_the_newest_state_of_a_step_counts(world: Any) -> None:
    run = world.begin("R00:00:00 a")
    store = SequenceStore(world.folder / "sequences.db")
    for state in (StepState.RUNNING, StepState.COMPLETED):
        store.note_step(run.id, StoredStep(1, state, "", world.now()))
    store.close()
    world.live()
    assert world.ran == []
    assert world.kept().state is RunState.COMPLETED
