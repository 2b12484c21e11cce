"""Eight cameras on one client: every frame of each, at the same time.

    python benchmarks/many.py [seconds]

One process serves them on loopback, each at an address of its own; the client takes the frames of each in a thread.
"""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import heliograph
from heliograph.core import Camera
from heliograph.testing.processes import children, cpu_s, served

CAMERAS = 8
WIDTH, HEIGHT, PIXEL_FORMAT, RATE_HZ = 1014, 760, "BGR8", 15.0
FRAME_BYTES = WIDTH * HEIGHT * 3


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    count = int(RATE_HZ * seconds)
    urls = [f"sim://bench?serial=BENCH{number}" for number in range(1, CAMERAS + 1)]
    with served(*urls) as (addresses, device_pid), ExitStack() as resources:
        cameras = [resources.enter_context(opened(address)) for address in addresses]
        pool = resources.enter_context(ThreadPoolExecutor(CAMERAS))
        list(pool.map(lambda camera: camera.grab(), cameras))
        receivers = children(os.getpid())
        pids = (device_pid, os.getpid(), *receivers)
        before, begin_s = [cpu_s(pid) for pid in pids], time.monotonic()
        losses = list(pool.map(lambda camera: lost(camera, count), cameras))
        took_s = time.monotonic() - begin_s
        used = [(cpu_s(pid) - was) / took_s for pid, was in zip(pids, before, strict=True)]
    mb_per_s = CAMERAS * count * FRAME_BYTES / took_s / 1e6
    print(f"loopback (no packet on the wire), {CAMERAS} cameras, {WIDTH}x{HEIGHT} {PIXEL_FORMAT} at {RATE_HZ:g} Hz")
    print(f"  frames lost or incomplete, by camera: {losses}")
    print(f"  CPU of device {used[0]:.0%}, user {used[1]:.0%}, {len(receivers)} receivers together {sum(used[2:]):.0%}")
    print(f"many: {CAMERAS} cameras, {CAMERAS * count / took_s:.1f} frames/s, {mb_per_s:.0f} MB/s, {sum(losses)} lost")


def opened(address: str) -> Camera:
    return heliograph.open(
        f"gige://{address}?packet_size=1500",
        width=WIDTH,
        height=HEIGHT,
        pixel_format=PIXEL_FORMAT,
        frame_rate_hz=RATE_HZ,
    )


def lost(camera: Camera, count: int) -> int:
    """Take this many frames and tell how many of the stream were lost or incomplete meanwhile."""
    before = camera.statistics
    for _ in camera.frames(count):
        pass
    now = camera.statistics
    return now.dropped_frames + now.incomplete_frames - before.dropped_frames - before.incomplete_frames


if __name__ == "__main__":
    main()
