"""`heliograph sequence`: check sequences, see what will run when, and run them."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from heliograph.cli.argument import JsonOption, assignment
from heliograph.cli.exit_code import ExitCode
from heliograph.cli.ground import (
    Connect,
    KeyFile,
    TlsCa,
    TlsCertificate,
    TlsKey,
    ground_bus,
    ground_key,
    ground_user,
    installed,
)
from heliograph.cli.moment import local_time, wall_time_ns
from heliograph.cli.sequence_file import checked_steps, read_text, show_fault
from heliograph.cli.table import show
from heliograph.cli.terminal import shown
from heliograph.core import CommandFailedError, SequenceError, SettingError
from heliograph.core.state import state_folder

if TYPE_CHECKING:
    from heliograph.link.commander import Commander
    from heliograph.link.dictionary import CommandDefinition
    from heliograph.link.discovery import Node
    from heliograph.link.sequence import Row, RunWatch, Step

app = typer.Typer(
    help="Sequences of timed commands: check one, see what will run when, run it on a node.", no_args_is_help=True
)

_IN_ONE_MESSAGE_BYTES = 60_000

File = Annotated[Path, typer.Argument(metavar="FILE", help="The sequence: a step a line, TIME COMMAND ARGS.")]
NodeOption = Annotated[
    str | None, typer.Option("--node", metavar="NODE", help="Check it against what this node can be told.")
]
DictionaryFile = Annotated[
    Path | None, typer.Option("--dictionary", metavar="FILE", help="Check it against a dictionary that was saved.")
]


class Policy(StrEnum):
    """What becomes of a run after a step that failed or is late."""

    STOP = "stop"
    CONTINUE = "continue"


OnFailureOption = Annotated[Policy, typer.Option("--on-failure", help="After a step that failed or is late.")]
GraceOption = Annotated[
    float, typer.Option("--grace", min=0.1, max=3600.0, help="Seconds that a step may begin after its time.")
]


@app.callback()
def sequence() -> None:
    """Say which library is missing, before any of it is needed."""
    with installed():
        import heliograph.link.sequence  # noqa: F401


def check(
    file: File,
    node: NodeOption = None,
    dictionary: DictionaryFile = None,
    connect: Connect = None,
    tls_ca: TlsCa = None,
    tls_certificate: TlsCertificate = None,
    tls_key: TlsKey = None,
) -> None:
    """Tell all that is wrong in a sequence, and what deserves a second look."""
    text = read_text(file)
    definitions = _definitions(node, dictionary, connect, tls_ca, tls_certificate, tls_key)
    steps = checked_steps(file, text, definitions)
    _warn(file, text, steps, definitions or {})
    told = "" if definitions is not None else "; its commands were not checked: give --node or --dictionary"
    typer.echo(shown(f"{file}: {len(steps)} steps, no mistake{told}"))


def simulate(
    file: File,
    node: NodeOption = None,
    dictionary: DictionaryFile = None,
    start: Annotated[str, typer.Option("--start", metavar="TIME", help="ISO 8601 or seconds since 1970.")] = "",
    durations: Annotated[
        list[str] | None,
        typer.Option("--duration", metavar="COMMAND=SECONDS", help="How long a command takes; may be repeated."),
    ] = None,
    on_failure: OnFailureOption = Policy.STOP,
    grace_s: GraceOption = 1.0,
    connect: Connect = None,
    tls_ca: TlsCa = None,
    tls_certificate: TlsCertificate = None,
    tls_key: TlsKey = None,
    as_json: JsonOption = False,
) -> None:
    """Print what will run when, if started now or at a time."""
    from heliograph.link.sequence import OnFailure, timetable

    start_ns = wall_time_ns(start) if start else time.time_ns()
    durations_ns = dict(map(_duration, durations or ()))
    definitions = _definitions(node, dictionary, connect, tls_ca, tls_certificate, tls_key)
    steps = checked_steps(file, read_text(file), definitions)
    if unknown := set(durations_ns) - {step.name for step in steps}:
        raise SettingError(f"--duration: no step gives {', '.join(sorted(unknown))}")
    rows = timetable(steps, start_ns, durations_ns, on_failure=OnFailure(on_failure), grace_ns=round(grace_s * 1e9))
    show([_facts(row) if as_json else _line(row) for row in rows], as_json)
    if missed := [row for row in rows if row.problem]:
        raise SequenceError(
            f"{len(missed)} of {len(rows)} steps would not run, the first in line {missed[0].step.line}"
        )


def run(
    file: File,
    node: Annotated[str, typer.Argument(metavar="NODE", help="Name of a node, or the beginning of its id.")],
    name: Annotated[str, typer.Option("--name", help="Name of the sequence on board; the file's by default.")] = "",
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Tell each step as it happens, up to the end.")
    ] = False,
    on_failure: OnFailureOption = Policy.STOP,
    grace_s: GraceOption = 1.0,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before a sequence with hazardous steps.")] = False,
    connect: Connect = None,
    tls_ca: TlsCa = None,
    tls_certificate: TlsCertificate = None,
    tls_key: TlsKey = None,
    key: KeyFile = None,
) -> None:
    """Check a sequence, load it on a node, and start it there."""
    text = read_text(file)
    if len(text.encode()) > _IN_ONE_MESSAGE_BYTES:
        raise SequenceError(
            f"{file} has more than {_IN_ONE_MESSAGE_BYTES} bytes: `heliograph uplink` it, then send sequence.load_file"
        )
    private = ground_key(key)
    from heliograph.link.commander import Commander
    from heliograph.link.discovery import find_node
    from heliograph.link.sequence import RunWatch, definitions_of

    with ground_bus(connect, tls_ca, tls_certificate, tls_key) as bus:
        found = find_node(bus, node, key=private)
        commander = Commander(bus, private, state_folder() / "counters")
        definitions = definitions_of(commander.dictionary(found))
        steps = checked_steps(file, text, definitions)
        if _warn(file, text, steps, definitions):
            _confirm(found, yes)
        name = name or file.stem
        with RunWatch(bus, found.id) as watch:
            _order(commander, found, "sequence.load", name=name, text=text)
            arguments = {"name": name, "on_failure": on_failure.value, "grace": grace_s}
            begun = _order(commander, found, "sequence.start", **arguments)
            typer.echo(shown(f"sequence {name} runs on {found.name} as {begun['run']}: {begun['steps']} steps"))
            if wait:
                _follow(watch, found, begun["run"], name)


def dictionary(
    node: Annotated[str, typer.Argument(metavar="NODE", help="Name of a node, or the beginning of its id.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSON file to write.")],
    connect: Connect = None,
    tls_ca: TlsCa = None,
    tls_certificate: TlsCertificate = None,
    tls_key: TlsKey = None,
) -> None:
    """Save what a node can be told, to check sequences without a link."""
    from heliograph.link.discovery import find_node
    from heliograph.link.sequence import fetch_dictionary, write_dictionary

    with ground_bus(connect, tls_ca, tls_certificate, tls_key) as bus:
        found = find_node(bus, node)
        fetched = fetch_dictionary(bus, found.id)
    write_dictionary(file, fetched)
    typer.echo(shown(f"{file}: {len(fetched.commands)} commands of {found.name}"))


def _definitions(
    node: str | None,
    file: Path | None,
    connect: list[str] | None,
    tls_ca: Path | None,
    tls_certificate: Path | None,
    tls_key: Path | None,
) -> dict[str, CommandDefinition] | None:
    """Give the commands to check against; None when none were named."""
    if node is None and file is None:
        return None
    if node is not None and file is not None:
        raise SettingError("give --node or --dictionary, not both")
    from heliograph.link.sequence import definitions_of, fetch_dictionary, read_dictionary

    if file is not None:
        return definitions_of(read_dictionary(file))
    from heliograph.link.discovery import find_node

    with ground_bus(connect, tls_ca, tls_certificate, tls_key) as bus:
        return definitions_of(fetch_dictionary(bus, find_node(bus, node or "").id))


def _warn(file: Path, text: str, steps: tuple[Step, ...], definitions: Mapping[str, CommandDefinition]) -> bool:
    """Show what deserves a second look; tells whether a step is hazardous."""
    from heliograph.link.sequence import Fault, OnFailure, hazards, timetable

    for row in timetable(steps, time.time_ns(), on_failure=OnFailure.CONTINUE):
        if row.problem:
            show_fault(Fault(row.step.line, 1, f"started now, this step is {row.problem}"), file, text, "warning: ")
    hazardous = hazards(steps, definitions.get)
    for fault in hazardous:
        show_fault(fault, file, text, "warning: ")
    return bool(hazardous)


def _confirm(node: Node, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise SettingError("the sequence has hazardous steps, and nobody is there to be asked: add --yes to run it")
    if not typer.confirm(shown(f"Run it on {node.name}?"), err=True):
        raise typer.Exit(ExitCode.INTERRUPTED)


def _order(commander: Commander, node: Node, command: str, **arguments: Any) -> Any:
    from heliograph.link.commander import outcome

    return outcome(commander.send(node, command, arguments, user=ground_user()))


def _follow(watch: RunWatch, node: Node, run: str, name: str) -> None:
    try:
        for event in watch.steps(run, name):
            typer.echo(shown(f"{local_time(event.wall_time_ns)} {event.event.message}"))
            sys.stdout.flush()
    except KeyboardInterrupt:
        told = f"it goes on; to end it: heliograph send {node.name} sequence.cancel {run}"
        typer.echo(f"heliograph: {shown(told)}", err=True)
        raise
    if watch.end != "completed":
        raise CommandFailedError(f"sequence {name} {watch.end}")


def _duration(text: str) -> tuple[str, int]:
    name, value = assignment(text)
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e9:
        raise SettingError(f"--duration {text}: write COMMAND=SECONDS, such as camera.grab=1.5")
    return name, round(seconds * 1e9)


def _line(row: Row) -> dict[str, Any]:
    spare = f"the steps before may take {row.spare_ns / 1e9:g} s" if row.spare_ns is not None else ""
    return {
        "step": row.step.number,
        "line": row.step.line,
        "when": row.when,
        "command": " ".join((row.step.name, *row.step.words)),
        "note": row.problem or spare,
    }


def _facts(row: Row) -> dict[str, Any]:
    return {
        "step": row.step.number,
        "line": row.step.line,
        "wall_ns": row.wall_ns,
        "exact": row.exact,
        "when": row.when,
        "command": row.step.name,
        "words": list(row.step.words),
        "problem": row.problem,
        "spare_ns": row.spare_ns,
    }


for _command in (check, simulate, run, dictionary):
    app.command(_command.__name__)(_command)
