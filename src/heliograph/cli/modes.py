"""`heliograph modes`: what a camera can do, and its set-ups under names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import heliograph
from heliograph.cli.argument import CameraArgument, JsonOption, camera_url
from heliograph.cli.table import show
from heliograph.cli.terminal import short_format, shown
from heliograph.core import Camera, SettingError


class _CameraOrCommand(TyperGroup):
    """A first word that is no command is a camera: `heliograph modes cam-1`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in (*self.commands, *ctx.help_option_names):
            args = ["CAM", *args]
        return super().parse_args(ctx, args)


def show_modes(
    cam: CameraArgument,
    save: Annotated[str | None, typer.Option(metavar="NAME", help="Save the camera's settings under a name.")] = None,
    load: Annotated[str | None, typer.Option(metavar="NAME", help="Set the camera as it was saved.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List what the camera can do and its set-ups, or save or load a set-up of a network camera."""
    from heliograph.cameras.modes import load_user_set, save_user_set

    if save is not None and load is not None:
        raise SettingError("give --save or --load, not both")
    if "" in (save, load):
        raise SettingError("a user set needs a name, for example --save night")
    with heliograph.open(camera_url(cam)) as camera:
        if save is not None:
            typer.echo(shown(f"{save} is saved in {save_user_set(camera, save)}"))
        elif load is not None:
            typer.echo(shown(f"{load} is loaded from {load_user_set(camera, load)}"))
        else:
            _list(camera, as_json)


def _list(camera: Camera, as_json: bool) -> None:
    from heliograph.cameras.modes import list_modes, presets_for, user_sets

    modes = [
        {
            "width": mode.width,
            "height": mode.height,
            "binning": mode.binning,
            "most frames/s": mode.max_rate_hz,
            "pixel formats": " ".join(mode.pixel_formats),
        }
        for mode in list_modes(camera)
    ]
    sets = [{"user set": entry, "name": name} for entry, name in user_sets(camera).items()]
    setups: list[dict[str, Any]] = [{"set-up": name, **each} for name, each in presets_for(camera).items()]
    if as_json:
        typer.echo(json.dumps({"modes": modes, "user_sets": sets, "setups": setups}, indent=2, ensure_ascii=False))
        return
    for mode in modes:
        mode["pixel formats"] = " ".join(map(short_format, str(mode["pixel formats"]).split()))
    for each in setups:
        each["PixelFormat"] = short_format(str(each["PixelFormat"]))
    show(modes)
    if kept := sets or setups:
        typer.echo()
        show(kept)


def import_setups(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="camera_config.json, or TOML as this command prints.")],
    cam: Annotated[
        str | None, typer.Argument(metavar="[CAM]", help="Network camera to save the set-ups in, as user sets.")
    ] = None,
) -> None:
    """Print the set-ups of a file as TOML, or save them in a camera."""
    from heliograph.cameras.camera_config import read_setups
    from heliograph.cameras.modes import save_setups
    from heliograph.cameras.setup import to_toml

    setups = read_setups(file)
    if cam is None:
        typer.echo(to_toml(setups, f"Set-ups of {file.name}"), nl=False)
        return
    with heliograph.open(camera_url(cam)) as camera:
        for name, entry in save_setups(camera, setups).items():
            typer.echo(shown(f"{name} is saved in {entry}"))


app = typer.Typer(cls=_CameraOrCommand, no_args_is_help=True, help="What a camera can do, and its set-ups under names.")
app.command("CAM")(show_modes)
app.command("import")(import_setups)
