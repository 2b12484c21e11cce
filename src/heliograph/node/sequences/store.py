"""What outlives the node: the sequences that were loaded, and each run with each step that it has begun."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from heliograph.link.database import Database
from heliograph.link.sequence.run import Moment, OnFailure, RunState

logger = logging.getLogger(__name__)

_APPLICATION = 0x48656C53
_SCHEMA = """
CREATE TABLE sequence (
    name TEXT PRIMARY KEY, text TEXT NOT NULL, user TEXT NOT NULL, wall_ns INTEGER NOT NULL
);
CREATE TABLE run (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, text TEXT NOT NULL, user TEXT NOT NULL,
    on_failure TEXT NOT NULL, grace_ns INTEGER NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL,
    boot_ns INTEGER NOT NULL, wall_ns INTEGER NOT NULL, machine TEXT NOT NULL, synchronised INTEGER NOT NULL
);
CREATE TABLE step (
    run TEXT NOT NULL, number INTEGER NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL,
    boot_ns INTEGER NOT NULL, wall_ns INTEGER NOT NULL, machine TEXT NOT NULL, synchronised INTEGER NOT NULL,
    PRIMARY KEY (run, number)
) WITHOUT ROWID;
"""


class StepState(Enum):
    """What became of a step that was due."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    MISSED = "missed"
    """Not run, since its time had passed."""
    INTERRUPTED = "interrupted"
    """The node died while it was under way: nobody knows, and it is not run again."""


@dataclass(frozen=True, slots=True)
class StoredSequence:
    """A sequence that was loaded."""

    name: str
    text: str
    user: str
    wall_ns: int


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run as it was begun; what came of it is in its steps."""

    id: str
    name: str
    text: str
    user: str
    on_failure: OnFailure
    grace_ns: int
    began: Moment
    state: RunState = RunState.RUNNING
    reason: str = ""


@dataclass(frozen=True, slots=True)
class StoredStep:
    """The newest state of a step, and since when."""

    number: int
    state: StepState
    reason: str
    moment: Moment


class SequenceStore:
    """One SQLite file; every change is on the disk when its method returns, or `OutputError` is raised."""

    def __init__(self, path: Path, *, runs_kept: int = 100) -> None:
        self._runs_kept = runs_kept
        self._database = Database(
            path,
            application=_APPLICATION,
            version=1,
            schema=_SCHEMA,
            opened=lambda _: None,
            report=lambda line: logger.error("%s", line),
        )

    def close(self) -> None:
        """Close the file; nothing waits to be written."""
        self._database.close()

    def save(self, sequence: StoredSequence) -> None:
        """Keep a sequence in the place of the one of its name."""
        with self._database.transaction() as change:
            values = (sequence.name, sequence.text, sequence.user, sequence.wall_ns)
            change.execute("REPLACE INTO sequence VALUES (?, ?, ?, ?)", values)

    def delete(self, name: str) -> bool:
        """Forget a sequence; gives whether there was one."""
        with self._database.transaction() as change:
            return change.execute("DELETE FROM sequence WHERE name = ?", (name,)).rowcount > 0

    def sequences(self) -> list[StoredSequence]:
        """Give what was loaded, by name."""
        with self._database.query("SELECT name, text, user, wall_ns FROM sequence ORDER BY name") as rows:
            return [StoredSequence(*row) for row in rows]

    def begin_run(self, run: StoredRun) -> None:
        """Keep a new run, and forget the oldest of those that have ended when there are too many."""
        values = (run.id, run.name, run.text, run.user, run.on_failure.value, run.grace_ns, run.state.value, run.reason)
        with self._database.transaction() as change:
            change.execute(f"INSERT INTO run VALUES (NULL{', ?' * 12})", (*values, *_columns(run.began)))
            change.execute(
                "DELETE FROM run WHERE state != 'running' AND number NOT IN "
                "(SELECT number FROM run ORDER BY number DESC LIMIT ?)",
                (self._runs_kept,),
            )
            change.execute("DELETE FROM step WHERE run NOT IN (SELECT id FROM run)")

    def end_run(self, run: str, state: RunState, reason: str) -> None:
        """Keep how a run ended."""
        with self._database.transaction() as change:
            change.execute("UPDATE run SET state = ?, reason = ? WHERE id = ?", (state.value, reason, run))

    def note_step(self, run: str, step: StoredStep) -> None:
        """Keep the new state of a step; nothing is run before its `RUNNING` is kept."""
        values = (run, step.number, step.state.value, step.reason, *_columns(step.moment))
        with self._database.transaction() as change:
            change.execute(f"REPLACE INTO step VALUES (?{', ?' * 7})", values)

    def runs(self) -> list[StoredRun]:
        """Give every run that is kept, oldest first."""
        columns = "id, name, text, user, on_failure, grace_ns, state, reason, boot_ns, wall_ns, machine, synchronised"
        with self._database.query(f"SELECT {columns} FROM run ORDER BY number") as rows:
            return [_run(*row) for row in rows]

    def steps(self, run: str) -> list[StoredStep]:
        """Give the steps of a run that were due, in order."""
        columns = "number, state, reason, boot_ns, wall_ns, machine, synchronised"
        with self._database.query(f"SELECT {columns} FROM step WHERE run = ? ORDER BY number", (run,)) as rows:
            return [_step(*row) for row in rows]


def _run(
    id_: str, name: str, text: str, user: str, on_failure: str, grace_ns: int, state: str, reason: str, *began: Any
) -> StoredRun:
    return StoredRun(id_, name, text, user, OnFailure(on_failure), grace_ns, _moment(*began), RunState(state), reason)


def _step(number: int, state: str, reason: str, *moment: Any) -> StoredStep:
    return StoredStep(number, StepState(state), reason, _moment(*moment))


def _columns(moment: Moment) -> tuple[int, int, str, bool]:
    return moment.boot_ns, moment.wall_ns, moment.machine, moment.synchronised


def _moment(boot_ns: int, wall_ns: int, machine: str, synchronised: int) -> Moment:
    return Moment(boot_ns, wall_ns, machine, bool(synchronised))
