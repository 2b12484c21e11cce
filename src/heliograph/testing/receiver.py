"""Streams from a camera for a while in a process of its own and tells what came, as a line of JSON.

python -m heliograph.testing.receiver gige://10.9.0.1 10 Width=1014 PixelFormat=BGR8
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import asdict

import heliograph
from heliograph.core import settings
from heliograph.testing.processes import children, cpu_s


def receive(url: str, seconds: float, features: dict[str, str]) -> dict[str, float]:
    """Give counts, times in s, and the processor time of receiving and of the user's process in s."""
    with heliograph.open(url) as camera:
        settings.apply(camera.features, features)
        camera.grab()
        pids = (max(children(os.getpid())), os.getpid())
        before, cpu_before = asdict(camera.statistics), [cpu_s(pid) for pid in pids]
        begin_s = time.monotonic()
        size_bytes = 0
        for frame in camera.frames():
            size_bytes = frame.data.nbytes
            if time.monotonic() - begin_s >= seconds:
                break
        took_s = time.monotonic() - begin_s
        receiver_s, user_s = (cpu_s(pid) - was for pid, was in zip(pids, cpu_before, strict=True))
        counts = {name: count - before[name] for name, count in asdict(camera.statistics).items()}
    return {**counts, "took_s": took_s, "frame_bytes": size_bytes, "receiver_s": receiver_s, "user_s": user_s}


def main(url: str, seconds: str, *features: str) -> None:
    """Print what came."""
    told = receive(url, float(seconds), dict(feature.split("=", 1) for feature in features))
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
