"""Action commands to our own cameras, to one, to several, and to nobody."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

import heliograph
from heliograph.core import AddressError, Camera, SettingError
from heliograph.gige.device.server import GigeDeviceServer
from heliograph.testing.addresses import loopback_address
from heliograph.testing.camera import PatternCamera
from heliograph.testing.peers import namespace_command, require

DEVICE_KEY, GROUP_KEY = 0x1234, 0x7


@pytest.fixture
def waiting(address: str) -> Iterator[list[tuple[str, Camera]]]:
    """Two cameras that wait for Action0, and their addresses."""
    with ExitStack() as stack:
        cameras = []
        for own in (address, stack.enter_context(loopback_address())):
            stack.enter_context(GigeDeviceServer(PatternCamera(rate_hz=50), own))
            camera = stack.enter_context(heliograph.open(f"gige://{own}"))
            camera.apply({"TriggerMode[FrameStart]": "On", "TriggerSource[FrameStart]": "Action0"})
            camera.features["ActionDeviceKey"] = DEVICE_KEY
            camera.features["ActionSelector"] = 0
            camera.features["ActionGroupKey"] = GROUP_KEY
            camera.features["ActionGroupMask"] = 0xFF
            camera.start()
            cameras.append((own, camera))
        yield cameras


def test_one_command_each_fires_all(waiting: list[tuple[str, Camera]]) -> None:
    addresses = [address for address, _ in waiting]
    assert heliograph.fire_action(DEVICE_KEY, GROUP_KEY, address=addresses) == dict.fromkeys(addresses, "SUCCESS")
    for _, camera in waiting:
        assert next(camera.frames(1)).missing_packets == 0


def test_a_scheduled_action_fires_at_its_time_and_a_late_one_never(waiting: list[tuple[str, Camera]]) -> None:
    address, camera = waiting[0]
    now_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    assert heliograph.fire_action(DEVICE_KEY, GROUP_KEY, at_ns=now_ns - 1, address=address) == {address: "ACTION_LATE"}
    at_ns = now_ns + 300_000_000
    assert heliograph.fire_action(DEVICE_KEY, GROUP_KEY, at_ns=at_ns, address=address) == {address: "SUCCESS"}
    assert next(camera.frames(1)).timestamp_ns >= at_ns


def test_cameras_with_other_keys_do_not_fire(waiting: list[tuple[str, Camera]]) -> None:
    address, camera = waiting[0]
    answers = heliograph.fire_action(DEVICE_KEY + 1, GROUP_KEY, address=address)
    assert answers in ({}, {address: "INVALID_PARAMETER"})
    with pytest.raises(heliograph.FrameTimeoutError):
        next(camera.frames(1, timeout_s=0.2))


def test_what_cannot_be_sent_says_so() -> None:
    with pytest.raises(SettingError, match="group_mask cannot be -1"):
        heliograph.fire_action(1, 1, -1, address="127.0.0.1")
    with pytest.raises(AddressError, match="'cam-1' is no IPv4 address"):
        heliograph.fire_action(1, 1, address="cam-1")


def test_a_broadcast_reaches_the_cameras_of_the_chosen_interface(
    waiting: list[tuple[str, Camera]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HELIOGRAPH_INTERFACES", "127.0.0.1")
    answers = heliograph.fire_action(DEVICE_KEY, GROUP_KEY)
    assert answers == {address: "SUCCESS" for address, _ in waiting}


FORBIDDEN = """
import subprocess, sys, heliograph
rule = "add table ip t; add chain ip t out { type filter hook output priority 0; policy drop; }"
subprocess.run([sys.argv[1], rule], check=True)
for address in ("255.255.255.255", "127.0.0.1"):
    try:
        heliograph.fire_action(1, 1, address=address)
    except heliograph.core.AddressError as error:
        print(error)
"""


def test_a_firewall_that_forbids_it_is_told() -> None:
    script = 'ip link set lo up && exec "$@"'
    words = ["sh", "-c", script, "sh", sys.executable, "-c", FORBIDDEN, require("nft")]
    done = subprocess.run([*namespace_command(), *words], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert (
        done.stdout.splitlines() == ["no action can be sent: Operation not permitted; does a firewall forbid it?"] * 2
    )
