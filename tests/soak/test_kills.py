"""The camera's process, or the receiving one, is killed again and again: frames come back, settings as they were."""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import heliograph
from heliograph.core import Camera
from heliograph.testing.addresses import loopback_address
from heliograph.testing.processes import children, served

FRESH_NS = 200_000_000
SETTINGS: dict[str, Any] = {
    "width": 640,
    "height": 480,
    "pixel_format": "Mono8",
    "exposure_us": 77.0,
    "frame_rate_hz": 50.0,
}


class Node:
    """A camera's process, which may be killed and started again."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._resources = ExitStack()
        self.start()

    def start(self) -> None:
        _, self.pid = self._resources.enter_context(served("sim://bench", addresses=[self.address]))

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self._resources.close()

    def close(self) -> None:
        self._resources.close()


def test_frames_come_back_whoever_is_killed(length: Any) -> None:
    with loopback_address() as address, ExitStack() as resources:
        node = Node(address)
        resources.callback(node.close)
        url = f"gige://{address}?reconnect=1&packet_size=1500"
        camera = resources.enter_context(heliograph.open(url, **SETTINGS))
        survive(camera, node, random.Random(length.seed), length.kills)


def survive(camera: Camera, node: Node, dice: random.Random, kills: int) -> None:
    frames = camera.frames(timeout_s=30)
    last_id = next(frames).id
    for _ in range(kills):
        if dice.random() < 0.5:
            node.kill()
            node.start()
        else:
            os.kill(max(children(os.getpid()), key=started_ticks), signal.SIGKILL)
        # Frames that were on their way when the blow fell prove nothing.
        fresh_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        for frame in frames:
            assert frame.id > last_id
            last_id = frame.id
            if frame.timestamp_ns > fresh_ns + FRESH_NS:
                break
        assert (frame.width, frame.height, frame.pixel_format.name) == (640, 480, "Mono8")
        assert frame.exposure_us == SETTINGS["exposure_us"]
        assert not frame.missing_packets
    assert camera.features["AcquisitionFrameRate"] == SETTINGS["frame_rate_hz"]


def started_ticks(pid: int) -> int:
    """When a process was started: the receiving one of the present stream is the youngest."""
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19])
