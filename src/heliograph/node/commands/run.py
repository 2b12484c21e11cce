"""One command under way: the stages it has come to, and what its function is given."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

from heliograph.link.command import Command, JournalEntry, Stage, StageReport
from heliograph.node import call
from heliograph.node.commands.plain import share, words

Stages = tuple[StageReport, ...]

_OFTEN_NS = 100_000_000
_SELDOM_NS = 1_000_000_000


def now_boot_ns() -> int:
    """Read CLOCK_BOOTTIME, which never steps."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def stage_report(command: str, number: int, stage: Stage, reason: str = "", **fields: Any) -> StageReport:
    """Give the report of a stage that is reached now."""
    return StageReport(
        command=command,
        number=number,
        stage=stage,
        boot_time_ns=now_boot_ns(),
        wall_time_ns=time.time_ns(),
        reason=words(reason),
        **fields,
    )


def with_stage(stages: Stages, stage: Stage, reason: str = "", **fields: Any) -> Stages:
    """Give the stages of a command with one more, reached now; of progress only the last is kept."""
    last = stages[-1]
    kept = stages[:-1] if last.stage is stage is Stage.PROGRESS else stages
    return (*kept, stage_report(last.command, last.number + 1, stage, reason, **fields))


class Run:
    """One run of a command; implements `node.call.Call`."""

    def __init__(
        self, offered: call.Command, arguments: Mapping[str, Any], command: Command, key: str, stages: Stages
    ) -> None:
        self.offered = offered
        self.arguments = arguments
        self.command = command
        self.key = key
        self.stages = stages
        self.lock = threading.Lock()
        """Held while a stage is written and told, so that the stages are told in order."""
        self.cancelled = threading.Event()
        self.ended = threading.Event()
        """Set once its last stage is told."""
        self.stopped_for: Stage | None = None
        """What it was asked to end as: cancelled or timed out."""
        self.stop_reason = ""
        self.held_up = False
        """Whether a stage could not be written, which the log has said."""
        self._told_ns = 0
        self._newest: tuple[str, float | None] | None = None

    @property
    def id(self) -> str:
        """`Command.id`."""
        return self.command.id

    @property
    def user(self) -> str:
        """Who asked for it."""
        return self.command.user

    @property
    def entry(self) -> JournalEntry:
        """The command as the journal has it."""
        return JournalEntry(command=self.command, key=self.key, stages=self.stages)

    @property
    def stage(self) -> Stage:
        """The last one that was told."""
        return self.stages[-1].stage

    def elapsed_ns(self, now_ns: int) -> int:
        """Give how long it has been running; 0 before it began."""
        return next((now_ns - each.boot_time_ns for each in self.stages if each.stage is Stage.STARTED), 0)

    def progress(self, text: str, fraction: float | None = None) -> None:
        """Report that it is getting on; see `Call`."""
        self._newest = (words(text), share(fraction))

    def due_progress(self, now_ns: int) -> tuple[str, float | None] | None:
        """Give the newest progress when it is time to tell some: every 0.1 s at first, every 1 s of a long run."""
        apart_ns = min(max(_OFTEN_NS, self.elapsed_ns(now_ns) // 100), _SELDOM_NS)
        if self._newest is None or now_ns - self._told_ns < apart_ns:
            return None
        self._told_ns = now_ns
        newest, self._newest = self._newest, None
        return newest

    def stop(self, stage: Stage, reason: str) -> None:
        """Ask it to end; the first who asks gives the stage and the reason."""
        if self.stopped_for is None:
            self.stopped_for, self.stop_reason = stage, reason
            self.cancelled.set()
