"""`heliograph record`: every frame into a file or a folder."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import heliograph
from heliograph.cli.argument import CameraArgument, SetOption, assignment, camera_url
from heliograph.cli.exit_code import ExitCode
from heliograph.cli.interruption import stop_on_signals
from heliograph.cli.terminal import short_format, shown

if TYPE_CHECKING:
    from heliograph.desk.record import Recording


def record(
    cam: CameraArgument,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="File .npy, .tif or .mkv (FFV1), or a folder of PNG pictures.")
    ],
    count: Annotated[int | None, typer.Option("--frames", help="Frames to record.", min=1)] = None,
    duration_s: Annotated[float, typer.Option("--seconds", help="Seconds to record.", min=0.001)] = math.inf,
    memory_mb: Annotated[
        float, typer.Option("--memory", help="MB of frames that may wait for the disk.", min=1)
    ] = 256.0,
    settings: SetOption = None,
    timeout_s: Annotated[float, typer.Option("--timeout", help="Seconds to wait for a frame.", min=0.001)] = 5.0,
) -> None:
    """Record every frame without loss, up to Ctrl-C or what is asked for, with a table of times and settings."""
    from heliograph.cli.progress import count_bar
    from heliograph.desk.record import RecordConfig, check_output, record

    config = RecordConfig(output, count, duration_s, timeout_s, round(memory_mb * 1e6))
    check_output(output)
    stop = stop_on_signals()
    with heliograph.open(camera_url(cam)) as camera, count_bar(count) as show:
        for setting in settings or ():
            name, value = assignment(setting)
            camera.features[name] = value
        recording = record(camera, config, lambda state: show(state.frames, _losses(state), count), stop)
    _tell(recording)


def _losses(state: Recording) -> str:
    counts = {
        "lost": state.lost_frames,
        "dropped for want of memory": state.dropped_frames,
        "packets missing": state.missing_packets,
    }
    return ", ".join(f"{number} {what}" for what, number in counts.items() if number)


def _tell(recording: Recording) -> None:
    if not recording.frames:
        raise typer.Exit(ExitCode.INTERRUPTED)
    size = f"{recording.width_px}x{recording.height_px} {short_format(recording.pixel_format)}"
    rate_hz = (recording.frames - 1) / recording.duration_s if recording.duration_s else 0.0
    told = f"{recording.path}: {recording.frames} frames of {size}, {rate_hz:.1f}/s"
    typer.echo(shown(", ".join(filter(None, (told, _losses(recording))))))
    if recording.reason:
        typer.echo(shown(f"heliograph: PARTIAL, {recording.reason}"), err=True)
        raise typer.Exit(ExitCode.PARTIAL)
