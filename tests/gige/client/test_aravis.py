"""Aravis' fake camera as the camera of our client, both alone in a network namespace."""

import json
import statistics
import subprocess
import sys
from typing import Any

from heliograph.testing.peers import namespace_command, require

START = """
import json, subprocess, sys, time
import heliograph
from heliograph.core import HeliographError
from heliograph.gige.client.device import GigeDevice
from heliograph.gige.client.discovery import discover, probe
from heliograph.gige.client.nodemap import NodeMapFeatures

def error(act):
    try:
        act()
    except HeliographError as error:
        return [type(error).__name__, str(error)]

with subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as fake:
    try:
        deadline_s = time.monotonic() + 20
        while probe("127.0.0.1", 0.1) is None:
            assert time.monotonic() < deadline_s
        told = {}
        BODY
        print(json.dumps(told))
    finally:
        fake.kill()
"""


def beside_the_fake(body: str, *options: str) -> Any:
    """Run lines of Python beside Aravis' fake camera and give what they told."""
    program = START.replace("BODY", body.strip().replace("\n", "\n        "))
    script = f'{require("ip")} link set lo up && exec "$@"'
    fake = (require("arv-fake-gv-camera-0.8"), "-i", "127.0.0.1", *options)
    command = [*namespace_command(), "sh", "-c", script, "sh", sys.executable, "-c", program, *fake]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_discovery_finds_it() -> None:
    told = beside_the_fake(
        """
(camera,) = discover(0.3)
told["camera"] = [camera.vendor, camera.model, camera.serial, camera.version, camera.address]
told["found"] = []
for name in ("SN77", "127.0.0.1", "Fake"):
    with heliograph.open(f"gige://{name}") as opened:
        told["found"].append(opened.name)
""",
        "-s",
        "SN77",
    )
    assert told["camera"] == ["Aravis", "Fake", "SN77", "0.8.26", "127.0.0.1"]
    assert told["found"] == ["Fake-SN77"] * 3


def test_features_are_read_and_set_within_their_limits() -> None:
    told = beside_the_fake("""
with GigeDevice.open("127.0.0.1") as device, GigeDevice.open("127.0.0.1", control=False) as other:
    features, monitor = NodeMapFeatures(device), NodeMapFeatures(other)
    commands = ("AcquisitionStart", "AcquisitionStop", "TriggerSoftware")
    told["values"] = {name: features[name] for name in features.names() if name not in commands}
    width, exposure = features.describe("Width"), features.describe("ExposureTimeAbs")
    told["limits"] = [width.minimum, width.maximum, width.increment, exposure.minimum, exposure.maximum]
    told["formats"] = sorted(features.describe("PixelFormat").entries)
    told["monitor before"] = monitor["Width"]
    features["Width"], features["Height"], features["PixelFormat"] = 128, 64, "RGB8"
    features["ExposureTimeAbs"] = 2500.0
    told["after"] = [features[name] for name in ("Width", "PixelFormat", "ExposureTimeAbs", "PayloadSize")]
    told["monitor after"] = [monitor["Width"], monitor["PayloadSize"]]
    told["too wide"] = error(lambda: features.__setitem__("Width", 5000))
    told["held"] = error(lambda: GigeDevice.open("127.0.0.1"))
with GigeDevice.open("127.0.0.1"):
    told["given back"] = True
""")
    assert told["values"]["DeviceVendorName"] == "Aravis"
    assert (told["values"]["Width"], told["values"]["PixelFormat"], told["values"]["PayloadSize"]) == (
        *(512, "Mono8", 512 * 512),
    )
    assert told["limits"] == [1, 2048, 1, 10.0, 10_000_000.0]
    assert {"Mono8", "Mono16", "RGB8", "BayerRG8"} <= set(told["formats"])
    assert told["after"] == [128, "RGB8", 2500.0, 128 * 64 * 3]
    # Every register of this camera says that it may be cached.
    assert (told["monitor before"], told["monitor after"]) == (512, [128, 128 * 64 * 3])
    assert told["too wide"] == ["FeatureValueError", "Width cannot be 5000: possible is 1 to 2048"]
    assert told["held"][0] == "CameraBusyError"
    assert told["given back"]


def test_frames_stream_in_the_shape_that_was_set() -> None:
    told = beside_the_fake("""
with heliograph.open("gige://GV01", width=128, height=64, pixel_format="RGB8") as camera:
    told["frames"] = [(frame.data.shape, frame.id, frame.missing_packets) for frame in camera.frames(100)]
    told["locked"] = error(lambda: camera.features.__setitem__("DeviceID", "x"))
    camera.stop()
    camera.features["PixelFormat"], camera.features["Width"] = "Mono8", 256
    told["other"] = camera.grab().data.shape
""")
    shapes, ids, missing = zip(*told["frames"], strict=True)
    assert list(shapes) == [[64, 128, 3]] * 100
    assert list(ids) == sorted(set(ids))
    assert missing == (0,) * 100
    assert told["locked"] == ["FeatureAccessError", "DeviceID is read-only"]
    assert told["other"] == [64, 256]


def test_lost_packets_are_reported_on_the_frame() -> None:
    told = beside_the_fake(
        """
with heliograph.open("gige://GV01?packet_size=576") as camera:
    told["missing"] = [frame.missing_packets for frame in camera.frames(25)]
""",
        "-r",
        "20",
    )
    # 486 payload packets a frame, of which it throws 2 in 100 away.
    assert 1 <= statistics.median(told["missing"]) <= 40


def test_settings_are_taken_applied_and_given_back_after_a_restart() -> None:
    told = beside_the_fake("""
with heliograph.open("gige://GV01", reconnect=True, width=128, height=64) as camera:
    told["settings"] = camera.snapshot_settings()
    frames = camera.frames(timeout_s=20)
    ids = [next(frames).id for _ in range(5)]
    camera.apply({"PixelFormat": "RGB8", "ExposureTimeAbs": 2500.0})
    told["applied"] = next(frames).data.shape
    ids = [next(frames).id for _ in range(5)]
    fake.kill()
    fake.wait()
    with subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as again:
        try:
            while not camera.statistics.reconnects:
                ids.append((frame := next(frames)).id)
            told["back"] = [frame.data.shape, camera.features["ExposureTimeAbs"]]
            told["ids"] = ids + [next(frames).id for _ in range(5)]
        finally:
            again.kill()
""")
    assert (told["settings"]["Width"], told["settings"]["Height"], told["settings"]["PixelFormat"]) == (
        128,
        64,
        "Mono8",
    )
    # The categories of addresses and of the device itself hold no settings.
    assert not [name for name in told["settings"] if name.startswith(("Gev", "Device"))]
    assert told["applied"] == [64, 128, 3]
    assert told["back"] == [[64, 128, 3], 2500.0]
    assert told["ids"] == sorted(set(told["ids"]))
