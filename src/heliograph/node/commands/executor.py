"""Runs commands: each at most once, and each stage is in the journal before it is told and before anything happens."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from heliograph.core import CommandFailedError, CommandRefusedError, HeliographError, OutputError
from heliograph.link.arguments import check, near
from heliograph.link.command import Command, JournalEntry, JournalRequest, Stage, StageReport
from heliograph.link.keys import PublicKey
from heliograph.node.commands.journal import LEFT_RUNNING, NOT_BEGUN, CommandJournal
from heliograph.node.commands.lane import Lane
from heliograph.node.commands.offers import Offers
from heliograph.node.commands.plain import plain
from heliograph.node.commands.run import Run, Stages, now_boot_ns, stage_report, with_stage

logger = logging.getLogger(__name__)

Report = Callable[[JournalEntry], None]
"""Is given a command whose last stage is new, each stage once and in order; hands it over and returns."""

_TICK_S = 0.1
_RETRY_S = 1.0
_PROMPT_WORKERS = 2
_PROMPT_WAITING = 16


class Executor:
    """Runs what `offers` has, `workers` commands at once while `waiting` more wait; prompt ones pass them by.

    What a former run of the node left without an end is reported as interrupted at once, or as soon as the journal can
    be written; until then every command is refused.
    """

    def __init__(
        self,
        journal: CommandJournal,
        offers: Offers,
        *,
        node: PublicKey,
        boot: str,
        report: Report,
        workers: int = 8,
        waiting: int = 32,
        grace_s: float = 5.0,
    ) -> None:
        self._journal = journal
        self._offers = offers
        self._node = node
        self._boot = boot
        self._report = report
        self._grace_ns = round(grace_s * 1e9)
        self._busy = f"busy: {workers} commands run and {waiting} wait: send it again when some have ended"
        self._lane = Lane("command", workers, waiting)
        self._prompt_lane = Lane("prompt command", _PROMPT_WORKERS, _PROMPT_WAITING)
        self._runs: dict[str, Run] = {}
        # Held while a command is entered, so that what the journal knows without an end is in `_runs`.
        self._entering = threading.Lock()
        self._some = threading.Event()
        self._closing = threading.Event()
        self._closed = threading.Event()
        self._former = True
        try:
            self._end_former()
        except OutputError as error:
            logger.error("no command can be run for now: %s", error)
        self._watch = threading.Thread(target=self._keep_watch, name="command watch", daemon=True)
        self._watch.start()

    def take(self, command: Command, arguments: Mapping[str, Any], key: str = "", digest: bytes = b"") -> Stages:
        """Accept a command that may run, and give its stages so far; it runs in a thread of its own.

        `arguments` are checked ones, `key` is the one that signed it and `digest` that of what is signed: signed as it
        is it may come any number of times. It is refused when too many are under way, or when the journal
        cannot be written.
        """
        offered = self._offers.command_of(command.name)
        if offered is None:
            reason = f"no command {command.name[:60]!r}{near(command.name, self._offers.names)}"
            return self.refuse(command, reason, key, digest, counted=bool(key))
        lane = self._prompt_lane if offered.prompt else self._lane
        if not lane.reserve():
            return self.refuse(command, self._busy, key, digest, counted=bool(key))
        stages = with_stage((stage_report(command.id, 1, Stage.RECEIVED),), Stage.ACCEPTED)
        run = Run(offered, arguments, command, key, stages)
        try:
            with self._entering:
                if self._closing.is_set():
                    raise CommandRefusedError("the node is ending")
                self._end_former()
                known = self._journal.enter(run.entry, digest, counted=bool(key))
                if known is None:
                    self._runs[command.id] = run
                    self._tell(run.entry)
        except (CommandRefusedError, OutputError) as error:
            lane.release()
            self._journal.spend(key, command.counter)
            return _refusal(command, f"{error}: it did not run")
        if known is not None:
            lane.release()
            return known
        self._some.set()
        lane.put(partial(self._execute, run))
        return stages

    def refuse(
        self, command: Command, reason: str, key: str = "", digest: bytes = b"", *, counted: bool = False
    ) -> Stages:
        """Enter a command that must not run, and give its stages; `counted` uses up its counter."""
        entry = JournalEntry(command=command, key=key, stages=_refusal(command, reason))
        try:
            with self._entering:
                self._end_former()
                known = self._journal.enter(entry, digest, counted=counted)
        except (CommandRefusedError, OutputError) as error:
            if counted:
                self._journal.spend(key, command.counter)
            logger.warning("command %s was refused (%s) and is not in the journal: %s", command.id, reason, error)
            return entry.stages
        if known is None:
            self._tell(entry)
        return entry.stages if known is None else known

    def submit(self, name: str, arguments: Mapping[str, Any], *, user: str, id: str) -> StageReport:
        """Run a command on the node's own behalf and wait for its end; see `node.call.Submit`."""
        # A known id gives what became of it, whatever it is asked for now.
        command = Command(
            id=id,
            node=self._node.hex,
            boot=self._boot,
            counter=0,
            expires_boot_ns=0,
            name=name,
            arguments=dict(arguments),
            user=user,
        )
        definition = self._offers.definition_of(name)
        try:
            stages = self.take(command, check(definition, arguments) if definition else {})
        except CommandRefusedError as error:
            stages = self.refuse(command, str(error))
        while not stages[-1].stage.final:
            with self._entering:
                run = self._runs.get(id)
            if run is None:
                stages = self._journal.entries(JournalRequest(command=id))[0].stages
            else:
                run.ended.wait()
                stages = run.stages if run.stage.final else with_stage(run.stages, Stage.INTERRUPTED, LEFT_RUNNING)
        return stages[-1]

    def cancel(self, command: str, by: str) -> str:
        """Ask a command to end, and tell what that means for it. Raises `CommandFailedError` where it cannot be."""
        run = self._runs.get(command)
        if run is None:
            raise CommandFailedError(f"no command with the id {command} is under way")
        if self._advance(run, Stage.CANCELLED, f"cancelled by {by} before it began", after=Stage.ACCEPTED):
            return "cancelled before it began"
        if not run.offered.definition.cancellable:
            raise CommandFailedError(f"{run.offered.definition.name} cannot be cancelled once it runs")
        run.stop(Stage.CANCELLED, f"cancelled by {by}")
        return "asked to end"

    def close(self, timeout_s: float) -> None:
        """Take no new ones, ask the running ones to end, and wait; what has not ended by then is interrupted."""
        self._closing.set()
        with self._entering:
            runs = list(self._runs.values())
        for run in runs:
            if not self._try_advance(run, Stage.CANCELLED, NOT_BEGUN, after=Stage.ACCEPTED):
                run.stop(Stage.CANCELLED, "the node ended")
        deadline_s = time.monotonic() + timeout_s
        for run in runs:
            if not run.ended.wait(max(deadline_s - time.monotonic(), 0.0)):
                self._try_advance(run, Stage.INTERRUPTED, LEFT_RUNNING)
                run.ended.set()
        self._closed.set()
        self._some.set()
        self._watch.join()
        self._lane.close()
        self._prompt_lane.close()

    def _end_former(self) -> None:
        """Tell what a former run of the node left without an end; before that, nothing new is entered."""
        if self._former:
            for entry in self._journal.interrupt():
                self._report(entry)
            self._former = False

    def _execute(self, run: Run) -> None:
        if 0 < run.command.expires_boot_ns < now_boot_ns():
            self._finish(run, Stage.FAILED, "expired while it waited for others: it did not run")
            return
        try:
            if not self._advance(run, Stage.STARTED, after=Stage.ACCEPTED):
                return
        except OutputError as error:
            self._finish(run, Stage.FAILED, f"{error}: it did not run")
            return
        stage, reason, result = Stage.COMPLETED, "", None
        try:
            result = plain(run.offered.run(run))
        except HeliographError as error:
            stage, reason = Stage.FAILED, str(error)
            if run.stopped_for is Stage.CANCELLED:
                stage, reason = Stage.CANCELLED, f"{run.stop_reason}: {error}"
        except (Exception, SystemExit) as error:
            logger.exception("command %s failed unexpectedly", run.command.name)
            stage, reason = Stage.FAILED, f"unexpected {type(error).__name__}: {error}: this is a defect"
        if run.stopped_for is Stage.TIMED_OUT:
            ended_s = run.elapsed_ns(now_boot_ns()) / 1e9
            told = f" ({reason})" if reason else ""
            stage, reason = Stage.TIMED_OUT, f"{run.stop_reason} and ended after {ended_s:.1f} s{told}"
        self._finish(run, stage, reason, result=result)

    def _finish(self, run: Run, stage: Stage, reason: str, result: Any = None) -> None:
        """Write and tell the end, as soon as the journal can be written."""
        while not self._try_advance(run, stage, reason, result=result) and not run.stage.final:
            if self._closing.wait(_RETRY_S):
                run.ended.set()
                return

    def _advance(self, run: Run, stage: Stage, reason: str = "", *, after: Stage | None = None, **fields: Any) -> bool:
        """Write and tell the next stage, unless the last one is told, or another than `after`. Raises `OutputError`."""
        with run.lock:
            if run.stage.final or after not in (None, run.stage):
                return False
            stages = with_stage(run.stages, stage, reason, **fields)
            self._journal.write(run.id, stages)
            run.stages = stages
            self._report(run.entry)
        if stage.final:
            with self._entering:
                del self._runs[run.id]
            run.ended.set()
        return True

    def _try_advance(self, run: Run, stage: Stage, reason: str, *, after: Stage | None = None, **fields: Any) -> bool:
        try:
            return self._advance(run, stage, reason, after=after, **fields)
        except OutputError as error:
            if not run.held_up:
                logger.error("command %s is %s, which waits to be told: %s", run.id, stage.value, error)
                run.held_up = True
            return False

    def _tell(self, entry: JournalEntry) -> None:
        """Tell the first stages, which were written together."""
        for count in range(1, len(entry.stages) + 1):
            self._report(JournalEntry(command=entry.command, key=entry.key, stages=entry.stages[:count]))

    def _keep_watch(self) -> None:
        while not self._closed.wait(_TICK_S):
            self._some.wait()
            with self._entering:
                runs = list(self._runs.values())
                if not runs and not self._closed.is_set():
                    self._some.clear()
            for run in runs:
                self._look_after(run, now_boot_ns())

    def _look_after(self, run: Run, now_ns: int) -> None:
        elapsed_ns = run.elapsed_ns(now_ns)
        if not elapsed_ns:
            return
        if progress := run.due_progress(now_ns):
            self._try_advance(run, Stage.PROGRESS, progress[0], fraction=progress[1])
        timeout_s = run.offered.definition.timeout_s
        late_ns = elapsed_ns - timeout_s * 1e9
        if late_ns > 0:
            run.stop(Stage.TIMED_OUT, f"took longer than {timeout_s:g} s")
        if late_ns > self._grace_ns:
            reason = f"took longer than {timeout_s:g} s, and did not end when it was asked to: it may still be at work"
            self._try_advance(run, Stage.TIMED_OUT, reason)


def _refusal(command: Command, reason: str) -> Stages:
    return with_stage((stage_report(command.id, 1, Stage.RECEIVED),), Stage.REFUSED, reason)
