"""`heliograph send`: have a node do something, and see what becomes of it."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from heliograph.cli.argument import JsonOption
from heliograph.cli.exit_code import ExitCode
from heliograph.cli.ground import Connect, KeyFile, TlsCa, TlsCertificate, TlsKey, ground_bus, ground_key, ground_user
from heliograph.cli.table import show
from heliograph.cli.terminal import shown
from heliograph.core import LinkLostError, SettingError
from heliograph.core.state import state_folder

if TYPE_CHECKING:
    from heliograph.link.command import StageReport
    from heliograph.link.commander import Commander
    from heliograph.link.dictionary import CommandDefinition
    from heliograph.link.discovery import Node


def send(
    node: Annotated[str, typer.Argument(metavar="NODE", help="Name of a node, or the beginning of its id.")],
    command: Annotated[str, typer.Argument(metavar="COMMAND", help="What to do; without it, what there is.")] = "",
    words: Annotated[
        list[str] | None, typer.Argument(metavar="ARGS", help="Its arguments in order, or as NAME=VALUE.")
    ] = None,
    connect: Connect = None,
    tls_ca: TlsCa = None,
    tls_certificate: TlsCertificate = None,
    tls_key: TlsKey = None,
    key: KeyFile = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for its end, or only until it is taken.")] = True,
    timeout: Annotated[
        float | None, typer.Option("--timeout", min=0.1, help="Seconds to wait at most; it goes on after that.")
    ] = None,
    expires: Annotated[
        float, typer.Option("--expires", min=0.1, max=3600.0, help="Seconds after which the node does not take it.")
    ] = 30.0,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before a hazardous command.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Have a node do something: prints each stage as it comes, and the result."""
    for word in (command, *(words or ())):
        # Words that begin with a dash are let through for the sake of negative numbers.
        if word.startswith("--"):
            raise SettingError(f"there is no option {word.split('=')[0]}: arguments of commands are NAME=VALUE")
    private = ground_key(key)
    from heliograph.link.arguments import from_words
    from heliograph.link.commander import Commander, outcome
    from heliograph.link.discovery import find_node

    with ground_bus(connect, tls_ca, tls_certificate, tls_key) as bus:
        found = find_node(bus, node, key=private)
        commander = Commander(bus, private, state_folder() / "counters")
        if not command:
            _show_dictionary(commander, found, as_json)
            return
        definition = commander.definition(found, command)
        arguments = from_words(definition, words or ())
        _confirm(definition, found, yes)
        stages = _Stages(as_json)
        try:
            report = commander.send(
                found,
                definition.name,
                arguments,
                user=ground_user(),
                expires_s=expires,
                timeout_s=timeout,
                wait=wait,
                on_stage=stages.show,
            )
        except KeyboardInterrupt:
            stages.tell_that_it_goes_on(found)
            raise
    result = outcome(report)
    if wait and not report.stage.final:
        raise LinkLostError(f"no end of it within {timeout:g} s, and it goes on: its id is {report.command}")
    if not as_json:
        _show_result(result)


class _Stages:
    """Prints the stages of a command."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._last: StageReport | None = None

    def show(self, report: StageReport) -> None:
        """Print one, at once."""
        self._last = report
        time = datetime.fromtimestamp(report.wall_time_ns / 1e9).astimezone()
        if self._as_json:
            told = {"command": report.command, "number": report.number, "stage": report.stage.value}
            told |= {"time": time.isoformat(timespec="milliseconds"), "reason": report.reason}
            told |= {"fraction": report.fraction, "result": report.result}
            line = json.dumps(told, default=str, ensure_ascii=False)
        else:
            share = "" if report.fraction is None else f"{report.fraction:.0%} "
            line = f"{time:%H:%M:%S}.{time.microsecond // 1000:03} {report.stage.value:<11} {share}{report.reason}"
            line = shown(line).rstrip()
        typer.echo(line)
        sys.stdout.flush()

    def tell_that_it_goes_on(self, node: Node) -> None:
        """Say what becomes of a command that nobody waits for any more."""
        if self._last is not None and not self._last.stage.final:
            told = f"it goes on; to end it: heliograph send {node.name} command.cancel {self._last.command}"
            typer.echo(f"heliograph: {shown(told)}", err=True)


def _confirm(definition: CommandDefinition, node: Node, yes: bool) -> None:
    from heliograph.link.dictionary import Hazard

    if definition.hazard is not Hazard.HAZARDOUS or yes:
        return
    if not sys.stdin.isatty():
        raise SettingError(f"{definition.name} is hazardous, and nobody is there to be asked: add --yes to send it")
    told = f"{definition.name} is hazardous ({definition.description.rstrip('.')}). Send it to {node.name}?"
    if not typer.confirm(shown(told), err=True):
        raise typer.Exit(ExitCode.INTERRUPTED)


def _show_dictionary(commander: Commander, node: Node, as_json: bool) -> None:
    import msgspec

    from heliograph.link.arguments import usage

    commands = sorted(commander.dictionary(node).commands, key=lambda each: each.name)
    if as_json:
        show(msgspec.to_builtins(commands), as_json=True)
        return
    for each in commands:
        typer.echo(shown(usage(each)))
        typer.echo(shown(f"    {each.description}{_demands(each)}"))
    typer.echo("<it must be given>   [it may be left out; what it is then]", err=True)


def _demands(definition: CommandDefinition) -> str:
    """Tell what sets a command apart from what every operator sends without a thought."""
    from heliograph.link.dictionary import Hazard, Role

    told = [] if definition.hazard is Hazard.NONE else [definition.hazard.value]
    told += [] if definition.role is Role.OPERATOR else [f"role {definition.role.value}"]
    return f" ({', '.join(told)})" if told else ""


def _show_result(result: Any) -> None:
    if _is_table(result):
        _show_table(result)
    elif isinstance(result, dict):
        for name, value in result.items():
            if _is_table(value):
                typer.echo(shown(f"{name.replace('_', ' ')}:"))
                _show_table(value)
            else:
                typer.echo(shown(f"{name}: {_plain(value)}"))
    elif result is not None:
        typer.echo(shown(_plain(result)))


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, dict) for each in value)


def _show_table(rows: list[dict[str, Any]]) -> None:
    columns = list(dict.fromkeys(name for each in rows for name in each))
    show([{name: each.get(name) for name in columns} for each in rows])


def _plain(value: Any) -> str:
    """Give a value as JSON has it, but a text as it is."""
    if value is None or value == []:
        return "none"
    return value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
