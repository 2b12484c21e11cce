"""Set-ups of the reference system, pi_udp_camera: its camera_config.json.

The file (github.com/LeonPfenning/pi_udp_camera, Core/Configuration_Files) is one object. Entries that are objects with
`image_size` and `format` are set-ups under the name that its client asks for ("90" to "93", "default"); some versions
write `image_Size`. `raw_img_format` is the size of the sensor's mode, `file_size` the padded size that went over the
wire, and `format` is picamera2's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from heliograph.cameras.picamera2.mode import mode_name
from heliograph.cameras.setup import SensorFacts, Setup, read_text, read_toml, shipped
from heliograph.core import PixelFormat, SourceError

# libcamera's names read a pixel as a number: RGB888 is B, G, R in memory.
_FORMATS = {
    "YUV420": "NV12",
    "NV12": "NV12",
    "YUYV": "YUYV",
    "RGB888": "BGR8",
    "BGR888": "RGB8",
    "XRGB8888": "BGR8",
    "XBGR8888": "RGB8",
}
_ODD = "BGR8"


def read_setups(path: Path) -> list[Setup]:
    """Read a file of set-ups: TOML (`.toml`) as Heliograph has them, or the reference system's camera_config.json.

    Raises `SourceNotFoundError` and `SourceError`.
    """
    if path.suffix == ".toml":
        return read_toml(path)
    try:
        content = json.loads(read_text(path))
    except ValueError as error:
        raise SourceError(f"{path} is no JSON: {error}") from None
    if not isinstance(content, dict):
        raise SourceError(f"{path} holds no set-ups: it needs one JSON object with an entry for each")
    entries = {name: _folded(each) for name, each in content.items() if isinstance(each, dict)}
    chosen = {name: each for name, each in entries.items() if isinstance(each.get("image_size"), list)}
    if not chosen:
        raise SourceError(f"{path} holds no set-up: there is no entry with image_size and format")
    try:
        field = _field(list(chosen.values()))
        return [_setup(name, each, field) for name, each in chosen.items()]
    except SourceError as error:
        raise SourceError(f"{path}: {error}") from None


def _folded(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {key.lower(): value for key, value in entry.items()}


def _field(entries: list[dict[str, Any]]) -> tuple[int, int]:
    """Give the size of the sensor: the largest of all that the file names."""
    sizes = [_size(each, key) for each in entries for key in ("image_size", "raw_img_format") if key in each]
    return max(sizes)


def _setup(name: str, entry: dict[str, Any], field: tuple[int, int]) -> Setup:
    width, height = _size(entry, "image_size")
    wanted = entry.get("format")
    if wanted not in _FORMATS:
        raise SourceError(f"format of set-up {name!r} cannot be {wanted!r}: it is one of {', '.join(_FORMATS)}")
    pixel_format = _FORMATS[wanted]
    step = PixelFormat.parse(pixel_format).size_increment
    if width % step or height % step:
        # As NV12 the picture would lose a column: the reference system's came padded.
        pixel_format = _ODD
    binning = max(1, min(field[0] // width, field[1] // height))
    # What does not fill the field is taken from its middle, as the reference system has it from picamera2.
    x, y = ((whole // binning - part) // 4 * 2 for whole, part in zip(field, (width, height), strict=True))
    mode = _size(entry, "raw_img_format") if "raw_img_format" in entry else None
    return Setup(name, width, height, pixel_format, binning, x, y, _mode_name(mode, field))


def _mode_name(size: tuple[int, int] | None, field: tuple[int, int]) -> str:
    """Give the mode that has this size in a sensor that ships; empty where it is not known, and the camera chooses."""
    facts = next((each for each in shipped().values() if _full(each) == field), None)
    bits = next((each.bits for each in facts.timings if (each.width, each.height) == size), 0) if facts else 0
    return mode_name(*size, bits) if size and bits else ""


def _full(facts: SensorFacts) -> tuple[int, int]:
    return max((each.width, each.height) for each in facts.timings)


def _size(entry: dict[str, Any], key: str) -> tuple[int, int]:
    match entry[key]:
        case [int(width), int(height)] if width > 0 and height > 0:
            return width, height
        case other:
            raise SourceError(f"{key} cannot be {other!r}: it is width and height in px")
