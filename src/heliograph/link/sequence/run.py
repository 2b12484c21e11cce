"""A run of a sequence, without clock and threads: which step is due, which is late, and what follows from failures."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from enum import Enum

from heliograph.link.sequence.language import Step
from heliograph.link.sequence.when import After, shown_delay

GRACE_NS = 1_000_000_000
"""How long after its time a step may still begin; after that it is late, and is not run."""

_LOOK_AGAIN_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Moment:
    """What the clocks of a machine say at one moment."""

    boot_ns: int
    """CLOCK_BOOTTIME, which no setting of a clock moves."""
    wall_ns: int
    machine: str = ""
    """Which start of the machine: CLOCK_BOOTTIME begins anew with it."""
    synchronised: bool = False
    """Whether the wall clock is held by NTP or PTP."""


class OnFailure(Enum):
    """What becomes of a run when a step fails, is late, or was interrupted."""

    STOP = "stop"
    CONTINUE = "continue"


class RunState(Enum):
    """Where a run is; all but the first are the end of it."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing is due; look again after this long, or sooner: a wall clock may be set meanwhile."""

    remaining_ns: int
    reason: str = ""
    """What is waited for, where it is not the time of a step."""


@dataclass(frozen=True, slots=True)
class Start:
    """A step is due."""

    step: Step


@dataclass(frozen=True, slots=True)
class Miss:
    """A step is not run, since its time has passed or cannot be told; the run has gone on as after a failure."""

    step: Step
    reason: str


class SequenceRun:
    """The steps of one run, one after another: none early, none late, none twice.

    >>> from heliograph.link.sequence.language import parse
    >>> run = SequenceRun(parse("R00:00:02 node.ping")[0], Moment(boot_ns=0, wall_ns=0))
    >>> run.next(Moment(boot_ns=500_000_000, wall_ns=0))
    Wait(remaining_ns=1500000000, reason='')
    >>> due = Moment(boot_ns=2_000_000_000, wall_ns=0)
    >>> run.next(due)  # doctest: +ELLIPSIS
    Start(step=Step(number=1, ...))
    >>> run.ended(due)
    >>> run.state
    <RunState.COMPLETED: 'completed'>

    `reference` is the moment that the run began. A run is taken up again by telling it how its steps ended.
    """

    def __init__(
        self,
        steps: tuple[Step, ...],
        reference: Moment,
        *,
        on_failure: OnFailure = OnFailure.STOP,
        grace_ns: int = GRACE_NS,
    ) -> None:
        self.state = RunState.RUNNING
        self.reason = ""
        self.failures = 0
        self._steps = steps
        self._reference = reference
        self._position = 0
        self._on_failure = on_failure
        self._grace_ns = grace_ns
        self._settle()

    @property
    def step(self) -> Step | None:
        """The step that is under way or comes next; None when there is none."""
        position = self._position
        return self._steps[position] if self.state is RunState.RUNNING and position < len(self._steps) else None

    def next(self, now: Moment) -> Wait | Start | Miss | None:
        """Give what is to be done now; None when the run has ended."""
        step = self.step
        if step is None:
            return None
        if now.machine != self._reference.machine:
            if reason := self._lost(now):
                return self._miss(step, reason, now)
            # NTP needs a while after the machine's start; until then nobody knows what is due.
            if not now.synchronised:
                return Wait(_LOOK_AGAIN_NS, "the clock is not synchronised since the machine restarted")
            self._rebase(now)
        remaining_ns = self.remaining_ns(now)
        if remaining_ns > 0:
            return Wait(remaining_ns)
        if -remaining_ns > self._grace_ns:
            return self._miss(step, f"late by {shown_delay(-remaining_ns // 1_000_000 * 1_000_000)}", now)
        return Start(step)

    def remaining_ns(self, now: Moment) -> int:
        """Give how long it is until the next step is due; negative when its time has passed, 0 without a step."""
        step = self.step
        if step is None:
            return 0
        when = step.when
        if isinstance(when, After):
            return self._reference.boot_ns + when.delay_ns - now.boot_ns
        return when.wall_ns - now.wall_ns

    def ended(self, now: Moment, failure: str = "") -> None:
        """Take that the step has ended which was due; `failure` is empty when it was completed."""
        step = self._steps[self._position]
        if failure:
            self.failures += 1
            if self._on_failure is OnFailure.STOP:
                self.state = RunState.FAILED
                self.reason = f"step {step.number} (line {step.line}) {step.name}: {failure}"
        self._reference = now
        self._position += 1
        self._settle()

    def stop(self, state: RunState, reason: str) -> None:
        """Begin no further step."""
        if self.state is RunState.RUNNING:
            self.state, self.reason = state, reason

    def _miss(self, step: Step, reason: str, now: Moment) -> Miss:
        self.ended(now, reason)
        return Miss(step, reason)

    def _settle(self) -> None:
        if self.state is RunState.RUNNING and self._position >= len(self._steps):
            self.state = RunState.COMPLETED

    def _lost(self, now: Moment) -> str:
        if not self._reference.synchronised:
            return "the machine restarted and its clock was not synchronised before: nobody knows how long it was off"
        if now.synchronised and now.wall_ns < self._reference.wall_ns:
            return "the machine restarted and its clock went back: nobody knows how long it was off"
        return ""

    def _rebase(self, now: Moment) -> None:
        """Tell the reference by the clock of the new start of the machine."""
        since_ns = now.wall_ns - self._reference.wall_ns
        self._reference = replace(now, boot_ns=now.boot_ns - since_ns, wall_ns=self._reference.wall_ns)


def step_command_id(run: str, number: int) -> str:
    """Give the id of the command of a step: the same after a restart, so that the command journal knows it.

    >>> step_command_id("9f86d081884c7d65", 1)
    'b0847b79c127df4afedc1ff66f287e13'
    """
    return hashlib.sha256(f"{run}/{number}".encode()).hexdigest()[:32]
