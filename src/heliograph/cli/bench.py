"""`heliograph bench`: how fast a camera is, for each format and size."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

import heliograph
from heliograph.cli.argument import CameraArgument, JsonOption, SetOption, assignment, camera_url
from heliograph.cli.exit_code import ExitCode
from heliograph.cli.interruption import stop_on_signals
from heliograph.cli.table import show
from heliograph.cli.terminal import short_format
from heliograph.core import PixelFormat, SettingError

if TYPE_CHECKING:
    from heliograph.desk.bench import Cell


def bench(
    cam: CameraArgument,
    formats: Annotated[
        list[str] | None, typer.Option("--format", help="Measure this pixel format only; may be repeated.")
    ] = None,
    sizes: Annotated[
        list[str] | None, typer.Option("--size", metavar="WxH", help="Measure this size only; may be repeated.")
    ] = None,
    duration_s: Annotated[
        float, typer.Option("--seconds", help="Seconds for each format and size.", min=0.1, max=3600)
    ] = 2.0,
    link_mbit_per_s: Annotated[
        float, typer.Option("--link", help="Speed of the link in Mbit/s that shares are told of.", min=1)
    ] = 1000.0,
    settings: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure frames and bytes per second, losses and CPU for every format, at full size, a half and a quarter.

    The camera runs as fast as it goes; its settings are put back afterwards.
    """
    from heliograph.cli.progress import count_bar
    from heliograph.desk.bench import BenchConfig, bench

    config = BenchConfig(
        duration_s,
        tuple(PixelFormat.parse(name) for name in formats or ()),
        tuple(_size(text) for text in sizes or ()),
        link_mbit_per_s,
    )
    stop = stop_on_signals()
    with heliograph.open(camera_url(cam)) as camera, count_bar() as bar:
        for setting in settings or ():
            name, value = assignment(setting)
            camera.features[name] = value
        cells = bench(camera, config, lambda done, asked, cell: bar(done, short_format(cell.pixel_format), asked), stop)
    if not cells:
        raise typer.Exit(ExitCode.INTERRUPTED)
    show([asdict(cell) if as_json else _for_people(cell, link_mbit_per_s) for cell in cells], as_json)


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise SettingError(f"--size cannot be {text!r}: write WIDTHxHEIGHT, for example 1014x760")
    return int(width), int(height)


def _for_people(cell: Cell, link_mbit_per_s: float) -> dict[str, Any]:
    losses = {
        "dropped": cell.dropped_frames,
        "incomplete": cell.incomplete_frames,
        "packets": cell.missing_packets,
    }
    lost = ", ".join(f"{number} {what}" for what, number in losses.items() if number)
    return {
        "format": short_format(cell.pixel_format),
        "size": f"{cell.width_px}x{cell.height_px}",
        "frames/s": f"{cell.frame_rate_hz:.1f}",
        "MB/s": f"{cell.mb_per_s:.1f}",
        f"% of {link_mbit_per_s / 1000:g} Gbit/s": f"{cell.link_percent:.0f}",
        "CPU %": f"{cell.cpu_percent:.0f}",
        "receiver CPU %": f"{cell.receiver_cpu_percent:.0f}",
        "lost": cell.error or lost,
    }
