"""A node's surroundings in simulated time: clocks, commands that a second submission would run again, and death."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from heliograph.link.command import Stage, StageReport
from heliograph.link.dictionary import Argument, CommandDefinition, Role
from heliograph.link.event import Severity
from heliograph.link.sequence.run import Moment, OnFailure, RunState
from heliograph.node.sequences.runner import Board, Runner
from heliograph.node.sequences.store import SequenceStore, StoredRun, StoredStep

S = 10**9


class Death(BaseException):
    """Stands for kill -9."""


@dataclass(frozen=True)
class Ran:
    """A command that ran, and the true times of that."""

    name: str
    arguments: Mapping[str, Any]
    id: str
    user: str
    began_ns: int
    began_wall_ns: int
    ended_ns: int


@dataclass
class World:
    """Time is `true_ns`; CLOCK_BOOTTIME counts from the start of the machine, the wall clock may be set."""

    folder: Path
    true_ns: int = 1_000 * S
    machine_began_ns: int = 0
    wall_ahead_ns: int = 86_400 * S - 1_000 * S
    synchronised: bool = True
    durations_ns: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    disk_ns: int = 0
    """How long the disk takes for a change."""
    failing: dict[str, str] = field(default_factory=dict)
    deaths_in: list[int] = field(default_factory=list)
    """At the how many next opportunity the process dies, for each of its lives."""
    ran: list[Ran] = field(default_factory=list)
    events: list[tuple[Severity, str, str, dict[str, Any]]] = field(default_factory=list)

    def now(self) -> Moment:
        boot_ns = self.true_ns - self.machine_began_ns
        return Moment(boot_ns, self.true_ns + self.wall_ahead_ns, str(self.machine_began_ns), self.synchronised)

    def submit(self, name: str, arguments: Mapping[str, Any], *, user: str, id: str) -> StageReport:
        self.may_die()
        began_ns = self.true_ns
        self.true_ns += self.durations_ns[name]
        began_wall_ns = began_ns + self.wall_ahead_ns
        self.ran.append(Ran(name, arguments, id, user, began_ns, began_wall_ns, self.true_ns))
        self.may_die()
        stage = Stage.FAILED if name in self.failing else Stage.COMPLETED
        return StageReport(
            command=id, number=4, stage=stage, boot_time_ns=0, wall_time_ns=0, reason=self.failing.get(name, "")
        )

    def emit(self, severity: Severity, name: str, message: str, **arguments: Any) -> None:
        self.may_die()
        self.events.append((severity, name, message, arguments))

    def wait(self, seconds: float) -> None:
        self.may_die()
        self.true_ns += max(1, round(seconds * S))

    def may_die(self) -> None:
        if self.deaths_in:
            self.deaths_in[0] -= 1
            if self.deaths_in[0] < 0:
                del self.deaths_in[0]
                raise Death

    def definition_of(self, name: str) -> CommandDefinition | None:
        if name == "secret":
            return CommandDefinition(name=name, description="", role=Role.ADMIN)
        arguments = (Argument(name="x", type="integer", maximum=9, optional=True),)
        return CommandDefinition(name=name, description="", arguments=arguments) if len(name) == 1 else None

    def board(self) -> Board:
        store = MortalStore(self, self.folder / "sequences.db")
        return Board(store, self.submit, self.definition_of, self.emit, self.now)

    def begin(self, text: str, *, on_failure: OnFailure = OnFailure.STOP, grace_ns: int = 5 * S) -> StoredRun:
        """Keep a new run, as if it had just been started."""
        run = StoredRun("9f86d081884c7d65", "flight", text, "ada", on_failure, grace_ns, self.now())
        store = SequenceStore(self.folder / "sequences.db")
        store.begin_run(run)
        store.close()
        return run

    def live(self) -> Runner | None:
        """Have a process take up the run, until the run ends; None when the process died before."""
        try:
            return self.drive(self.board())
        except Death:
            return None

    def drive(self, board: Board) -> Runner:
        try:
            (stored,) = board.store.runs()
            runner = Runner(stored, board)
            runner.drive(self.wait)
            return runner
        finally:
            board.store.close()

    def kept(self) -> StoredRun:
        store = SequenceStore(self.folder / "sequences.db")
        try:
            return store.runs()[-1]
        finally:
            store.close()


class MortalStore(SequenceStore):
    """The process may die before each change and after it."""

    def __init__(self, world: World, path: Path) -> None:
        super().__init__(path)
        self._world = world

    def note_step(self, run: str, step: StoredStep) -> None:
        self._world.may_die()
        super().note_step(run, step)
        self._world.true_ns += self._world.disk_ns
        self._world.may_die()

    def end_run(self, run: str, state: RunState, reason: str) -> None:
        self._world.may_die()
        super().end_run(run, state, reason)
        self._world.may_die()


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Give a world of its own."""
    return World(tmp_path)


@pytest.fixture(scope="session")
def new_world() -> Iterator[Callable[[], World]]:
    """Give a function that makes a world, for tests with many examples."""
    # In memory where there is such a place: simulated deaths lose nothing, and a disk would take its time.
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield lambda: World(Path(tempfile.mkdtemp(dir=folder)))
