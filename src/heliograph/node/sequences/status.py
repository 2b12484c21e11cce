"""What `sequence.list` tells: sequences that are loaded, runs, and the steps of one run."""

from __future__ import annotations

from typing import Any

from heliograph.core import SequenceError
from heliograph.link.sequence.language import parse
from heliograph.link.sequence.when import shown_wall
from heliograph.node.sequences.runner import Runner
from heliograph.node.sequences.sequencer import Sequencer
from heliograph.node.sequences.store import StoredRun, StoredStep

# The result of a command has a bound.
_RUNS_TOLD = 20
_STEPS_TOLD = 100
_REASON_TOLD = 200


def overview(sequencer: Sequencer) -> dict[str, Any]:
    """Give what is loaded, and the newest runs with their states, oldest first."""
    running = sequencer.running()
    return {
        "sequences": [
            {
                "name": each.name,
                "steps": len(parse(each.text)[0]),
                "loaded": shown_wall(each.wall_ns),
                "user": each.user,
            }
            for each in sequencer.store.sequences()
        ],
        "runs": [_run(each, running.get(each.id)) for each in sequencer.store.runs()[-_RUNS_TOLD:]],
    }


def details(sequencer: Sequencer, which: str) -> dict[str, Any]:
    """Give one run, by its id or the newest of a sequence's name, with its last steps. Raises `SequenceError`."""
    found = [each for each in sequencer.store.runs() if which in (each.id, each.name)]
    if not found:
        raise SequenceError(f"there is no run of {which}: sequence.list tells which there are")
    run = found[-1]
    commands = {each.number: each for each in parse(run.text)[0]}
    steps = sequencer.store.steps(run.id)[-_STEPS_TOLD:]
    return {
        **_run(run, sequencer.running().get(run.id)),
        "ended_steps": [{"command": commands[each.number].name, **_step(each)} for each in steps],
    }


def _run(stored: StoredRun, runner: Runner | None) -> dict[str, Any]:
    told: dict[str, Any] = {
        "run": stored.id,
        "name": stored.name,
        "state": stored.state.value,
        "reason": stored.reason[:_REASON_TOLD],
        "user": stored.user,
        "began": shown_wall(stored.began.wall_ns),
    }
    if runner and (step := runner.run.step):
        told |= {"step": step.number, "steps": len(runner.steps), "command": step.name, "line": step.line}
        if runner.under_way is None:
            remaining_ns, wall_ns = runner.due()
            told |= {"next": shown_wall(wall_ns), "in_s": round(remaining_ns / 1e9, 3)}
        if runner.waits_for:
            told["waits_for"] = runner.waits_for
    return told


def _step(step: StoredStep) -> dict[str, Any]:
    return {
        "step": step.number,
        "state": step.state.value,
        "since": shown_wall(step.moment.wall_ns),
        "reason": step.reason[:_REASON_TOLD],
    }
