"""A node's journal and executor, and commands that do what a test tells them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from heliograph.core import CommandFailedError
from heliograph.link.command import Command, JournalEntry, Stage, StageReport
from heliograph.link.dictionary import Argument, CommandDefinition
from heliograph.link.keys import PrivateKey
from heliograph.node import call
from heliograph.node.commands.executor import Executor
from heliograph.node.commands.journal import CommandJournal
from heliograph.node.commands.offers import Offers

NODE = PrivateKey.generate().public
KEY = "ab" * 32


class Board:
    """Journal and executor in a folder; every stage that is told is kept."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.told: list[StageReport] = []
        self.runs: list[str] = []
        self.go = threading.Event()
        self.begun = threading.Semaphore(0)
        self.journal = CommandJournal(folder / "commands.db")
        self.offers = Offers()
        self.offers.add(self._commands())
        self.executor = Executor(
            self.journal, self.offers, node=NODE, boot="boot", report=self._report, **{"grace_s": 0.2} | options
        )
        self._counter = 0

    def command(self, name: str, arguments: Mapping[str, Any] | None = None, **fields: Any) -> Command:
        self._counter += 1
        given: dict[str, Any] = {
            "id": f"{self._counter:032x}",
            "counter": self._counter,
            "expires_boot_ns": 1 << 62,
        }
        return Command(node=NODE.hex, boot="boot", name=name, arguments=dict(arguments or {}), **given | fields)

    def take(self, command: Command, digest: bytes = b"digest") -> tuple[StageReport, ...]:
        return self.executor.take(command, command.arguments, KEY, digest)

    def end_of(self, command: Command) -> StageReport:
        """Wait for the end of a command that was taken."""
        report = self.executor.submit(command.name, {}, user="", id=command.id)
        assert report.stage.final
        return report

    def stages_told(self, command: Command) -> list[Stage]:
        return [each.stage for each in self.told if each.command == command.id]

    def close(self) -> None:
        self.go.set()
        self.executor.close(5.0)
        self.journal.close()

    def _report(self, entry: JournalEntry) -> None:
        self.told.append(entry.stages[-1])

    def _commands(self) -> list[call.Command]:
        def offer(name: str, run: call.Run, *, prompt: bool = False, **fields: Any) -> call.Command:
            return call.Command(CommandDefinition(name=name, description="A test's.", **fields), run, prompt=prompt)

        def counted(run: Callable[[call.Call], Any]) -> call.Run:
            def body(running: call.Call) -> Any:
                self.runs.append(running.id)
                self.begun.release()
                return run(running)

            return body

        def wait(running: call.Call) -> str:
            """Until the test lets it go; ends early when it is asked to."""
            while not self.go.wait(0.005):
                if running.cancelled.is_set():
                    raise CommandFailedError("gave up")
            return "done"

        def deaf(_: call.Call) -> str:
            self.go.wait(20.0)
            return "at last"

        def count(running: call.Call) -> None:
            for number in range(1000):
                running.progress(str(number), number / 999)
                if number % 250 == 249:
                    self.go.wait(0.15)

        def fail(running: call.Call) -> None:
            raise CommandFailedError("the shutter is stuck")

        def break_down(running: call.Call) -> None:
            raise ZeroDivisionError("by zero")

        def give(running: call.Call) -> Any:
            return GIVEN[running.arguments["what"]]

        return [
            offer("note", counted(lambda running: dict(running.arguments)), aliases=("memo",)),
            offer("note.prompt", counted(lambda running: "noted"), prompt=True),
            offer("wait", counted(wait), cancellable=True),
            offer("wait.stubbornly", counted(wait)),
            offer("wait.briefly", counted(wait), timeout_s=0.1),
            offer("deaf", counted(deaf), timeout_s=0.1),
            offer("deaf.long", counted(deaf)),
            offer("count", counted(count)),
            offer("fail", counted(fail)),
            offer("break", counted(break_down)),
            offer("give", counted(give), arguments=(Argument(name="what"),)),
        ]


GIVEN: dict[str, Any] = {
    "tuple": (1, 2.5, True, None, "text"),
    "large": "x" * 65_536,
    "object": object(),
    "surrogate": "\udcff",
    "huge number": 1 << 70,
}


@pytest.fixture
def board_in() -> Iterator[Callable[..., Board]]:
    """Give what starts a board in a folder; all are ended after the test."""
    boards: list[Board] = []

    def start(folder: Path, **options: Any) -> Board:
        boards.append(Board(folder, **options))
        return boards[-1]

    yield start
    for board in boards:
        board.close()


@pytest.fixture
def board(board_in: Callable[..., Board], tmp_path: Path) -> Board:
    return board_in(tmp_path)
