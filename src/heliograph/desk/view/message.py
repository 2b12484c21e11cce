"""What page and program say to each other about a picture."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from heliograph.core import Frame
from heliograph.desk.region import Region
from heliograph.desk.view.camera import View
from heliograph.desk.view.picture import Picture, PictureRequest

_LARGEST_PX = 16_384


def request_of(message: dict[str, Any]) -> PictureRequest:
    """Read what a page asks for; raises `ValueError`, `TypeError` or `KeyError` when it is no request.

    >>> request_of({"width": 800, "height": 600, "crop": [0, 0, 64, 48]}).crop
    Region(left=0, top=0, width=64, height=48)
    """
    return PictureRequest(
        width=_px(message["width"]),
        height=_px(message["height"]),
        crop=_region(message.get("crop")),
        region=_region(message.get("region")),
        paused=bool(message.get("paused")),
    )


def header_of(view: View, frame: Frame, picture: Picture) -> dict[str, Any]:
    """Give what goes before a JPEG; times are text, as JavaScript's numbers do not hold nanoseconds."""
    return {
        "id": frame.id,
        "width": frame.width,
        "height": frame.height,
        "format": frame.pixel_format.name,
        "timestamp_ns": str(frame.timestamp_ns),
        "clock": frame.clock.value,
        "wall_time_ms": None if frame.wall_time_ns is None else frame.wall_time_ns / 1e6,
        "exposure_us": frame.exposure_us,
        "gain_db": frame.gain_db,
        "temperature_c": frame.temperature_c,
        "missing_packets": frame.missing_packets,
        "rate_hz": view.rate_hz,
        "statistics": asdict(view.statistics),
        "shown": asdict(picture.shown),
        "measures": picture.measures,
    }


def _region(values: object) -> Region | None:
    if values is None:
        return None
    if not isinstance(values, list):
        raise TypeError
    left, top, width, height = (_px(value) for value in values)
    return Region(left, top, width, height)


def _px(value: Any) -> int:
    return min(max(0, int(value)), _LARGEST_PX)
