"""`heliograph payload run`: take a series of pictures and keep the best."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import heliograph
from heliograph.cli.argument import JsonOption, SetOption, assignment, camera_url
from heliograph.cli.exit_code import ExitCode
from heliograph.cli.interruption import stop_on_signals
from heliograph.cli.table import show
from heliograph.cli.terminal import shown
from heliograph.core import Camera

if TYPE_CHECKING:
    from heliograph.payload import SeriesConfig, SeriesResult

_SHOWN = 10
_LONGEST_S = 1e6
_SCORE_NAMES = {"red": "red_threshold"}

app = typer.Typer(help="Run a payload: pictures are scored as they come, and only the best are kept.")


class Job(StrEnum):
    """Jobs that come with Heliograph."""

    RED_GIANT = "red-giant"


@app.command("run")
def run(
    job: Annotated[Job, typer.Argument(help="The job to run.")],
    camera: Annotated[str, typer.Option("--camera", metavar="CAM", help="Camera URL, or name or address.")],
    count: Annotated[int, typer.Option("--frames", help="Pictures to take.", min=1)] = 400,
    interval_s: Annotated[
        float,
        typer.Option("--interval", help="Seconds between pictures; 0 takes every frame.", min=0.0, max=_LONGEST_S),
    ] = 0.5,
    start_at: Annotated[
        str | None, typer.Option("--start-at", metavar="TIME", help="ISO 8601 or seconds since 1970.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder for the products.")] = Path("data"),
    scorer: Annotated[str, typer.Option("--scorer", help="red, brightness, sharpness, or module:function.")] = "red",
    best: Annotated[int, typer.Option("--best", help="How many pictures to keep.", min=1)] = 1,
    min_pixels: Annotated[
        int, typer.Option("--min-pixels", help="Pixels that must be as red as the threshold.", min=1)
    ] = 64,
    patience_s: Annotated[
        float, typer.Option("--patience", help="Seconds to wait for a lost camera.", min=0.0, max=_LONGEST_S)
    ] = 30.0,
    settings: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take pictures, score every one, keep the best, and write the products.

    Ctrl-C ends the series early and writes what there is.
    """
    from heliograph.cli.progress import progress_bar
    from heliograph.payload import SeriesConfig, parse_start_at, run_series

    config = SeriesConfig(
        camera=camera_url(camera),
        out=out,
        count=count,
        interval_s=interval_s,
        start_at=None if start_at is None else parse_start_at(start_at),
        scorer=scorer,
        best=best,
        min_pixels=min_pixels,
        patience_s=patience_s,
    )
    values = [assignment(setting) for setting in settings or ()]

    def open_camera() -> Camera:
        opened = heliograph.open(config.camera)
        try:
            for name, value in values:
                opened.features[name] = value
        except BaseException:
            opened.close()
            raise
        return opened

    with progress_bar(count) as progress:
        result = run_series(config, open_camera, progress=progress, stop=stop_on_signals())
    _report(result, config, as_json)


def _report(result: SeriesResult, config: SeriesConfig, as_json: bool) -> None:
    from heliograph.payload import picture_number

    if not result.records:
        raise typer.Exit(ExitCode.INTERRUPTED)
    score_name = _SCORE_NAMES.get(config.scorer, "score")
    show(
        [
            {
                "picture": picture_number(record.number, config.count),
                score_name: record.score.value,
                "pixels": record.score.support,
                "missing_packets": record.missing_packets,
                "kept": record in result.picks,
            }
            for record in result.ranking(_SHOWN)
        ],
        as_json,
    )
    if not as_json:
        typer.echo("\n" + "\n".join(str(path) for path in result.products))
    if result.partial:
        told = f"heliograph: PARTIAL, {len(result.records)} of {config.count} pictures: {result.reason}"
        typer.echo(shown(told), err=True)
        raise typer.Exit(ExitCode.PARTIAL)
