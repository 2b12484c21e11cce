"""What goes beside a recording: a table with a line for each frame, and a summary."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from heliograph.core import Frame
from heliograph.core.atomic import write_whole

_FROM_FRAME = (
    "id",
    "timestamp_ns",
    "clock",
    "wall_time_ns",
    "exposure_us",
    "gain_db",
    "line_time_ns",
    "temperature_c",
    "missing_packets",
)
COLUMNS = ("index", *_FROM_FRAME, "received_ns")
"""`index` counts from 0; `received_ns` is CLOCK_REALTIME of this machine; the others are those of `Frame`."""


class FrameTable:
    """A CSV file with a line for each frame; what a camera does not tell is empty."""

    def __init__(self, path: Path) -> None:
        self._stream = path.open("x", newline="", encoding="utf-8")
        self._writer = csv.writer(self._stream, lineterminator="\n")
        self._writer.writerow(COLUMNS)
        self._frames = 0

    def write(self, frame: Frame, received_ns: int) -> None:
        """Add a line; raises `OSError`."""
        self._writer.writerow((self._frames, *(getattr(frame, name) for name in _FROM_FRAME), received_ns))
        self._stream.flush()
        self._frames += 1

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


def write_summary(path: Path, summary: Mapping[str, Any]) -> None:
    """Write a summary as JSON; raises `OSError`."""
    write_whole(path, (json.dumps(summary, indent=2, ensure_ascii=False) + "\n").encode())
