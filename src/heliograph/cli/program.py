"""The program: its commands, and what happens when one of them fails."""

from __future__ import annotations

import errno
import os
import sys
from typing import Annotated, NoReturn

import typer

import heliograph
from heliograph.cli import (
    bench,
    calibrate,
    cameras,
    downlink,
    events,
    features,
    get,
    grab,
    key,
    ls,
    modes,
    node,
    nodes,
    payload,
    record,
    send,
    sequence,
    serve,
    set,
    telemetry,
    uplink,
    view,
)
from heliograph.cli.exit_code import ExitCode, exit_code
from heliograph.cli.terminal import shown
from heliograph.core import HeliographError

_CAMERAS = "Cameras"
_NODES = "Nodes: on board, and from the ground"

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("serve", rich_help_panel=_CAMERAS)(serve.serve)
app.command("cameras", rich_help_panel=_CAMERAS)(cameras.cameras)
app.command("features", rich_help_panel=_CAMERAS)(features.features)
app.command("get", rich_help_panel=_CAMERAS)(get.get)
app.command("set", rich_help_panel=_CAMERAS)(set.set_features)
app.command("grab", rich_help_panel=_CAMERAS)(grab.grab)
app.command("record", rich_help_panel=_CAMERAS)(record.record)
app.command("bench", rich_help_panel=_CAMERAS)(bench.bench)
app.command("view", rich_help_panel=_CAMERAS)(view.view)
app.command("calibrate", rich_help_panel=_CAMERAS)(calibrate.calibrate)
# Negative numbers among the words of a command are no options.
app.command("send", rich_help_panel=_NODES, context_settings={"ignore_unknown_options": True})(send.send)
app.command("nodes", rich_help_panel=_NODES)(nodes.nodes)
app.command("telemetry", rich_help_panel=_NODES)(telemetry.telemetry)
app.command("events", rich_help_panel=_NODES)(events.events)
app.command("ls", rich_help_panel=_NODES)(ls.ls)
app.command("uplink", rich_help_panel=_NODES)(uplink.uplink)
app.command("downlink", rich_help_panel=_NODES)(downlink.downlink)
app.add_typer(key.app, name="key", rich_help_panel=_NODES)
app.add_typer(node.app, name="node", rich_help_panel=_NODES)
app.add_typer(sequence.app, name="sequence", rich_help_panel=_NODES)
app.add_typer(modes.app, name="modes", rich_help_panel=_CAMERAS)
app.add_typer(payload.app, name="payload", rich_help_panel=_CAMERAS)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"heliograph {heliograph.__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _program(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Networked cameras: serve them, find them, set them, take pictures, run a payload; nodes, which do it on command.

    CAM is a URL (sim://red-giant, gige://cam-1, replay:///*.png) or a network camera's name, serial, MAC or address.
    NODE is the name of a node that runs on board, or the beginning of its id.
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main() -> None:
    """Run the program with the words of the command line; every failure is one line and a documented exit status."""
    # What OpenCV and FFmpeg think of a broken file is told in our own line.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    try:
        code = app(prog_name="heliograph", standalone_mode=False)
        sys.stdout.flush()
    except typer.TyperException as error:
        # A group without a word: its help was printed, and is all there is to say.
        if not error.format_message():
            sys.exit(error.exit_code)
        _end(error.exit_code, f"{error.format_message().rstrip('.')}; heliograph COMMAND --help lists what there is")
    except HeliographError as error:
        _end(exit_code(error), str(error))
    except Exception as error:
        if os.environ.get("HELIOGRAPH_TRACEBACK"):
            raise
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            # What is left of the output would be tried again at exit, and fail with a code of Python's own.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            _end(ExitCode.OUTPUT, f"no room for the output ({error.strerror}): free some")
        _end(
            ExitCode.UNEXPECTED,
            f"unexpected {type(error).__name__}: {error}; this is a defect, HELIOGRAPH_TRACEBACK=1 shows where",
        )
    if code == ExitCode.INTERRUPTED:
        _end(code, "interrupted")
    sys.exit(code)


def _end(code: int, message: str) -> NoReturn:
    line = " ".join(shown(message).split())
    typer.echo(f"heliograph: {line}", err=True)
    sys.exit(code)
