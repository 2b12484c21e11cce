"""The commands by which the ground loads, starts, cancels and lists sequences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from heliograph.core import CommandFailedError, SequenceError
from heliograph.link.dictionary import Argument, CommandDefinition, Hazard
from heliograph.link.sequence.run import GRACE_NS, OnFailure, RunState
from heliograph.node.call import Call, Command, Run
from heliograph.node.sequences import status
from heliograph.node.sequences.runner import Runner
from heliograph.node.sequences.sequencer import Sequencer

_MOST_CHARACTERS = 60_000
"""A command travels as one message; longer sequences come as files."""
_WEEK_S = 7 * 86_400.0

_NAME = Argument(name="name", description="Name of the sequence.", maximum=64)
_FILE = Argument(name="file", type="path", description="Where it was uplinked to.")
_ON_FAILURE = Argument(
    name="on_failure",
    choices=tuple(each.value for each in OnFailure),
    default=OnFailure.STOP.value,
    description="What becomes of the run when a step fails or is late.",
)
_GRACE = Argument(
    name="grace",
    type="number",
    unit="s",
    minimum=0.1,
    maximum=3600.0,
    default=GRACE_NS / 1e9,
    description="How long after its time a step may still begin.",
)
_WAIT = Argument(
    name="wait",
    choices=("NO_BLOCK", "BLOCK"),
    default="NO_BLOCK",
    description="BLOCK: the command is completed when the sequence is.",
)


def sequence_commands(sequencer: Sequencer, read_file: Callable[[str], bytes]) -> list[Command]:
    """Give the commands; `read_file` gives the content of an uplinked file, or raises a `HeliographError`."""
    orders = _Orders(sequencer, read_file)
    text = Argument(name="text", description="The sequence.", maximum=_MOST_CHARACTERS)
    which = Argument(name="which", description="Name of a sequence, or a run's id.", maximum=64)
    return [
        _command("sequence.load", "Check a sequence and keep it on board.", (_NAME, text), orders.load),
        _command("sequence.load_file", "Keep an uplinked file as a sequence.", (_NAME, _FILE), orders.load_file),
        _command("sequence.start", "Run a sequence.", (_NAME, _ON_FAILURE, _GRACE), orders.start, Hazard.CAUTION),
        Command(
            CommandDefinition(
                name="sequence.run_file",
                description="Keep an uplinked file as a sequence of its name, and run it.",
                arguments=(_FILE, _WAIT),
                hazard=Hazard.CAUTION,
                timeout_s=_WEEK_S,
                cancellable=True,
                aliases=("cmdSeq.CS_RUN",),
            ),
            orders.run_file,
        ),
        replace(_command("sequence.cancel", "Begin no further step of a run.", (which,), orders.cancel), prompt=True),
        _command(
            "sequence.list",
            "Tell what is loaded and what runs, or the steps of one run.",
            (Argument(name="which", description=which.description, default="", maximum=64),),
            orders.list,
        ),
        _command("sequence.delete", "Forget a sequence; a run of it goes on.", (_NAME,), orders.delete),
    ]


def _command(
    name: str, description: str, arguments: tuple[Argument, ...], run: Run, hazard: Hazard = Hazard.NONE
) -> Command:
    return Command(CommandDefinition(name=name, description=description, arguments=arguments, hazard=hazard), run)


class _Orders:
    def __init__(self, sequencer: Sequencer, read_file: Callable[[str], bytes]) -> None:
        self._sequencer = sequencer
        self._read_file = read_file

    def load(self, call: Call) -> dict[str, Any]:
        return self._keep(call.arguments["name"], call.arguments["text"], call.user)

    def load_file(self, call: Call) -> dict[str, Any]:
        return self._keep(call.arguments["name"], self._text_of(call.arguments["file"]), call.user)

    def start(self, call: Call) -> dict[str, Any]:
        runner = self._sequencer.begin(
            call.arguments["name"],
            call.user,
            on_failure=OnFailure(call.arguments["on_failure"]),
            grace_ns=round(call.arguments["grace"] * 1e9),
        )
        return _told(runner)

    def run_file(self, call: Call) -> dict[str, Any]:
        file = call.arguments["file"]
        name = PurePosixPath(file).name
        self._keep(name, self._text_of(file), call.user)
        runner = self._sequencer.begin(name, call.user)
        if call.arguments["wait"] == "BLOCK":
            _await_end(runner, call)
        return _told(runner)

    def cancel(self, call: Call) -> dict[str, Any]:
        runner = self._sequencer.cancel(call.arguments["which"], call.user)
        step = runner.under_way
        return {**_told(runner), "under_way": f"step {step.number} {step.name} goes on to its end" if step else ""}

    def list(self, call: Call) -> dict[str, Any]:
        which = call.arguments["which"]
        return status.details(self._sequencer, which) if which else status.overview(self._sequencer)

    def delete(self, call: Call) -> None:
        self._sequencer.delete(call.arguments["name"])

    def _keep(self, name: str, text: str, user: str) -> dict[str, Any]:
        return {"name": name, "steps": self._sequencer.load(name, text, user)}

    def _text_of(self, file: str) -> str:
        try:
            return self._read_file(file).decode()
        except UnicodeDecodeError as error:
            raise SequenceError(
                f"{file} is no text in UTF-8 (byte {error.start}): uplink the sequence's text"
            ) from error


def _told(runner: Runner) -> dict[str, Any]:
    return {"run": runner.stored.id, "name": runner.stored.name, "steps": len(runner.steps)}


def _await_end(runner: Runner, call: Call) -> None:
    while not runner.ended.wait(0.1):
        if call.cancelled.is_set():
            if runner.cancel(call.user):
                raise CommandFailedError("cancelled: the sequence begins no further step")
            if runner.closing:
                raise CommandFailedError("the node is ending: the sequence goes on when it starts again")
        if step := runner.run.step:
            call.progress(f"step {step.number} of {len(runner.steps)}", (step.number - 1) / len(runner.steps))
    if runner.run.state is not RunState.COMPLETED:
        raise CommandFailedError(f"it {runner.run.state.value}: {runner.run.reason}")
