"""Packet size negotiation where packets are real: two network namespaces and a link whose ends differ."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from heliograph.testing.peers import namespace_command, require

SERVE = """
import subprocess, sys
from heliograph.gige.device.server import GigeDeviceServer
from heliograph.testing.camera import PatternCamera
from heliograph.testing.wire import CAMERA_ADDRESS, Wire

camera_mtu, client_mtu, rule, ip, nft, client = sys.argv[1:]
with Wire() as wire:
    subprocess.run([ip, "link", "set", "camera", "mtu", camera_mtu], check=True)
    subprocess.run(wire.at_client(ip, "link", "set", "client", "mtu", client_mtu), check=True)
    if rule:
        subprocess.run(wire.at_client(nft, rule), check=True)
    with GigeDeviceServer(PatternCamera(rate_hz=50), CAMERA_ADDRESS, "cam-1"):
        subprocess.run(wire.at_client(sys.executable, "-c", client), check=True)
"""
CLIENT = """
import json, heliograph
with heliograph.open("gige://cam-1") as camera:
    frames = [(frame.id, frame.missing_packets) for frame in camera.frames(10)]
    print(json.dumps({"size": camera.features["GevSCPSPacketSize"], "frames": frames}))
"""


def streamed(camera_mtu: int, client_mtu: int, rule: str = "") -> Any:
    """Stream ten frames over a link and give them and the packet size."""
    words = [str(camera_mtu), str(client_mtu), rule, require("ip"), require("nft"), CLIENT]
    command = [*namespace_command(), sys.executable, "-c", SERVE, *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# The client takes what is within 32 bytes of the best: 2 % more packets, and fewer lost test packets to wait for.
NEAR_BYTES = 32


def test_a_whole_ethernet_takes_1500() -> None:
    told = streamed(1500, 1500)
    assert told["size"] == 1500
    assert told["frames"] == [[frame_id, 0] for frame_id in range(1, 11)]


@pytest.mark.parametrize(("camera_mtu", "client_mtu"), [(1500, 1400), (1400, 1500)])
def test_packets_are_as_large_as_the_smaller_end_takes(camera_mtu: int, client_mtu: int) -> None:
    told = streamed(camera_mtu, client_mtu)
    assert 1400 - NEAR_BYTES <= told["size"] <= 1400
    assert told["frames"] == [[frame_id, 0] for frame_id in range(1, 11)]


def test_a_limit_between_the_ends_is_found_by_test_packets() -> None:
    # A switch that takes no larger packets drops them and says nothing. What is above 1500 is a few packets that the
    # kernel has not cut apart.
    rule = "add table inet t; add chain inet t i { type filter hook input priority 0; }; "
    rule += "add rule inet t i ip length 1301-1500 drop"
    told = streamed(1500, 1500, rule)
    assert 1300 - NEAR_BYTES <= told["size"] <= 1300
    assert told["frames"] == [[frame_id, 0] for frame_id in range(1, 11)]
