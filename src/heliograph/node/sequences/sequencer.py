"""The sequences of a node: loaded, begun, cancelled, listed; several run at once, each in a thread of its own."""

from __future__ import annotations

import logging
import re
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path

from heliograph.core import OutputError, SequenceError
from heliograph.link.event import Severity
from heliograph.link.sequence.checking import DefinitionOf, check
from heliograph.link.sequence.language import Step, parse
from heliograph.link.sequence.run import GRACE_NS, Moment, OnFailure, RunState
from heliograph.node.call import Submit
from heliograph.node.outlet import Emit
from heliograph.node.sequences.runner import Board, Runner
from heliograph.node.sequences.store import SequenceStore, StoredRun, StoredSequence

logger = logging.getLogger(__name__)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_LARGEST_BYTES = 1_000_000
_MOST_LOADED = 100
_TOLD_FAULTS = 5


def read_moment(synchronised: Callable[[], bool]) -> Moment:
    """Read the clocks of this machine."""
    return Moment(
        boot_ns=time.clock_gettime_ns(time.CLOCK_BOOTTIME),
        wall_ns=time.time_ns(),
        machine=Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip(),
        synchronised=synchronised(),
    )


class Sequencer:
    """Keeps sequences in a folder and runs them; `start` takes up what ran when the node ended.

    `submit` runs one command through the journal, `now` reads the clocks of the machine. Raises `OutputError` when the
    folder cannot be written.
    """

    def __init__(
        self,
        folder: Path,
        submit: Submit,
        definition_of: DefinitionOf,
        *,
        emit: Emit,
        now: Callable[[], Moment],
        most_runs: int = 4,
    ) -> None:
        self._store = SequenceStore(folder / "sequences.db")
        self._board = Board(self._store, submit, definition_of, emit, now)
        self._most_runs = most_runs
        self._lock = threading.Lock()
        self._running: dict[str, Runner] = {}
        self._threads: dict[str, threading.Thread] = {}
        self._closed = False

    def start(self) -> None:
        """Take up every run that had not ended; call it when commands can be submitted."""
        try:
            open_runs = [each for each in self._store.runs() if each.state is RunState.RUNNING]
            runners = [Runner(each, self._board) for each in open_runs]
        except OutputError as error:
            # The node starts nevertheless: only then can somebody make room.
            self._board.emit(Severity.ALARM, "sequence.failed", f"no sequence is taken up: {error}")
            return
        with self._lock:
            for runner in runners:
                self._launch(runner)

    def stop(self) -> None:
        """Begin no further step; what runs is taken up again by the next `start`. Call it before commands are ended."""
        with self._lock:
            self._closed = True
            for runner in self._running.values():
                runner.close()

    def close(self, timeout_s: float = 5.0) -> None:
        """Stop, wait this long for steps that are under way, and close the file. Call it after commands are ended."""
        self.stop()
        until_s = time.monotonic() + timeout_s
        with self._lock:
            threads = list(self._threads.values())
        for thread in threads:
            thread.join(max(0.0, until_s - time.monotonic()))
        self._store.close()

    def load(self, name: str, text: str, user: str) -> int:
        """Check a sequence and keep it under a name; gives how many steps it has. Raises `SequenceError`."""
        if not _NAME.fullmatch(name):
            raise SequenceError(f"{name!r} is no name: up to 64 letters, digits and . _ -, the first a letter or digit")
        if len(text.encode()) > _LARGEST_BYTES:
            raise SequenceError(f"{name} has more than {_LARGEST_BYTES} bytes: make several sequences of it")
        steps = self._checked(name, text)
        others = [each for each in self._store.sequences() if each.name != name]
        if len(others) >= _MOST_LOADED:
            raise SequenceError(f"{_MOST_LOADED} sequences are loaded: sequence.delete one first")
        self._store.save(StoredSequence(name, text, user, self._board.now().wall_ns))
        return len(steps)

    def delete(self, name: str) -> None:
        """Forget a sequence; a run of it goes on. Raises `SequenceError` when there is none."""
        if not self._store.delete(name):
            raise self._unknown(name)

    def begin(
        self, name: str, user: str, *, on_failure: OnFailure = OnFailure.STOP, grace_ns: int = GRACE_NS
    ) -> Runner:
        """Run a loaded sequence. Raises `SequenceError` when it is unknown, runs already, or too many do."""
        found = next((each for each in self._store.sequences() if each.name == name), None)
        if found is None:
            raise self._unknown(name)
        # The node may have other commands than when it was loaded.
        self._checked(name, found.text)
        began = self._board.now()
        stored = StoredRun(secrets.token_hex(8), name, found.text, user, on_failure, grace_ns, began)
        with self._lock:
            self._refuse_more(name)
            self._store.begin_run(stored)
            self._board.emit(
                Severity.ACTIVITY,
                "sequence.started",
                f"sequence {name} started by {user or 'the node'}",
                run=stored.id,
                sequence=name,
                user=user,
            )
            runner = Runner(stored, self._board)
            self._launch(runner)
        return runner

    def cancel(self, which: str, user: str) -> Runner:
        """Begin no further step of a run, given by its id or its sequence's name. Raises `SequenceError`."""
        running = self.running()
        runner = running.get(which) or next((each for each in running.values() if each.stored.name == which), None)
        if runner is None or not runner.cancel(user):
            raise SequenceError(f"no run of {which} is under way: sequence.list tells which are")
        return runner

    def running(self) -> dict[str, Runner]:
        """Give the runs that are under way, by id."""
        with self._lock:
            return self._under_way()

    @property
    def store(self) -> SequenceStore:
        """What is kept of sequences and runs."""
        return self._store

    def _checked(self, name: str, text: str) -> tuple[Step, ...]:
        steps, faults = parse(text)
        faults = faults or check(steps, self._board.definition_of)
        if faults:
            told = "; ".join(each.at(name) for each in faults[:_TOLD_FAULTS])
            more = f"; and {len(faults) - _TOLD_FAULTS} more" if len(faults) > _TOLD_FAULTS else ""
            raise SequenceError(told + more)
        return steps

    def _refuse_more(self, name: str) -> None:
        if self._closed:
            raise SequenceError("the node is ending: start it again afterwards")
        names = sorted(each.stored.name for each in self._under_way().values())
        if name in names:
            raise SequenceError(f"{name} runs already: wait for its end, or sequence.cancel {name}")
        if len(names) >= self._most_runs:
            told = ", ".join(names)
            raise SequenceError(f"{len(names)} sequences run already ({told}): wait for one, or sequence.cancel it")

    def _under_way(self) -> dict[str, Runner]:
        return {run: each for run, each in self._running.items() if not each.ended.is_set()}

    def _launch(self, runner: Runner) -> None:
        thread = threading.Thread(
            target=self._drive, args=(runner,), name=f"sequence {runner.stored.name}", daemon=True
        )
        self._running[runner.stored.id] = runner
        self._threads[runner.stored.id] = thread
        thread.start()

    def _drive(self, runner: Runner) -> None:
        try:
            runner.drive()
        except Exception:
            logger.exception("sequence %s is not driven any more; this is a defect", runner.stored.name)
        finally:
            with self._lock:
                self._running.pop(runner.stored.id, None)
                self._threads.pop(runner.stored.id, None)

    def _unknown(self, name: str) -> SequenceError:
        names = ", ".join(each.name for each in self._store.sequences())
        return SequenceError(f"no sequence {name} is loaded; {f'there is {names}' if names else 'there is none'}")
