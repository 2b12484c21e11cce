"""Arguments and options that several commands take."""

from __future__ import annotations

from typing import Annotated

import typer

from heliograph.core import SettingError

CameraArgument = Annotated[str, typer.Argument(metavar="CAM", help="Camera URL, or name, serial, MAC or address.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Set a feature first; may be repeated.")
]


def camera_url(text: str) -> str:
    """Give the URL that `text` stands for: a bare name or address is a network camera.

    >>> camera_url("cam-1"), camera_url("sim://red-giant")
    ('gige://cam-1', 'sim://red-giant')
    """
    return text if "://" in text else f"gige://{text}"


def assignment(text: str) -> tuple[str, str]:
    """Take `NAME=VALUE` apart.

    >>> assignment("ExposureTime=2000")
    ('ExposureTime', '2000')

    Raises `SettingError` when there is no `=`.
    """
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise SettingError(f"{text!r} is no setting: write NAME=VALUE, for example ExposureTime=2000")
    return name, value
