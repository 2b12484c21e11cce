"""A camera that is lost comes back: its process is killed, our receiver is killed, its cable is cut."""

from __future__ import annotations

import itertools
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import heliograph
from heliograph.cameras.reconnect import ReconnectingCamera
from heliograph.core import CameraLostError, FeatureAccessError
from heliograph.gige.device.server import GigeDeviceServer
from heliograph.testing.camera import PatternCamera
from heliograph.testing.peers import namespace_command, require

SERVE = """
import sys
from heliograph.gige.device.server import GigeDeviceServer
from heliograph.testing.camera import PatternCamera
with GigeDeviceServer(PatternCamera(rate_hz=50), sys.argv[1], "phoenix"):
    print("serving", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELIOGRAPH_INTERFACES", "127.0.0.1")


@contextmanager
def process(address: str) -> Iterator[subprocess.Popen[bytes]]:
    """Serve a camera of 50 frames/s in a process of its own."""
    command = [sys.executable, "-c", SERVE, address]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as serving:
        try:
            assert serving.stdout is not None
            assert serving.stdout.readline() == b"serving\n"
            yield serving
        finally:
            serving.kill()


def reopening(url: str, **settings: Any) -> ReconnectingCamera:
    camera = heliograph.open(url, reconnect=True, **settings)
    assert isinstance(camera, ReconnectingCamera)
    return camera


def receiver_pid(camera: ReconnectingCamera) -> int:
    reception = camera._camera._reception
    assert reception is not None
    return reception.pid


def test_frames_outlive_the_death_of_the_cameras_process(address: str, caplog: pytest.LogCaptureFixture) -> None:
    with process(address) as serving, reopening(f"gige://{address}", width=320, gain_db=3) as camera:
        frames = camera.frames(timeout_s=20)
        ids = [next(frames).id for _ in range(5)]
        camera.features.ExposureTime = 1234  # after the start, when the settings were taken
        os.kill(serving.pid, signal.SIGKILL)
        serving.wait()
        with process(address), caplog.at_level(logging.WARNING):
            for frame in frames:
                ids.append(frame.id)
                if camera.statistics.reconnects:
                    break
            ids += [next(frames).id for _ in range(5)]
            assert frame.data.shape == (480, 320)
            assert camera.features.ExposureTime == 1234.0
            assert camera.features.Gain == 3.0
            assert camera.statistics.reconnects == 1
            gaps = [after - before for before, after in itertools.pairwise(ids)]
            assert min(gaps) >= 1
            # At 50 frames/s, starting an interpreter alone takes several.
            assert max(gaps) > 5
            assert camera.statistics.frames + camera.statistics.dropped_frames == ids[-1] - ids[0] + 1
            assert camera.statistics.frames == len(ids)
    assert "looking for it for 60 s" in caplog.text
    assert f"is back at {address}" in caplog.text


@pytest.mark.parametrize("how", ["frames", "grab"])
def test_a_killed_receiver_is_replaced(address: str, how: str) -> None:
    with GigeDeviceServer(PatternCamera(rate_hz=50), address), reopening(f"gige://{address}") as camera:
        before = camera.grab()
        pid = receiver_pid(camera)
        os.kill(pid, signal.SIGKILL)
        for _ in range(30):
            after = camera.grab() if how == "grab" else next(camera.frames(1))
        assert camera.statistics.reconnects == 1
        assert after.id > before.id
        assert receiver_pid(camera) != pid


def test_without_reconnect_a_killed_receiver_is_an_error_and_no_hang(address: str) -> None:
    with GigeDeviceServer(PatternCamera(rate_hz=50), address), heliograph.open(f"gige://{address}") as camera:
        camera.grab()
        os.kill(camera._reception.pid, signal.SIGKILL)  # type: ignore[attr-defined]  # what a test may see
        with pytest.raises(CameraLostError, match="the process that receives frames ended"):
            list(camera.frames(100))


def test_a_camera_that_stays_away_is_lost_in_bounded_time(address: str) -> None:
    with GigeDeviceServer(PatternCamera(), address) as server, reopening(f"gige://{address}?reconnect_s=1") as camera:
        camera.grab()
        server.close()
        with pytest.raises(CameraLostError, match="was lost and did not come back within 1 s"):
            for _ in camera.frames():
                pass


def test_stop_ends_the_search(address: str) -> None:
    with GigeDeviceServer(PatternCamera(), address) as server, reopening(f"gige://{address}") as camera:
        camera.grab()
        server.close()
        ended = threading.Event()

        def take() -> None:
            for _ in camera.frames():
                pass
            ended.set()

        taking = threading.Thread(target=take)
        taking.start()
        camera.stop()
        assert ended.wait(20)
        taking.join()


def test_a_camera_that_cannot_take_its_shape_any_more_is_an_error(address: str) -> None:
    small = PatternCamera(width=320, height=240)
    with GigeDeviceServer(PatternCamera(), address) as server, reopening(f"gige://{address}") as camera:
        camera.grab()
        server.close()
        with (
            GigeDeviceServer(small, address),
            pytest.raises(heliograph.FeatureValueError, match=r"(Height|Width) cannot be"),
        ):
            for _ in camera.frames():
                pass


def test_features_are_those_of_the_camera(address: str) -> None:
    with GigeDeviceServer(PatternCamera(), address, "plain"), reopening(f"gige://{address}") as camera:
        assert camera.name == "plain"
        assert "ExposureTime" in camera.features
        assert camera.features.names() == camera._camera.features.names()
        assert not camera.streaming
        camera.start()
        assert camera.streaming
        with pytest.raises(FeatureAccessError, match="locked while frames stream"):
            camera.features.Width = 320
        camera.apply({"Width": 320})
        assert camera.grab().data.shape == (480, 320)
        camera.features.execute("TimestampLatch")


CUT = """
import subprocess, sys
from heliograph.gige.device.server import GigeDeviceServer
from heliograph.testing.camera import PatternCamera
from heliograph.testing.wire import CAMERA_ADDRESS, Wire

ip, client = sys.argv[1:]
with Wire() as wire, GigeDeviceServer(PatternCamera(rate_hz=50), CAMERA_ADDRESS, "cam-1"):
    with subprocess.Popen(wire.at_client(sys.executable, "-c", client), stdout=subprocess.PIPE, text=True) as program:
        for line in program.stdout:
            if line.startswith("cut"):
                subprocess.run([ip, "link", "set", "camera", "down"], check=True)
            elif line.startswith("mend"):
                subprocess.run([ip, "link", "set", "camera", "up"], check=True)
            else:
                print(line, end="", flush=True)
    sys.exit(program.returncode)
"""
CUT_CLIENT = """
import json, logging, heliograph
class Mend(logging.Handler):
    def emit(self, record):
        if "looking for it" in record.getMessage():
            print("mend", flush=True)
logging.getLogger("heliograph").addHandler(Mend())
with heliograph.open("gige://cam-1", reconnect=True, gain_db=3) as camera:
    frames = camera.frames(timeout_s=30)
    ids = [next(frames).id for _ in range(5)]
    print("cut", flush=True)
    while not camera.statistics.reconnects:
        ids.append(next(frames).id)
    ids += [next(frames).id for _ in range(5)]
    print(json.dumps({"ids": ids, "gain": camera.features.Gain, "dropped": camera.statistics.dropped_frames}))
"""


def test_a_cut_cable_is_a_gap() -> None:
    command = [*namespace_command(), sys.executable, "-c", CUT, require("ip"), CUT_CLIENT]
    # The namespace has no 127.0.0.1 that the camera would be found at.
    here = {name: value for name, value in os.environ.items() if name != "HELIOGRAPH_INTERFACES"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, env=here)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    gaps = [after - before for before, after in itertools.pairwise(told["ids"])]
    assert min(gaps) >= 1
    # The camera is given up after at least 2.5 s without an answer: 125 frames at 50 frames/s.
    assert max(gaps) > 100
    assert told["dropped"] == told["ids"][-1] - told["ids"][0] + 1 - len(told["ids"])
    assert told["gain"] == 3.0
