"""`heliograph set`: write features and run commands."""

from __future__ import annotations

from typing import Annotated

import typer

import heliograph
from heliograph.cli.argument import CameraArgument, assignment, camera_url
from heliograph.cli.terminal import shown
from heliograph.core import FeatureKind


def set_features(
    cam: CameraArgument,
    settings: Annotated[
        list[str], typer.Argument(metavar="NAME=VALUE...", help="Features to write; a command's bare NAME runs it.")
    ],
) -> None:
    """Write features in the order given, and print what the camera made of each."""
    with heliograph.open(camera_url(cam)) as camera:
        for setting in settings:
            if _is_command(camera, setting):
                camera.features.execute(setting)
                continue
            name, value = assignment(setting)
            camera.features[name] = value
            typer.echo(shown(f"{name}={camera.features[name]}"))


def _is_command(camera: heliograph.Camera, setting: str) -> bool:
    return "=" not in setting and camera.features.describe(setting).kind is FeatureKind.COMMAND
