"""Interfaces of the machine that runs the test: loopback is on every one."""

import subprocess
import sys
from pathlib import Path

import pytest

from heliograph.core import AddressError
from heliograph.gige import interface as module
from heliograph.gige.interface import Interface, interface_of, interfaces
from heliograph.testing.peers import namespace_command, require


def test_loopback_is_listed() -> None:
    (loopback,) = [each for each in interfaces() if each.address == "127.0.0.1"]
    assert (loopback.name, loopback.prefix_bits, loopback.loopback, loopback.mac) == ("lo", 8, True, 0)
    assert loopback.mtu_bytes >= 1500


def test_every_loopback_address_is_of_this_machine() -> None:
    assert interface_of("127.200.3.4") == Interface("lo", "127.200.3.4", 8)
    assert str(interface_of("127.200.3.4").network) == "127.0.0.0/8"


def test_an_address_with_a_label_is_of_the_interface_it_is_on() -> None:
    steps = (
        f"{require('ip')} address add 10.7.0.3/24 dev lo label lo:1",
        f"{sys.executable} -c 'from heliograph.gige.interface import interface_of; print(interface_of(\"10.7.0.3\"))'",
    )
    command = [*namespace_command(), "sh", "-ec", "; ".join(steps)]
    run = subprocess.run(command, check=False, capture_output=True, text=True)
    assert run.stdout == f"{Interface('lo', '10.7.0.3', 24)}\n", run.stderr


@pytest.mark.parametrize("address", ["203.0.113.7", "127.255.255.255", "::1", "cam-1", ""])
def test_address_of_another_machine_is_an_error_that_lists_ours(address: str) -> None:
    with pytest.raises(AddressError, match=r"has .*127\.0\.0\.1 \(lo\)"):
        interface_of(address)


@pytest.mark.parametrize(
    ("files", "mac", "mtu_bytes", "speed"),
    [
        ({"address": "2c:cf:67:01:02:03\n", "mtu": "9000\n", "speed": "2500\n"}, 0x2CCF67010203, 9000, 2500),
        ({"address": "00:00:00:00:00:00\n", "mtu": "65536\n", "speed": "-1\n"}, 0, 65536, 0),
        ({"address": "10.0.0.1\n"}, 0, 1500, 0),
        ({}, 0, 1500, 0),
    ],
)
def test_what_the_kernel_tells_of_an_interface(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], mac: int, mtu_bytes: int, speed: int
) -> None:
    (tmp_path / "eth7").mkdir()
    for name, text in files.items():
        (tmp_path / "eth7" / name).write_text(text)
    monkeypatch.setattr(module, "_SYSFS", tmp_path)
    interface = Interface("eth7", "10.0.0.1", 24)
    assert (interface.mac, interface.mtu_bytes, interface.speed_mbit_per_s) == (mac, mtu_bytes, speed)
