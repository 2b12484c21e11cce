"""What benchmarks measure with: a stream received for a while, and pictures asked for over TCP."""

from __future__ import annotations

import json
import subprocess
import sys

from heliograph.testing import tcp_camera
from heliograph.testing.addresses import loopback_address
from heliograph.testing.processes import served


def test_a_stream_is_counted() -> None:
    with loopback_address() as address, served("sim://bench", addresses=[address]):
        features = ("Width=320", "Height=240", "PixelFormat=Mono8", "AcquisitionFrameRate=50")
        words = ["-m", "heliograph.testing.receiver", f"gige://{address}", "1", *features]
        done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["frame_bytes"] == 320 * 240
    assert told["frames"] + told["dropped_frames"] >= 40
    assert told["took_s"] >= 1
    assert told["receiver_s"] > 0


def test_pictures_come_when_they_are_asked_for() -> None:
    rate_hz = 50.0
    with loopback_address() as address, tcp_camera.Server("sim://bench", address, 320, 240, "Mono8", rate_hz):
        per_second = tcp_camera.ask(address, 320, 240, "Mono8", seconds=1.0)
    # Each picture is one that was completed after it was asked for, so no more come than the sensor takes.
    assert 1 < per_second <= rate_hz * 1.1
