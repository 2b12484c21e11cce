"""Who may talk to a camera."""

from typing import Any

import pytest

from heliograph.core import AddressError, SettingError
from heliograph.gige import gvcp
from heliograph.gige.bootstrap import Register
from heliograph.gige.device.allow import AllowedNetworks
from heliograph.gige.gvcp import Command, CommandPacket, Status

Bench = Any  # conftest.py's, which test modules cannot import


@pytest.mark.parametrize(
    ("address", "answered"),
    [
        ("10.1.2.3", True),
        ("172.31.255.255", True),
        ("172.32.0.0", False),
        ("192.168.0.1", True),
        ("127.0.0.1", True),
        ("169.254.9.9", True),
        ("8.8.8.8", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("255.255.255.255", False),
    ],
)
def test_private_networks_are_answered_by_default(address: str, answered: bool) -> None:
    assert (address in AllowedNetworks.parse([])) is answered


def test_networks_that_are_named_are_all_there_is() -> None:
    allowed = AllowedNetworks.parse(["192.168.1.0/24", "203.0.113.9"])
    assert "203.0.113.9" in allowed
    assert "203.0.113.8" not in allowed
    assert "10.0.0.1" not in allowed


@pytest.mark.parametrize("text", ["192.168.1.7/24", "everybody", "", "::1", "10.0.0.0/33"])
def test_what_is_no_network_is_told(text: str) -> None:
    with pytest.raises(SettingError, match=r"such as 192\.168\.1\.0/24"):
        AllowedNetworks.parse([text])


def test_a_public_address_is_served_only_to_who_is_named() -> None:
    with pytest.raises(AddressError, match=r"203\.0\.113\.7 is a public address.*--allow"):
        AllowedNetworks.parse([]).check_own("203.0.113.7")
    AllowedNetworks.parse([]).check_own("192.168.1.7")
    AllowedNetworks.parse(["203.0.113.0/24"]).check_own("203.0.113.7")


def test_strangers_are_ignored_and_nothing_is_sent_to_them(bench: Bench) -> None:
    stranger = ("8.8.8.8", 3956)
    for broadcast in (False, True):
        bench.control.receive_datagram(CommandPacket(Command.DISCOVERY, 1).pack(), stranger, 0, broadcast=broadcast)
    assert bench.control.datagrams_to_send() == []
    assert bench.control.rejected_datagrams == 2
    bench.take_control()
    assert bench.write(Register.STREAM_CHANNEL_DESTINATION, 0x08080808) == Status.ACCESS_DENIED
    multicast = gvcp.pack_writes([(Register.STREAM_CHANNEL_DESTINATION, 0xEF000001)])
    assert bench.ask(Command.WRITEREG, multicast).status == 0
    assert bench.write(Register.STREAM_CHANNEL_DESTINATION, 0) == 0
