"""One run on board: waits, keeps what it is about to do, has it done, keeps what came of it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from heliograph.core import HeliographError, OutputError
from heliograph.link.command import Stage
from heliograph.link.event import Severity
from heliograph.link.sequence.checking import DefinitionOf, resolve
from heliograph.link.sequence.language import Step, parse
from heliograph.link.sequence.run import Miss, Moment, RunState, SequenceRun, Start, Wait, step_command_id
from heliograph.node.call import Submit
from heliograph.node.outlet import Emit
from heliograph.node.sequences.store import SequenceStore, StepState, StoredRun, StoredStep

logger = logging.getLogger(__name__)

_LONGEST_WAIT_S = 0.5
"""So often a set wall clock, and a machine that slept, are noticed."""

_LONGEST_REASON = 500
_INTERRUPTED = "interrupted: the node ended while it was under way; it is not run again"


@dataclass(frozen=True, slots=True)
class Board:
    """What a run needs of the node."""

    store: SequenceStore
    submit: Submit
    definition_of: DefinitionOf
    emit: Emit
    now: Callable[[], Moment]


class Runner:
    """Takes up a run where the store has it, and drives it to its end in the thread that calls `drive`."""

    def __init__(self, stored: StoredRun, board: Board) -> None:
        self.stored = stored
        self.steps, faults = parse(stored.text)
        self.waits_for = ""
        """What it waits for, where that is not the time of a step."""
        self.under_way: Step | None = None
        self.ended = threading.Event()
        self._board = board
        # Cancelling comes from another thread.
        self._lock = threading.Lock()
        self._changed = threading.Event()
        self.closing = False
        self.run = self._taken_up()
        if faults:
            self.run.stop(RunState.FAILED, f"this program does not understand its text: {faults[0].at(stored.name)}")

    def due(self) -> tuple[int, int]:
        """Give how long it is until the next step, and the wall clock's time then; both in nanoseconds."""
        now = self._board.now()
        remaining_ns = self.run.remaining_ns(now)
        return remaining_ns, now.wall_ns + remaining_ns

    def cancel(self, user: str) -> bool:
        """Begin no further step; the one that is under way goes on to its end. False when the run, or the node, ended.

        Raises `OutputError` when that cannot be kept: it holds as long as the node runs.
        """
        if self.closing:
            return False
        with self._lock:
            self.run.stop(RunState.CANCELLED, f"cancelled by {user or 'the node'}")
        self._changed.set()
        if self.run.state is not RunState.CANCELLED:
            return False
        # Now, as the step that is under way may take longer than the node lives.
        self._board.store.end_run(self.stored.id, self.run.state, self.run.reason)
        return True

    def close(self) -> None:
        """End the thread without ending the run: it is taken up again when the node is."""
        self.closing = True
        self._changed.set()

    def drive(self, wait: Callable[[float], Any] | None = None) -> None:
        """Run what is due until the run ends, or the node does; `wait` waits for seconds, or less."""
        wait = wait or self._changed.wait
        while not self.closing:
            now = self._board.now()
            with self._lock:
                action = self.run.next(now)
                # Whoever cancels from now on is told that this one goes on.
                self.under_way = action.step if isinstance(action, Start) else None
            self.waits_for = action.reason if isinstance(action, Wait) else ""
            match action:
                case None:
                    self._finish()
                    return
                case Wait(remaining_ns):
                    wait(min(remaining_ns / 1e9, _LONGEST_WAIT_S))
                case Miss(step, reason):
                    self._note(step, StepState.MISSED, now, reason)
                case Start(step):
                    self._do(step, now)

    def _taken_up(self) -> SequenceRun:
        """Go on after the last step that was begun; one that was under way has failed by the node's restart."""
        stored = self.stored
        run = SequenceRun(self.steps, stored.began, on_failure=stored.on_failure, grace_ns=stored.grace_ns)
        for done in self._board.store.steps(stored.id):
            # A step whose end the disk had no room for.
            while run.step and run.step.number < done.number:
                run.ended(done.moment, "its end could not be kept")
            if run.step is None:
                break
            if done.state is StepState.RUNNING:
                now = self._board.now()
                self._note(run.step, StepState.INTERRUPTED, now, _INTERRUPTED)
                run.ended(now, _INTERRUPTED)
            else:
                run.ended(done.moment, done.reason)
        return run

    def _do(self, step: Step, now: Moment) -> None:
        failure = self._failure(step, now)
        self.under_way = None
        self._note(step, StepState.FAILED if failure else StepState.COMPLETED, self._board.now(), failure)
        # It counts as ended once that is kept: slow storage does not make the next step late.
        with self._lock:
            self.run.ended(self._board.now(), failure)

    def _failure(self, step: Step, now: Moment) -> str:
        """Have a step done; gives why it failed, empty when it was completed."""
        stored, board = self.stored, self._board
        try:
            arguments = resolve(step, board.definition_of)
            board.store.note_step(stored.id, StoredStep(step.number, StepState.RUNNING, "", now))
            self._tell(step, StepState.RUNNING, "")
            user = f"sequence {stored.name} of {stored.user}"
            report = board.submit(step.name, arguments, user=user, id=step_command_id(stored.id, step.number))
        except HeliographError as error:
            return str(error)[:_LONGEST_REASON]
        except Exception as error:
            logger.exception("step %d of sequence %s", step.number, stored.name)
            return f"unexpected {type(error).__name__}: {error}; this is a defect"
        if report.stage is Stage.COMPLETED:
            return ""
        return f"{report.stage.value}: {report.reason[:_LONGEST_REASON]}" if report.reason else str(report.stage.value)

    def _finish(self) -> None:
        stored, run = self.stored, self.run
        try:
            self._board.store.end_run(stored.id, run.state, run.reason)
        except OutputError as error:
            logger.error("how sequence %s ended is not kept: %s", stored.name, error)
        told = f": {run.reason}" if run.reason else f", {run.failures} steps failed" if run.failures else ""
        self._board.emit(
            Severity.WARNING if run.failures or run.state is RunState.FAILED else Severity.ACTIVITY,
            f"sequence.{run.state.value}",
            f"sequence {stored.name} {run.state.value}{told}",
            run=stored.id,
            sequence=stored.name,
            failures=run.failures,
            reason=run.reason,
        )
        self.ended.set()

    def _note(self, step: Step, state: StepState, moment: Moment, reason: str = "") -> None:
        try:
            self._board.store.note_step(self.stored.id, StoredStep(step.number, state, reason, moment))
        except OutputError as error:
            # The step was noted as running: after a restart it counts as interrupted, and is not run again.
            logger.error("how step %d of sequence %s ended is not kept: %s", step.number, self.stored.name, error)
        self._tell(step, state, reason)

    def _tell(self, step: Step, state: StepState, reason: str) -> None:
        told = f": {reason}" if reason else ""
        self._board.emit(
            Severity.COMMAND if state in (StepState.RUNNING, StepState.COMPLETED) else Severity.WARNING,
            "sequence.step",
            f"sequence {self.stored.name} step {step.number} (line {step.line}) {step.name} {state.value}{told}",
            run=self.stored.id,
            sequence=self.stored.name,
            step=step.number,
            line=step.line,
            command=step.name,
            state=state.value,
            reason=reason,
        )
