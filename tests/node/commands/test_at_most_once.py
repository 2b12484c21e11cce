"""Whatever comes twice, and wherever the program dies: no command runs twice, and the journal tells no lie."""

from __future__ import annotations

import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from hypothesis.strategies import booleans, integers

from heliograph.link.command import Command, JournalEntry, JournalRequest, Stage, StageReport
from heliograph.link.dictionary import CommandDefinition
from heliograph.link.keys import PrivateKey
from heliograph.node import call
from heliograph.node.commands.executor import Executor
from heliograph.node.commands.journal import CommandJournal
from heliograph.node.commands.offers import Offers
from heliograph.node.commands.writer import Work

NODE = PrivateKey.generate().public
KEY = "ab" * 32


@pytest.fixture(autouse=True)
def silent_deaths(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that dies with its node is no defect; pytest would report SystemExit, which Python does not."""
    report = threading.excepthook

    def hook(ended: threading.ExceptHookArgs) -> None:
        if ended.exc_type is not SystemExit:
            report(ended)

    monkeypatch.setattr(threading, "excepthook", hook)


class Mortal:
    """A node's executor that dies at one of its commits: what it would write from then on is written nowhere."""

    def __init__(self, path: Path, boot: int, effects: Counter[str]) -> None:
        self.dead = False
        self.commits_left: int | None = None
        self.dies_before = False
        self.told: list[JournalEntry] = []
        self.journal = CommandJournal(path)
        self._do = self.journal._writer.do
        self.journal._writer.do = self._mortal  # type: ignore[method-assign]  # death comes by commits
        offers = Offers()
        self.executor = Executor(self.journal, offers, node=NODE, boot=str(boot), report=self.told.append, workers=2)

        def effect(running: call.Call) -> None:
            effects[running.id] += 1

        offers.add([call.Command(CommandDefinition(name="effect", description="Counts."), effect)])

    def die_at(self, commits: int, before: bool) -> None:
        self.commits_left, self.dies_before = commits, before

    def take(self, command: Command, digest: bytes) -> tuple[StageReport, ...]:
        """Nothing, when the program died over it."""
        try:
            return self.executor.take(command, {}, KEY, digest)
        except SystemExit:
            return ()

    def submit(self, id: str) -> StageReport | None:
        try:
            return self.executor.submit("effect", {}, user="", id=id)
        except SystemExit:
            return None

    def settle(self) -> None:
        """Wait until nothing is under way, or it is dead."""
        deadline_s = time.monotonic() + 10
        while self.executor._runs and not self.dead:
            assert time.monotonic() < deadline_s
            time.sleep(0.0005)

    def bury(self) -> None:
        """End its threads, which only a real death would."""
        self.dead = True
        self._release()
        for event in (self.executor._closing, self.executor._closed, self.executor._some):
            event.set()
        for lane in (self.executor._lane, self.executor._prompt_lane):
            lane.close()
        self.journal.close()

    def _mortal(self, work: Work[Any]) -> Any:
        if self.commits_left is not None and not self.dead:
            self.dead = self.commits_left == 0
            self.commits_left -= 1
            if self.dead and not self.dies_before:
                self._do(work)
        if self.dead:
            self._release()
            raise SystemExit
        return self._do(work)

    def _release(self) -> None:
        """Let nobody wait for what will not end."""
        for run in list(self.executor._runs.values()):
            run.ended.set()


class AtMostOnce(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        # In memory where that can be: thousands of commits, and no power is cut here.
        memory = Path("/dev/shm")
        self.folder = tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None)
        self.path = Path(self.folder.name) / "commands.db"
        self.effects: Counter[str] = Counter()
        self.sent: list[tuple[Command, bytes]] = []
        self.told: list[StageReport] = []
        self.known: set[str] = set()
        self.boots = 0
        self.board = self.start()

    def start(self) -> Mortal:
        self.boots += 1
        return Mortal(self.path, self.boots, self.effects)

    @rule()
    def deliver(self) -> None:
        number = len(self.sent) + 1
        command = Command(
            id=f"{number:032x}",
            node=NODE.hex,
            boot=str(self.boots),
            counter=number,
            expires_boot_ns=1 << 62,
            name="effect",
        )
        self.sent.append((command, b"%d" % number))
        self.answered(self.board.take(*self.sent[-1]))

    @precondition(lambda self: self.sent)
    @rule(which=integers(0))
    def deliver_again(self, which: int) -> None:
        self.answered(self.board.take(*self.sent[which % len(self.sent)]))

    def answered(self, stages: tuple[StageReport, ...]) -> None:
        self.told += stages
        self.known |= {each.command for each in stages}

    @precondition(lambda self: self.known)
    @rule(which=integers(0))
    def deliver_another_of_the_same_id(self, which: int) -> None:
        known = [each for each in self.sent if each[0].id in self.known]
        command, digest = known[which % len(known)]
        stages = self.board.take(command, digest + b"'")
        assert not stages or stages[-1].stage is Stage.REFUSED

    @rule(number=integers(1, 5))
    def submit_step(self, number: int) -> None:
        report = self.board.submit(f"step {number}")
        self.told += [report] if report and not self.board.dead else []

    @rule(commits=integers(0, 6), before=booleans())
    def die_soon(self, commits: int, before: bool) -> None:
        self.board.die_at(commits, before)

    @rule()
    def end_and_start(self) -> None:
        self.board.settle()
        self.restart()

    @invariant()
    def start_anew_after_death(self) -> None:
        if self.board.dead:
            self.restart()

    def restart(self) -> None:
        self.told += [entry.stages[-1] for entry in self.board.told]
        self.board.bury()
        self.board = self.start()
        self.check()

    def check(self) -> None:
        entries = {each.command.id: each for each in self.board.journal.entries(JournalRequest(limit=1000))}
        for id, entry in entries.items():
            last = entry.stages[-1]
            runs = self.effects[id]
            assert runs <= 1
            assert runs == 1 or last.stage is not Stage.COMPLETED
            assert runs == 0 or Stage.STARTED in {each.stage for each in entry.stages}
            assert runs == 0 or "it did nothing" not in last.reason
        assert set(self.effects) <= set(entries)
        for report in self.told:
            assert report in entries[report.command].stages

    def teardown(self) -> None:
        self.board.settle()
        self.restart()
        self.board.bury()
        self.folder.cleanup()


TestAtMostOnce = AtMostOnce.TestCase
TestAtMostOnce.settings = settings(
    # Each is dozens of starts of a node: a third of what the profile asks for.
    max_examples=settings().max_examples // 3,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def test_a_death_at_every_commit_of_one_command(tmp_path: Path) -> None:
    """Three commits: received and accepted are one, started, completed; before and after each."""
    found = {}
    for commits in range(3):
        for before in (True, False):
            effects: Counter[str] = Counter()
            path = tmp_path / f"{commits} {before}" / "commands.db"
            board = Mortal(path, 1, effects)
            board.die_at(commits, before)
            command = Command(id="1" * 32, node=NODE.hex, boot="1", counter=1, expires_boot_ns=1 << 62, name="effect")
            board.take(command, b"1")
            board.settle()
            board.bury()
            after = Mortal(path, 2, effects)
            after.take(command, b"1")
            after.settle()
            entries = after.journal.entries(JournalRequest())
            after.bury()
            found[commits, before] = effects["1" * 32], entries[0].stages[-1].stage
    assert found == {
        # Nothing was known of it: that it runs now is its first time. Admission would refuse it, for its boot.
        (0, True): (1, Stage.COMPLETED),
        (0, False): (0, Stage.INTERRUPTED),
        (1, True): (0, Stage.INTERRUPTED),
        (1, False): (0, Stage.INTERRUPTED),
        (2, True): (1, Stage.INTERRUPTED),
        (2, False): (1, Stage.COMPLETED),
    }
