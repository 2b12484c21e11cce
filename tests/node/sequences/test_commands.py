import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from heliograph.core import CommandFailedError, SequenceError, SourceNotFoundError
from heliograph.link.arguments import from_words
from heliograph.link.command import Stage, StageReport
from heliograph.link.dictionary import CommandDefinition
from heliograph.link.sequence.run import RunState
from heliograph.node.call import Command
from heliograph.node.sequences import Sequencer, sequence_commands
from heliograph.node.sequences.sequencer import read_moment

PATIENCE_S = 20.0
FILES = {"seq/next.seq": b"R00:00:00 ping\n", "seq/ä": b"R00:00:00 ping", "raw": b"\xff"}


@dataclass
class Request:
    arguments: Mapping[str, Any]
    id: str = "0" * 32
    user: str = "ada"
    key: str = ""
    cancelled: threading.Event = field(default_factory=threading.Event)
    told: list[str] = field(default_factory=list)

    def progress(self, text: str, fraction: float | None = None) -> None:
        self.told.append(text)


class Ground:
    """Gives commands as they come over the link: in words."""

    def __init__(self, sequencer: Sequencer) -> None:
        def read_file(path: str) -> bytes:
            if path not in FILES:
                raise SourceNotFoundError(f"there is no {path}")
            return FILES[path]

        commands = sequence_commands(sequencer, read_file)
        self.commands = {name: each for each in commands for name in (each.definition.name, *each.definition.aliases)}

    def send(self, name: str, *words: str) -> Any:
        return self.run(self.commands[name], self.request(name, *words))

    def request(self, name: str, *words: str) -> Request:
        # A busy machine is no defect.
        words += (
            ("grace=60",) if name == "sequence.start" and not any(each.startswith("grace") for each in words) else ()
        )
        return Request(from_words(self.commands[name].definition, words))

    def run(self, command: Command, request: Request) -> Any:
        result = command.run(request)
        # As it is when it has travelled.
        return msgspec.msgpack.decode(msgspec.msgpack.encode(result))


@pytest.fixture
def hold() -> threading.Event:
    """Give what the command `wait` waits for."""
    return threading.Event()


@pytest.fixture
def sequencer(tmp_path: Path, hold: threading.Event) -> Iterator[Sequencer]:
    def submit(name: str, arguments: Mapping[str, Any], *, user: str, id: str) -> StageReport:
        stage = Stage.FAILED if name == "fail" else Stage.COMPLETED
        if name == "wait":
            assert hold.wait(PATIENCE_S)
        return StageReport(command=id, number=1, stage=stage, boot_time_ns=0, wall_time_ns=0, reason=name)

    made = Sequencer(
        tmp_path,
        submit,
        lambda name: CommandDefinition(name=name, description="") if name in ("ping", "wait", "fail") else None,
        emit=lambda *words, **told: None,
        now=lambda: read_moment(lambda: False),
    )
    made.start()
    yield made
    hold.set()
    made.close()


@pytest.fixture
def ground(sequencer: Sequencer) -> Ground:
    return Ground(sequencer)


def await_end(sequencer: Sequencer) -> None:
    for each in sequencer.running().values():
        assert each.ended.wait(PATIENCE_S)


def test_a_sequence_is_loaded_started_and_listed(ground: Ground, sequencer: Sequencer, hold: threading.Event) -> None:
    assert ground.send("sequence.load", "flight", "R0:00:00 ping\nR0:00:00 wait\nR0:00:00 ping") == {
        "name": "flight",
        "steps": 3,
    }
    run = ground.send("sequence.start", "flight")
    assert (run["name"], run["steps"], len(run["run"])) == ("flight", 3, 16)
    hold.set()
    await_end(sequencer)
    listed = ground.send("sequence.list")
    assert [(each["name"], each["steps"], each["user"]) for each in listed["sequences"]] == [("flight", 3, "ada")]
    assert [(each["run"], each["state"], each["reason"]) for each in listed["runs"]] == [(run["run"], "completed", "")]
    for which in ("flight", run["run"]):
        steps = ground.send("sequence.list", which)["ended_steps"]
        assert [(each["step"], each["command"], each["state"]) for each in steps] == [
            (1, "ping", "completed"),
            (2, "wait", "completed"),
            (3, "ping", "completed"),
        ]
    ground.send("sequence.delete", "flight")
    assert ground.send("sequence.list")["sequences"] == []


def test_the_list_tells_the_next_step_and_when(ground: Ground) -> None:
    ground.send("sequence.load", "flight", "; later\nR01:00:00 ping")
    ground.send("sequence.start", "flight")
    (run,) = ground.send("sequence.list")["runs"]
    assert (run["state"], run["step"], run["steps"], run["command"], run["line"]) == ("running", 1, 1, "ping", 2)
    assert 3590 < run["in_s"] <= 3600
    began, following = (datetime.fromisoformat(run[each]) for each in ("began", "next"))
    assert timedelta(seconds=3599) < following - began < timedelta(seconds=3610)


def test_a_cancelled_run_tells_what_goes_on(ground: Ground, sequencer: Sequencer, hold: threading.Event) -> None:
    ground.send("sequence.load", "flight", "R00:00:00 wait\nR00:00:00 ping")
    run = ground.send("sequence.start", "flight")["run"]
    while "in_s" in (told := ground.send("sequence.list")["runs"][0]):
        assert told["step"] == 1
    assert ground.send("sequence.cancel", run)["under_way"] == "step 1 wait goes on to its end"
    hold.set()
    await_end(sequencer)
    listed = ground.send("sequence.list", run)
    assert (listed["state"], listed["reason"]) == ("cancelled", "cancelled by ada")
    assert [each["state"] for each in listed["ended_steps"]] == ["completed"]


def test_what_becomes_of_failures_is_told_at_the_start(ground: Ground, sequencer: Sequencer) -> None:
    ground.send("sequence.load", "flight", "R00:00:00 fail\nR00:00:00 ping")
    for words, state in (((), "failed"), (("continue",), "completed"), (("on_failure=stop", "grace=3"), "failed")):
        run = ground.send("sequence.start", "flight", *words)["run"]
        await_end(sequencer)
        assert ground.send("sequence.list", run)["state"] == state


def test_the_line_of_the_reference_runs_an_uplinked_file(ground: Ground, sequencer: Sequencer) -> None:
    command = ground.commands["cmdSeq.CS_RUN"]
    blocking = ground.request("cmdSeq.CS_RUN", "seq/next.seq", "BLOCK")
    assert ground.run(command, blocking)["name"] == "next.seq"
    assert [each["state"] for each in ground.send("sequence.list")["runs"]] == ["completed"]
    ground.send("cmdSeq.CS_RUN", "seq/next.seq", "NO_BLOCK")
    await_end(sequencer)
    assert len(ground.send("sequence.list")["runs"]) == 2


def test_waiting_for_a_sequence_ends_with_it(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FILES, "long", b"R00:00:00 wait\nR01:00:00 ping")
    monkeypatch.setitem(FILES, "bad", b"R00:00:00 fail")
    command = ground.commands["sequence.run_file"]
    with pytest.raises(CommandFailedError, match=r"it failed: step 1 \(line 1\) fail: failed: fail"):
        ground.run(command, ground.request("sequence.run_file", "bad", "BLOCK"))
    request = ground.request("sequence.run_file", "long", "wait=BLOCK")
    request.progress = lambda text, fraction=None: request.cancelled.set()  # type: ignore[method-assign]
    with pytest.raises(CommandFailedError, match="begins no further step"):
        ground.run(command, request)


def test_a_sequence_goes_on_when_the_node_ends_while_somebody_waits_for_it(
    ground: Ground, sequencer: Sequencer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FILES, "long", b"R01:00:00 ping")
    request = ground.request("sequence.run_file", "long", "BLOCK")

    def end(text: str, fraction: float | None = None) -> None:
        sequencer.stop()
        request.cancelled.set()

    request.progress = end  # type: ignore[method-assign]
    with pytest.raises(CommandFailedError, match="goes on when it starts again"):
        ground.run(ground.commands["sequence.run_file"], request)
    assert [each.state for each in sequencer.store.runs()] == [RunState.RUNNING]


def test_an_uplinked_file_is_kept_under_a_name(ground: Ground) -> None:
    assert ground.send("sequence.load_file", "flight", "seq/next.seq") == {"name": "flight", "steps": 1}
    with pytest.raises(SourceNotFoundError, match="there is no x"):
        ground.send("sequence.load_file", "flight", "x")
    with pytest.raises(SequenceError, match=r"raw is no text in UTF-8 \(byte 0\)"):
        ground.send("sequence.load_file", "flight", "raw")


def test_wrong_words_are_told(ground: Ground) -> None:
    for name, words, said in (
        ("sequence.load", ("flight", "ping"), "flight:1:1: a time belongs first"),
        ("sequence.start", ("flight",), "no sequence flight is loaded"),
        ("sequence.cancel", ("flight",), "no run of flight is under way"),
        ("sequence.list", ("flight",), "there is no run of flight"),
        ("sequence.delete", ("flight",), "no sequence flight is loaded"),
        ("sequence.run_file", ("seq/ä",), "'ä' is no name"),
    ):
        with pytest.raises(SequenceError) as told:
            ground.send(name, *words)
        assert said in str(told.value)


def test_what_is_told_fits_into_the_result_of_a_command(ground: Ground, sequencer: Sequencer) -> None:
    names = [f"{'n' * 60}{number}" for number in range(100)]
    for name in names:
        ground.send("sequence.load", name, "R00:00:00 fail\n" * (110 if name == names[0] else 1))
    for name in (*names[1:22], names[0]):
        ground.send("sequence.start", name, "continue")
        await_end(sequencer)
    told = ground.send("sequence.list")
    assert (len(told["sequences"]), len(told["runs"])) == (100, 20)
    assert len(msgspec.msgpack.encode(told)) < 60_000
    steps = ground.send("sequence.list", names[0])
    assert [each["step"] for each in steps["ended_steps"]] == list(range(11, 111))
    assert len(msgspec.msgpack.encode(steps)) < 60_000
