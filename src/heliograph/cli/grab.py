"""`heliograph grab`: one picture into a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import heliograph
from heliograph.cli.argument import CameraArgument, SetOption, assignment, camera_url
from heliograph.cli.terminal import short_format
from heliograph.core.picture import check_picture_path, save_picture


def grab(
    cam: CameraArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write: .png, .tif or .npy (pixels as sent).")],
    settings: SetOption = None,
    timeout_s: Annotated[float, typer.Option("--timeout", help="Seconds to wait for the picture.", min=0.0)] = 5.0,
) -> None:
    """Take one picture and write it without loss."""
    check_picture_path(output)
    with heliograph.open(camera_url(cam)) as camera:
        for setting in settings or ():
            name, value = assignment(setting)
            camera.features[name] = value
        frame = camera.grab(timeout_s)
        save_picture(frame, output)
    loss = f", {frame.missing_packets} packets missing" if frame.missing_packets else ""
    typer.echo(f"{output}: {frame.width}x{frame.height} {short_format(frame.pixel_format.name)}{loss}")
