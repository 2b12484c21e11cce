"""Streaming for a long time: neither the camera's process, nor the receiving one, nor the user's grows."""

from __future__ import annotations

import os
import time
from typing import Any

import heliograph
from heliograph.testing.processes import children, private_bytes, served

WARM_UP_SHARE = 0.25
# One frame is 4.6 MB: a frame too many that stays behind would show.
MOST_GROWTH_BYTES = 4_000_000


def test_memory_stays_where_it_is(length: Any) -> None:
    with (
        served("sim://bench") as ([address], device_pid),
        heliograph.open(f"gige://{address}", pixel_format="NV12", frame_rate_hz=20.0) as camera,
    ):
        camera.grab()
        pids = (device_pid, max(children(os.getpid())), os.getpid())
        begin_s = time.monotonic()
        settled: list[int] = []
        for _ in camera.frames():
            passed_s = time.monotonic() - begin_s
            if not settled and passed_s > WARM_UP_SHARE * length.stream_s:
                settled = [private_bytes(pid) for pid in pids]
            if passed_s > length.stream_s:
                break
        growth = [private_bytes(pid) - was for pid, was in zip(pids, settled, strict=True)]
        frames = camera.statistics.frames
    assert frames > 15 * length.stream_s
    assert max(growth) < MOST_GROWTH_BYTES, growth
