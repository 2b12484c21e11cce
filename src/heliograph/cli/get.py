"""`heliograph get`: read features."""

from __future__ import annotations

import json
from typing import Annotated

import typer

import heliograph
from heliograph.cli.argument import CameraArgument, JsonOption, camera_url
from heliograph.cli.terminal import shown


def get(
    cam: CameraArgument,
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Names of features.")],
    as_json: JsonOption = False,
) -> None:
    """Print the value of a feature, or NAME=VALUE lines of several."""
    with heliograph.open(camera_url(cam), control=False) as camera:
        values = {name: camera.features[name] for name in names}
    if as_json:
        typer.echo(json.dumps(values))
    elif len(names) == 1:
        typer.echo(shown(values[names[0]]))
    else:
        for name, value in values.items():
            typer.echo(shown(f"{name}={value}"))
