import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from heliograph.core import OutputError, SequenceError
from heliograph.link.command import Stage, StageReport
from heliograph.link.dictionary import CommandDefinition
from heliograph.link.sequence.run import OnFailure, RunState, step_command_id
from heliograph.node.sequences.sequencer import Sequencer, read_moment
from heliograph.node.sequences.store import SequenceStore

PATIENCE_S = 20.0
# A busy machine is no defect.
GRACE_NS = 60 * 10**9


class Node:
    """Runs the commands of sequences: `wait` ends when it is told to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.go_on = threading.Event()
        self.entered = threading.Semaphore(0)
        self.ran: list[str] = []
        self.events: list[tuple[str, dict[str, Any]]] = []

    def submit(self, name: str, arguments: Mapping[str, Any], *, user: str, id: str) -> StageReport:
        self.ran.append(name)
        self.entered.release()
        if name == "wait":
            assert self.go_on.wait(PATIENCE_S)
        return StageReport(command=id, number=1, stage=Stage.COMPLETED, boot_time_ns=0, wall_time_ns=0)

    def sequencer(self, most_runs: int = 4) -> Sequencer:
        return Sequencer(
            self.folder,
            self.submit,
            lambda name: CommandDefinition(name=name, description="") if name in ("ping", "wait") else None,
            emit=lambda severity, name, message, **told: self.events.append((name, told)),
            now=lambda: read_moment(lambda: False),
            most_runs=most_runs,
        )


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


@pytest.fixture
def sequencer(node: Node) -> Iterator[Sequencer]:
    made = node.sequencer()
    made.start()
    yield made
    node.go_on.set()
    made.close()


def test_a_loaded_sequence_runs_to_its_end(node: Node, sequencer: Sequencer) -> None:
    assert sequencer.load("flight", "R00:00:00 ping\nR00:00:00.05 ping", "ada") == 2
    before_s = time.monotonic()
    runner = sequencer.begin("flight", "ada", grace_ns=GRACE_NS)
    assert runner.ended.wait(PATIENCE_S)
    assert time.monotonic() - before_s >= 0.05
    assert runner.run.state is RunState.COMPLETED
    assert node.ran == ["ping", "ping"]
    assert [name for name, _ in node.events] == ["sequence.started", *["sequence.step"] * 4, "sequence.completed"]
    assert {told["run"] for _, told in node.events} == {runner.stored.id}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("", "R00:00:00 ping", "is no name"),
        ("../x", "R00:00:00 ping", "is no name"),
        ("a\n", "R00:00:00 ping", "is no name"),
        ("flight", "ping\nR9 ping", "flight:1:1: a time belongs first"),
        ("flight", "ping\nR9 ping", "flight:2:1: a time after"),
        ("flight", "R00:00:00 pong", "flight:1:11: the node has no command pong"),
        ("flight", "x\n" * 7, "; and 2 more"),
        ("flight", ";" * 1_000_001, "more than 1000000 bytes"),
    ],
)
def test_what_is_no_sequence_is_refused_with_every_place(sequencer: Sequencer, name: str, text: str, said: str) -> None:
    with pytest.raises(SequenceError) as told:
        sequencer.load(name, text, "ada")
    assert said in str(told.value)
    assert "\n" not in str(told.value)
    assert sequencer.store.sequences() == []


def test_several_run_at_once_up_to_a_number(node: Node, sequencer: Sequencer) -> None:
    for name in "abcde":
        sequencer.load(name, "R00:00:00 wait", "ada")
    runners = [sequencer.begin(name, "ada", grace_ns=GRACE_NS) for name in "abcd"]
    for _ in runners:
        assert node.entered.acquire(timeout=PATIENCE_S)
    with pytest.raises(SequenceError, match=r"4 sequences run already \(a, b, c, d\)"):
        sequencer.begin("e", "ada", grace_ns=GRACE_NS)
    with pytest.raises(SequenceError, match="a runs already"):
        sequencer.begin("a", "ada", grace_ns=GRACE_NS)
    node.go_on.set()
    assert all(each.ended.wait(PATIENCE_S) for each in runners)
    assert sequencer.begin("e", "ada", grace_ns=GRACE_NS).ended.wait(PATIENCE_S)


def test_a_run_is_cancelled_by_name_or_id(node: Node, sequencer: Sequencer) -> None:
    sequencer.load("flight", "R01:00:00 ping", "ada")
    for by_name in (True, False):
        runner = sequencer.begin("flight", "ada", grace_ns=GRACE_NS)
        assert sequencer.cancel("flight" if by_name else runner.stored.id, "bob") is runner
        assert runner.ended.wait(PATIENCE_S)
        assert sequencer.store.runs()[-1].reason == "cancelled by bob"
    with pytest.raises(SequenceError, match="no run of flight is under way"):
        sequencer.cancel("flight", "bob")
    assert node.ran == []


def test_a_cancelled_run_stays_cancelled_when_the_node_dies_before_its_step_has_ended(node: Node) -> None:
    first = node.sequencer()
    first.load("flight", "R00:00:00 wait\nR00:00:00 ping", "ada")
    run = first.begin("flight", "ada", on_failure=OnFailure.CONTINUE, grace_ns=GRACE_NS).stored.id
    assert node.entered.acquire(timeout=PATIENCE_S)
    first.cancel(run, "bob")
    with pytest.raises(SequenceError, match="flight runs already"):
        first.begin("flight", "ada")
    # What another process would find now.
    store = SequenceStore(node.folder / "sequences.db")
    assert [(each.state, each.reason) for each in store.runs()] == [(RunState.CANCELLED, "cancelled by bob")]
    store.close()
    node.go_on.set()
    first.close()
    assert node.ran == ["wait"]


def test_unknown_sequences_are_told_with_what_there_is(sequencer: Sequencer) -> None:
    with pytest.raises(SequenceError, match="no sequence x is loaded; there is none"):
        sequencer.begin("x", "ada", grace_ns=GRACE_NS)
    sequencer.load("flight", "R00:00:00 ping", "ada")
    with pytest.raises(SequenceError, match="there is flight"):
        sequencer.delete("x")
    sequencer.delete("flight")
    assert sequencer.store.sequences() == []


def test_the_number_of_loaded_sequences_is_bounded(sequencer: Sequencer) -> None:
    for number in range(100):
        sequencer.load(f"s{number}", "R00:00:00 ping", "ada")
    with pytest.raises(SequenceError, match=r"sequence\.delete one first"):
        sequencer.load("one-more", "R00:00:00 ping", "ada")
    sequencer.load("s5", "R00:00:01 ping", "ada")


def test_a_run_is_taken_up_by_the_next_start(node: Node, sequencer: Sequencer) -> None:
    sequencer.load("flight", "R00:00:00 ping\nR00:00:01.5 wait", "ada")
    run = sequencer.begin("flight", "ada", grace_ns=GRACE_NS).stored.id
    assert node.entered.acquire(timeout=PATIENCE_S)
    sequencer.stop()
    with pytest.raises(SequenceError, match="the node is ending"):
        sequencer.begin("flight", "ada", grace_ns=GRACE_NS)
    sequencer.close()
    node.go_on.set()
    again = node.sequencer()
    again.start()
    assert again.running()[run].ended.wait(PATIENCE_S)
    assert node.ran == ["ping", "wait"]
    assert again.store.runs()[-1].state is RunState.COMPLETED
    again.close()


def test_a_step_that_ends_while_the_node_ends_is_kept(node: Node) -> None:
    first = node.sequencer()
    first.load("flight", "R00:00:00 wait\nR00:00:00.3 ping", "ada")
    runner = first.begin("flight", "ada", grace_ns=GRACE_NS)
    assert node.entered.acquire(timeout=PATIENCE_S)
    first.stop()
    node.go_on.set()
    first.close()
    again = node.sequencer()
    again.start()
    for each in again.running().values():
        assert each.ended.wait(PATIENCE_S)
    assert [each.state for each in again.store.runs()] == [RunState.COMPLETED]
    assert (node.ran, runner.ended.is_set()) == (["wait", "ping"], False)
    again.close()


def test_a_full_disk_does_not_keep_the_node_from_starting(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: object) -> None:
        raise OutputError("sequences.db cannot be opened (disk is full): free some room")

    made = node.sequencer()
    with monkeypatch.context() as patch:
        patch.setattr(SequenceStore, "runs", full)
        made.start()
    made.close()
    assert node.events == [("sequence.failed", {})]


CHILD = """
import os, sys, threading
from pathlib import Path
from heliograph.link.command import Stage, StageReport
from heliograph.link.dictionary import CommandDefinition
from heliograph.link.sequence.run import OnFailure
from heliograph.node.sequences.sequencer import Sequencer, read_moment

folder = Path(sys.argv[1])
effects = os.open(folder / "effects", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

def submit(name, arguments, *, user, id):
    os.write(effects, (id + "\\n").encode())
    return StageReport(command=id, number=1, stage=Stage.COMPLETED, boot_time_ns=0, wall_time_ns=0)

sequencer = Sequencer(
    folder,
    submit,
    lambda name: CommandDefinition(name=name, description=""),
    emit=lambda *words, **told: None,
    now=lambda: read_moment(lambda: True),
)
if not sequencer.store.runs():
    sequencer.load("flight", "R00:00:00.005 ping\\n" * 200, "ada")
    sequencer.begin("flight", "ada", on_failure=OnFailure.CONTINUE, grace_ns=60 * 10**9)
else:
    sequencer.start()
print("ready", flush=True)
for each in sequencer.running().values():
    each.ended.wait()
sequencer.close()
"""


def test_kill_9_at_any_moment_runs_no_step_twice_and_keeps_their_order(tmp_path: Path) -> None:
    rng = random.Random(7)
    code = None
    kills = 0
    while code is None:
        words = [sys.executable, "-c", CHILD, str(tmp_path)]
        with subprocess.Popen(words, stdout=subprocess.PIPE) as child:
            assert child.stdout
            assert child.stdout.readline() == b"ready\n"
            try:
                # The last life is as long as it takes.
                code = child.wait(PATIENCE_S * 2 if kills == 4 else rng.uniform(0.01, 0.3))
            except subprocess.TimeoutExpired:
                os.kill(child.pid, signal.SIGKILL)
                kills += 1
    assert code == 0
    assert kills >= 2
    store = SequenceStore(tmp_path / "sequences.db")
    (run,) = store.runs()
    states = [each.state.value for each in store.steps(run.id)]
    store.close()
    assert run.state is RunState.COMPLETED
    numbers = {step_command_id(run.id, number): number for number in range(1, 201)}
    ran = [numbers[line] for line in (tmp_path / "effects").read_text().split()]
    assert ran == sorted(set(ran))
    # What is missing was under way when the process died; what has run is told as such, or nobody knows.
    assert len(states) == 200
    assert states.count("interrupted") <= kills
    assert {number for number, state in enumerate(states, 1) if state == "completed"} <= set(ran)
    assert len(ran) >= 200 - kills


def test_the_clocks_of_this_machine() -> None:
    first, second = read_moment(lambda: True), read_moment(lambda: False)
    assert first.boot_ns <= second.boot_ns
    assert first.machine == second.machine
    assert len(first.machine) == 36
    assert (first.synchronised, second.synchronised) == (True, False)
    assert abs(first.wall_ns - time.time_ns()) < 60 * 10**9
