"""A frame as the page wants it: a JPEG of the part and size asked for, and what is measured on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from heliograph.core import Frame
from heliograph.core.convert import opencv
from heliograph.core.measure import native_rgb, rgb_histogram
from heliograph.core.pixelformat import Layout
from heliograph.desk.focus import focus_score
from heliograph.desk.region import Region

_QUALITY = 90


@dataclass(frozen=True, slots=True)
class PictureRequest:
    """What a page asks for; regions are px of the frame."""

    width: int
    """Largest size of the JPEG, in px of the page's screen."""
    height: int
    crop: Region | None = None
    """The part to show; all of it when there is none."""
    region: Region | None = None
    """Where focus is measured; the centre when there is none."""
    paused: bool = False
    """Show the same frame again, in another way."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What a page shows of a frame."""

    jpeg: bytes
    shown: Region
    measures: dict[str, Any] | None
    """Histogram, focus and clipping, JSON-like; none when they were not asked for."""


def encode(frame: Frame, request: PictureRequest, measured: bool = True) -> Picture:
    """Give what a page shows of a frame.

    >>> from heliograph.core import PixelFormat
    >>> frame = Frame(np.zeros((48, 64), np.uint8), PixelFormat.BayerRG8, id=1, timestamp_ns=0)
    >>> encode(frame, PictureRequest(width=32, height=32)).jpeg[:2].hex()
    'ffd8'

    Raises `MissingDependencyError` without OpenCV.
    """
    cv2 = opencv()
    rgb = frame.to(native_rgb(frame.pixel_format))
    shown = (request.crop or Region(0, 0, frame.width, frame.height)).inside(frame.width, frame.height)
    part = shown.of(rgb)
    part = _reduced(cv2, part, min(1.0, max(1, request.width) / shown.width, max(1, request.height) / shown.height))
    if part.dtype != np.uint8:
        part = cv2.convertScaleAbs(part, alpha=255 / 65535)
    _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(part, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    measures = _measures(frame, rgb, request.region) if measured else None
    return Picture(jpeg.tobytes(), shown, measures)


def _reduced(cv2: Any, part: npt.NDArray[Any], scale: float) -> npt.NDArray[Any]:
    """Make a picture smaller without aliasing, fast.

    OpenCV vectorises means over whole pixels, not those over fractions: 3 ms instead of 65 ms for 2028x1520 px.
    """
    height, width = part.shape[:2]
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    whole = int(1 / scale)
    if whole > 1:
        # A rest of fewer than `whole` pixels at the right and lower edge is left out.
        even = part[: height // whole * whole or height, : width // whole * whole or width]
        part = cv2.resize(even, (max(1, width // whole), max(1, height // whole)), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_LINEAR)) if scale < 1 else part


def _measures(frame: Frame, rgb: npt.NDArray[Any], region: Region | None) -> dict[str, Any]:
    where = (region or Region.centre(frame.width, frame.height)).inside(frame.width, frame.height)
    counts = rgb_histogram(rgb)
    return {
        "histogram": counts.tolist(),
        "grey": frame.pixel_format.layout is Layout.MONO,
        "clipped": float(counts[:, -1].max() / max(1, counts[0].sum())),
        "mean": float((counts @ np.arange(counts.shape[1])).mean() / max(1, counts[0].sum()) / (counts.shape[1] - 1)),
        "focus": focus_score(where.of(rgb)),
        "region": [where.left, where.top, where.width, where.height],
    }
