"""The program: its commands, and what happens when one of them fails."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

import heliograph
from heliograph.cli import cameras, features, get, grab, serve, set
from heliograph.cli.exit_code import ExitCode, exit_code
from heliograph.core import HeliographError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("serve")(serve.serve)
app.command("cameras")(cameras.cameras)
app.command("features")(features.features)
app.command("get")(get.get)
app.command("set")(set.set_features)
app.command("grab")(grab.grab)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"heliograph {heliograph.__version__}")
        raise typer.Exit


@app.callback()
def heliograph_(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Networked cameras: serve them, find them, set them, take pictures, run a payload on them.

    CAM is a camera's URL (sim://red-giant, gige://cam-1, replay:///images/*.png) or, for a network camera, its bare
    name, serial number, MAC or address.
    """


def main() -> None:
    """Run the program with the words of the command line; every failure is one line and a documented exit status."""
    try:
        app(prog_name="heliograph")
    except (HeliographError, KeyboardInterrupt) as error:
        _end(exit_code(error), str(error) or "interrupted")
    except Exception as error:
        if os.environ.get("HELIOGRAPH_TRACEBACK"):
            raise
        _end(
            ExitCode.UNEXPECTED,
            f"unexpected {type(error).__name__}: {error}; this is a defect, HELIOGRAPH_TRACEBACK=1 shows where",
        )


def _end(code: ExitCode, message: str) -> None:
    line = " ".join(message.split())
    typer.echo(f"heliograph: {line}", err=True)
    sys.exit(code)
