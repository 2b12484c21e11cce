"""Who is on the network, and finding one of them."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.core import AddressError, CameraNotFoundError, RemoteProtocolError
from heliograph.gige import gvcp
from heliograph.gige.bootstrap import DISCOVERY_BYTES, STRING_BYTES, Register
from heliograph.gige.client import discovery
from heliograph.gige.client.discovery import DiscoveredCamera, discover, find, probe
from heliograph.gige.device.server import GigeDeviceServer
from heliograph.gige.gvcp import AckPacket, Command, CommandPacket
from heliograph.testing.addresses import loopback_address
from heliograph.testing.camera import PatternCamera

Scripted = Any  # conftest.py's, which test modules cannot import
LOOPBACK = ["127.0.0.1"]


@pytest.fixture(autouse=True)
def only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep every broadcast of these tests on this machine."""
    monkeypatch.setenv(discovery.INTERFACES_VARIABLE, "127.0.0.1")


def golden(name: str) -> bytes:
    """Give a real camera's acknowledge, zeros for what the public source leaves out."""
    lines = (Path(__file__).parents[1] / "vectors" / "discovery.txt").read_text().splitlines()
    taken = lines[lines.index(f"{name} discovery-ack") + 1 :]
    packed = bytes.fromhex("".join(line for line in taken[: next_name(taken)]))
    return packed.ljust(8 + DISCOVERY_BYTES, b"\0")


def next_name(lines: list[str]) -> int:
    return next((at for at, line in enumerate(lines) if not line.startswith(" ")), len(lines))


def test_golden_acknowledge_of_flir() -> None:
    ack = AckPacket.unpack(golden("flir"))
    assert DiscoveredCamera.unpack(ack.payload, "192.168.0.2") == DiscoveredCamera(
        name="",
        vendor="FLIR",
        model="Blackfly S BFS-PGE-122S6M",
        serial="",
        mac="2c:dd:a3:31:87:d7",
        address="192.168.0.193",
        subnet_mask="255.255.255.0",
        gateway="192.168.0.2",
        version="1707.3.1.0",
        manufacturer_info="",
        interface_address="192.168.0.2",
    )


def test_golden_acknowledge_whose_texts_fill_their_fields() -> None:
    camera = DiscoveredCamera.unpack(AckPacket.unpack(golden("imaging-source")).payload)
    assert (camera.vendor, camera.model) == ("The Imaging Source Europe GmbH", "DMK 33GP031")
    assert camera.version == "Rev 2352, FPGA GigE3:103Rev 2352"
    assert camera.manufacturer_info == ", FPGA GigE3:103"
    assert (camera.mac, camera.address, camera.gateway) == ("00:07:48:81:b3:f3", "160.205.78.186", "160.205.78.254")


@pytest.mark.parametrize("length", range(DISCOVERY_BYTES))
def test_every_truncation_breaks_the_protocol(length: int) -> None:
    with pytest.raises(RemoteProtocolError, match=f"has {length} bytes instead of 248"):
        DiscoveredCamera.unpack(AckPacket.unpack(golden("flir")).payload[:length])


@given(st.binary(min_size=DISCOVERY_BYTES, max_size=DISCOVERY_BYTES + 20))
def test_any_bytes_of_the_right_length_are_a_camera(payload: bytes) -> None:
    camera = DiscoveredCamera.unpack(payload)
    assert bytes.fromhex(camera.mac.replace(":", "")) == payload[0x0A:0x10]
    assert socket.inet_aton(camera.address) == payload[0x24:0x28]
    assert "\0" not in camera.vendor + camera.model + camera.name + str(camera)


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8).map(str.strip)


@given(texts, texts, texts)
def test_texts_come_back(name: str, model: str, serial: str) -> None:
    payload = bytearray(DISCOVERY_BYTES)
    for register, text in (
        (Register.USER_DEFINED_NAME, name),
        (Register.MODEL_NAME, model),
        (Register.SERIAL_NUMBER, serial),
    ):
        packed = text.encode()[: STRING_BYTES[register]]
        payload[register : register + len(packed)] = packed
    camera = DiscoveredCamera.unpack(bytes(payload))
    whole = [text for text in (name, model, serial) if len(text.encode()) <= 16]
    assert [text for text in (camera.name, camera.model, camera.serial) if text in whole] == whole


@contextlib.contextmanager
def two_cameras() -> Iterator[list[GigeDeviceServer]]:
    with contextlib.ExitStack() as stack:
        addresses = [stack.enter_context(loopback_address()) for _ in range(2)]
        yield [
            stack.enter_context(GigeDeviceServer(PatternCamera(), address, f"cam-{address[4:]}"[:15]))
            for address in addresses
        ]


def test_cameras_answer_a_broadcast_once_each() -> None:
    with two_cameras() as servers:
        found = discover(timeout_s=0.5, interfaces=LOOPBACK)
        by_environment = discover(timeout_s=0.5)
    for server in servers:
        (camera,) = [each for each in found if each.address == server.address]
        assert (camera.name, camera.model, camera.vendor) == (server.name, "pattern", "Heliograph")
        assert camera.serial == server.identity.serial
        assert camera.interface_address == "127.0.0.1"
        assert camera in by_environment
    # Other tests may serve cameras at the same time: order and uniqueness hold for theirs too.
    addresses = [tuple(map(int, camera.address.split("."))) for camera in found]
    assert addresses == sorted(set(addresses))


def test_a_camera_is_found_by_each_of_its_names() -> None:
    with two_cameras() as (server, _):
        identity = server.identity
        mac = f"{identity.mac:012X}"
        names = [server.name, identity.serial, server.address, ":".join(mac[i : i + 2] for i in range(0, 12, 2))]
        for name in dict.fromkeys([*names, names[-1].replace(":", "-").lower(), server.name.upper()]):
            assert find(name, timeout_s=0.3).address == server.address


def test_probe_asks_one_address(address: str) -> None:
    with GigeDeviceServer(PatternCamera(), address, "cam-1"):
        camera = probe(address)
        assert camera is not None
        assert (camera.name, camera.address) == ("cam-1", address)
    assert probe(address, timeout_s=0.1) is None


def test_nobody_at_an_address_says_what_to_look_at(address: str) -> None:
    with pytest.raises(CameraNotFoundError, match=f"no camera answers at {address}: is it on, in this network"):
        find(address, timeout_s=0.1)


CAMERA = DiscoveredCamera(
    "cam-1", "V", "M7", "0042", "00:11:22:aa:bb:cc", "10.0.0.5", "255.0.0.0", "0.0.0.0", "1", "", "10.0.0.1"
)
OTHER = replace(CAMERA, name="cam-2", serial="0043", mac="00:11:22:aa:bb:cd", address="10.0.0.6")


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> list[DiscoveredCamera]:
    """Give the list of cameras that answer."""
    seen: list[DiscoveredCamera] = []
    monkeypatch.setattr(discovery, "discover", lambda timeout_s: seen)
    return seen


def test_a_name_that_nobody_has_lists_who_is_there(network: list[DiscoveredCamera]) -> None:
    with pytest.raises(CameraNotFoundError, match=r"no camera answers to .cam-9.*none"):
        find("cam-9")
    network += [CAMERA, OTHER]
    with pytest.raises(CameraNotFoundError, match=r"'cam-9'; on the network: cam-1 at 10\.0\.0\.5 .*cam-2 at"):
        find("cam-9")
    with pytest.raises(CameraNotFoundError):
        find("")


def test_a_name_that_fits_several_lists_the_candidates(network: list[DiscoveredCamera]) -> None:
    network += [CAMERA, OTHER]
    with pytest.raises(CameraNotFoundError, match=r"'M7' fits several .*10\.0\.0\.5.*0042.*10\.0\.0\.6.*0043"):
        find("M7")
    assert find("0043") == OTHER
    assert find("CAM-1") == CAMERA
    network.remove(OTHER)
    assert find("M7") == CAMERA


def test_an_interface_that_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AddressError, match=r"no interface 'nope0' here; there are .*lo \(127\.0\.0\.1\)"):
        discover(interfaces=["lo", "nope0"])
    monkeypatch.setenv(discovery.INTERFACES_VARIABLE, "lo , 203.0.113.9")
    with pytest.raises(AddressError, match=r"203\.0\.113\.9"):
        discover()


def test_garbage_does_not_hide_the_camera(scripted: Scripted) -> None:
    def noisily(command: CommandPacket) -> list[bytes]:
        truth = scripted.honest(command)
        assert (truth.command, truth.request_id) == (Command.DISCOVERY + 1, 0xFFFF)
        others = [AckPacket(0, truth.command, 7, truth.payload), AckPacket(0x8006, truth.command, 0xFFFF, b"")]
        return [b"", b"\xff" * 300, *(other.pack() for other in others), truth.pack()[:100], truth.pack()]

    scripted.put(Register.MODEL_NAME, b"quiet")
    scripted.script = noisily
    camera = probe(scripted.address)
    assert camera is not None
    assert camera.model == "quiet"
    assert camera.address == scripted.address, "where it was reached, whatever it believes: here 0.0.0.0"


def test_a_question_that_is_lost_is_asked_again(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    sent: list[str] = []
    broadcast = discovery._broadcast

    def lossy(sock: socket.socket, own: str) -> None:
        sent.append(own)
        if len(sent) == 3:
            broadcast(sock, own)

    monkeypatch.setattr(discovery, "_broadcast", lossy)
    with GigeDeviceServer(PatternCamera(), address, "cam-1"):
        assert address in [camera.address for camera in discover(timeout_s=0.8)]
    assert sent == LOOPBACK * 4


def test_an_answer_that_is_lost_is_asked_for_again(scripted: Scripted) -> None:
    scripted.put(Register.MODEL_NAME, b"shy")
    scripted.script = lambda command: [] if len(scripted.commands) < 3 else None
    assert find(scripted.address, timeout_s=0.8).model == "shy"


def test_discovery_ends_in_time_under_a_flood(scripted: Scripted, wait_for: Callable[..., None]) -> None:
    ended = threading.Event()
    scripted.script = lambda command: []

    def flood() -> None:
        while not ended.is_set():
            for client in list(scripted.clients):
                scripted.socket.sendto(b"\0" * 8, client)

    flooding = threading.Thread(target=flood)
    flooding.start()
    try:
        asked = threading.Thread(target=probe, args=(scripted.address, 0.3))
        asked.start()
        wait_for(lambda: not asked.is_alive())
    finally:
        ended.set()
        flooding.join()
    # Four questions at most: a flood makes no storm.
    assert scripted.count(gvcp.Command.DISCOVERY) <= 4


@pytest.mark.parametrize("broken", [",", " ", "lo,", "nowhere"])
def test_a_broken_restriction_is_refused_and_asks_nobody(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELIOGRAPH_INTERFACES", broken)
    with pytest.raises(AddressError, match=r"no interface .* here; there are"):
        discover(timeout_s=0.01)
