"""`heliograph node`: the on-board program, and `heliograph node init`: a new node."""

from __future__ import annotations

import logging
import os
import socket
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

from heliograph.cli.exit_code import ExitCode
from heliograph.cli.ground import key_file
from heliograph.core import MissingDependencyError
from heliograph.core.state import state_folder

_log = logging.getLogger(__name__)

app = typer.Typer(help="Run the on-board program, or make a new node.", invoke_without_command=True)

_DEFAULT = Path("node.toml")
_LONGEST_END_S = 9.0


@app.callback()
def node(
    context: typer.Context,
    config: Annotated[Path, typer.Option("--config", "-c", help="The node's settings.")] = _DEFAULT,
    state_dir: Annotated[
        Path | None,
        typer.Option(help="Folder for journal, spool and files; the service's, or the user's own, by default."),
    ] = None,
) -> None:
    """Run the on-board program until Ctrl-C: cameras, telemetry, commands, sequences, files.

    `heliograph node init` writes the settings.
    """
    if context.invoked_subcommand is not None:
        return
    try:
        from heliograph.node.program import Node
        from heliograph.node.settings import read
    except ModuleNotFoundError as error:
        raise _missing(error) from error
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO)
    settings = read(config)
    with Node(settings, config.parent, state_dir or state_folder() / "nodes" / settings.name) as running:
        for line in running.told():
            typer.echo(line)
        # Whoever started it may wait for this.
        sys.stdout.flush()
        again = running.wait()
        # A driver that hangs must not keep the node from its end, nor from its restart: nothing on the disk needs one.
        overdue = threading.Timer(_LONGEST_END_S, _leave_what_hangs, [again])
        overdue.daemon = True
        overdue.start()
    overdue.cancel()
    if again:
        _start_anew()


@app.command("init")
def init(
    folder: Annotated[Path, typer.Argument(help="Where node.toml and node.key are written.")] = Path(),
    name: Annotated[str | None, typer.Option(help="What people call the node; the machine's name by default.")] = None,
    trust: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY",
            help="Public key that may command it, as `heliograph key show` prints it; the first is the admin's. "
            "May be repeated. Without one: the key of this user, if there is one.",
        ),
    ] = None,
) -> None:
    """Write a commented node.toml and the node's own key."""
    try:
        from heliograph.link.keys import PrivateKey, PublicKey
        from heliograph.node.founding import found_node
    except ModuleNotFoundError as error:
        raise _missing(error) from error
    keys = [PublicKey.parse(each) for each in trust or ()]
    own = None if keys or not key_file(None).exists() else key_file(None)
    if own is not None:
        keys = [PrivateKey.read(own).public]
    file, key = found_node(folder, name or socket.gethostname().partition(".")[0], keys)
    typer.echo(f"wrote {file} and the key of node {key.short}; to run it: heliograph node --config {file}")
    if own is not None:
        typer.echo(f"your key {own} may command it, as its admin")
    if not keys:
        typer.echo(f"nobody may command it yet: heliograph key new, then put the key into {file}", err=True)


def _leave_what_hangs(again: bool) -> None:
    hanging = ", ".join(sorted(each.name for each in threading.enumerate() if each is not threading.current_thread()))
    _log.error("the node did not end within %g s, and is ended; its threads: %s", _LONGEST_END_S, hanging)
    if again:
        _start_anew()
    os._exit(ExitCode.LOST)


def _start_anew() -> None:
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _missing(error: ModuleNotFoundError) -> MissingDependencyError:
    return MissingDependencyError(f"{error.name} is not installed: pip install 'heliograph[node]'")
