from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np

from heliograph.core import Clock, Frame, PixelFormat
from heliograph.desk.sidecar import FrameTable, write_summary


def test_a_line_tells_what_the_frame_does(tmp_path: Path) -> None:
    pixels = np.zeros((2, 2), np.uint8)
    whole = Frame(pixels, PixelFormat.Mono8, 7, 10**18, Clock.SIM, 12.5, 6.0, 11, 15_167, 41.25, 2)
    table = FrameTable(tmp_path / "t.csv")
    table.write(whole, 12)
    table.write(Frame(pixels, PixelFormat.Mono8, 8, 10**18 + 1), 13)
    # Before it is closed: a table is of use when the program dies.
    with (tmp_path / "t.csv").open(newline="") as stream:
        first, second = csv.DictReader(stream)
    table.close()
    assert first == {
        "index": "0",
        "id": "7",
        "timestamp_ns": "1000000000000000000",
        "clock": "simulated",
        "wall_time_ns": "11",
        "exposure_us": "12.5",
        "gain_db": "6.0",
        "line_time_ns": "15167",
        "temperature_c": "41.25",
        "missing_packets": "2",
        "received_ns": "12",
    }
    assert (second["index"], second["exposure_us"], second["clock"]) == ("1", "", "CLOCK_BOOTTIME")


def test_a_summary_is_json(tmp_path: Path) -> None:
    write_summary(tmp_path / "s.json", {"camera": "K\u00fche", "frames": 3})
    assert json.loads((tmp_path / "s.json").read_text()) == {"camera": "K\u00fche", "frames": 3}
