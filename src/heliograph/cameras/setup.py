"""Named set-ups of sensors: those shipped for the Raspberry Pi's cameras, and TOML files of them.

A file has a table `[setups.NAME]` for each, with `width_px`, `height_px` and `pixel_format`; `binning` (1),
`offset_x_px` and `offset_y_px` (0), `sensor_mode` and `max_rate_hz` may be left out.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from heliograph.core import FeatureValue, PixelFormat, PixelFormatError, SourceError, SourceNotFoundError

_REQUIRED = {"width_px": int, "height_px": int, "pixel_format": str}
_OPTIONAL: dict[str, Any] = {"binning": 1, "offset_x_px": 0, "offset_y_px": 0, "sensor_mode": "", "max_rate_hz": 0}
_TYPES: dict[str, Any] = (
    _REQUIRED | {key: type(value) for key, value in _OPTIONAL.items()} | {"max_rate_hz": int | float}
)


@dataclass(frozen=True, slots=True)
class Setup:
    """A size, a format and how both come from the sensor, under a name."""

    name: str
    width: int
    height: int
    pixel_format: str
    binning: int = 1
    """Pixels of the sensor, in each direction, that make one pixel of the picture."""
    offset_x: int = 0
    offset_y: int = 0
    sensor_mode: str = ""
    """Entry of the feature SensorMode; empty where the camera chooses."""
    max_rate_hz: float = 0
    """What the sensor gives at most, to tell people; 0 where it is not known."""

    @property
    def settings(self) -> dict[str, FeatureValue]:
        """Features and values for `core.settings.apply`."""
        settings: dict[str, FeatureValue] = {
            "PixelFormat": PixelFormat.parse(self.pixel_format).name,
            "BinningHorizontal": self.binning,
            "BinningVertical": self.binning,
            "Width": self.width,
            "Height": self.height,
            "OffsetX": self.offset_x,
            "OffsetY": self.offset_y,
        }
        return settings | ({"SensorMode": self.sensor_mode} if self.sensor_mode else {})


@dataclass(frozen=True, slots=True)
class Timing:
    """How fast a mode of a sensor reads its rows."""

    width: int
    height: int
    bits: int
    line_time_ns: int
    """In which a row is read: frames last whole ones, and a rolling shutter is that much later from row to row."""
    shortest_exposure_us: int
    """What libcamera tells as the shortest exposure while the sensor's driver is the one that the line time is from."""


@dataclass(frozen=True, slots=True)
class SensorFacts:
    """What is shipped about a sensor."""

    sensor: str
    camera: str
    global_shutter: bool
    timings: tuple[Timing, ...]
    setups: tuple[Setup, ...]


@cache
def shipped() -> dict[str, SensorFacts]:
    """Give the facts of every sensor that ships with Heliograph, by its name.

    >>> [setup.width for setup in shipped()["imx477"].setups]
    [4056, 2028, 1014, 507]
    """
    files = [each for each in (resources.files(__package__) / "setups").iterdir() if each.name.endswith(".toml")]
    tables = [tomllib.loads(each.read_text("utf-8")) for each in sorted(files, key=lambda each: each.name)]
    return {each["sensor"]: _facts(each) for each in tables}


def facts_of(model: str) -> SensorFacts | None:
    """Give the facts of the sensor that a camera's model name contains.

    >>> facts_of("Sim IMX477").camera
    'Raspberry Pi High Quality Camera'
    """
    return next((facts for sensor, facts in shipped().items() if sensor in model.lower()), None)


def _facts(table: Mapping[str, Any]) -> SensorFacts:
    keys = ("width_px", "height_px", "bits", "line_time_ns", "shortest_exposure_us")
    timings = tuple(Timing(*(mode[key] for key in keys)) for mode in table["modes"])
    setups = tuple(parse_setup(name, each) for name, each in table["setups"].items())
    return SensorFacts(table["sensor"], table["camera"], table.get("global_shutter", False), timings, setups)


def read_toml(path: Path) -> list[Setup]:
    """Read a file of set-ups. Raises `SourceNotFoundError` and `SourceError`."""
    try:
        tables = tomllib.loads(read_text(path)).get("setups")
    except tomllib.TOMLDecodeError as error:
        raise SourceError(f"{path} is no TOML: {error}") from None
    if not isinstance(tables, dict) or not tables:
        raise SourceError(f"{path} holds no set-up: it needs a table [setups.NAME] for each")
    try:
        return [parse_setup(name, each) for name, each in tables.items()]
    except SourceError as error:
        raise SourceError(f"{path}: {error}") from None


def read_text(path: Path) -> str:
    """Read a file of text. Raises `SourceNotFoundError` and `SourceError`."""
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        raise SourceNotFoundError(f"there is no file {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} cannot be read: {error}") from None


def parse_setup(name: str, table: object) -> Setup:
    """Take one set-up from its table; raises `SourceError` that names what is wrong."""
    if not isinstance(table, dict) or not _REQUIRED.keys() <= table.keys() <= _TYPES.keys():
        raise SourceError(f"set-up {name!r} needs {', '.join(_REQUIRED)} and may have {', '.join(_OPTIONAL)}")
    for key, value in table.items():
        if not isinstance(value, _TYPES[key]) or isinstance(value, bool) or (_TYPES[key] is not str and value < 0):
            raise SourceError(f"{key} of set-up {name!r} cannot be {value!r}")
    try:
        PixelFormat.parse(table["pixel_format"])
    except PixelFormatError as error:
        raise SourceError(f"set-up {name!r}: {error}") from None
    return Setup(name, *({**_OPTIONAL, **table}[key] for key in (*_REQUIRED, *_OPTIONAL)))


def to_toml(setups: list[Setup], origin: str) -> str:
    """Write set-ups as a file that `read_toml` reads; `origin` tells people where they come from."""
    lines = [f"# {origin}"]
    for each in setups:
        lines += ["", f"[setups.{_key(each.name)}]", f"width_px = {each.width}", f"height_px = {each.height}"]
        lines += [f'pixel_format = "{each.pixel_format}"', f"binning = {each.binning}"]
        lines += [f"offset_x_px = {each.offset_x}", f"offset_y_px = {each.offset_y}"]
        lines += [f'sensor_mode = "{each.sensor_mode}"'] if each.sensor_mode else []
        lines += [f"max_rate_hz = {each.max_rate_hz}"] if each.max_rate_hz else []
    return "\n".join(lines) + "\n"


def _key(name: str) -> str:
    # A JSON string is a basic string of TOML as well.
    return json.dumps(name, ensure_ascii=False)
