"""The stream channel: destination, packet size by test packets, start and stop."""

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from heliograph.core import CameraLostError, SettingError
from heliograph.gige import gvcp
from heliograph.gige.bootstrap import PacketSizeBit, Register
from heliograph.gige.client.device import GigeDevice
from heliograph.gige.client.nodemap import NodeMapFeatures
from heliograph.gige.client.stream import (
    direct_stream,
    negotiate_packet_size,
    set_packet_size,
    start_stream,
    stop_stream,
)
from heliograph.gige.device.server import GigeDeviceServer
from heliograph.gige.gvcp import Command, CommandPacket, Status
from heliograph.gige.sockets import open_stream_sink
from heliograph.testing.camera import PatternCamera

Scripted = Any  # conftest.py's, which test modules cannot import
SCPS = Register.STREAM_CHANNEL_PACKET_SIZE


class NoFeatures:
    """A camera whose XML has nothing to say about its stream."""

    def __contains__(self, name: object) -> bool:
        return False


NO_FEATURES: Any = NoFeatures()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("heliograph.gige.client.stream._PROBE_S", 0.01)


@pytest.fixture
def sink() -> Iterator[socket.socket]:
    with open_stream_sink("127.0.0.1", 0) as udp:
        yield udp


@pytest.fixture
def path(scripted: Scripted) -> Callable[[int], list[int]]:
    """Give what makes the way from the camera take packets up to a size; it gives the list of sizes tried."""

    def narrow(largest_bytes: int) -> list[int]:
        tried: list[int] = []

        def written(address: int, value: int) -> None:
            size_bytes = value & 0xFFFF
            if address != SCPS or not value & PacketSizeBit.FIRE_TEST_PACKET:
                return
            assert value & PacketSizeBit.DO_NOT_FRAGMENT
            tried.append(size_bytes)
            scripted.set(SCPS, size_bytes)
            if size_bytes <= largest_bytes:
                port = scripted.get(Register.STREAM_CHANNEL_PORT)
                scripted.socket.sendto(bytes(size_bytes - 28), ("127.0.0.1", port))

        scripted.written = written
        return tried

    return narrow


def test_the_camera_is_told_where_to_send(scripted: Scripted, sink: socket.socket) -> None:
    with GigeDevice.open(scripted.address) as device:
        direct_stream(device, sink)
        assert scripted.get(Register.STREAM_CHANNEL_DESTINATION) == 0x7F000001
        assert scripted.get(Register.STREAM_CHANNEL_PORT) == sink.getsockname()[1]
        scripted.set(Register.STREAM_CHANNEL_COUNT, 0)
        with pytest.raises(CameraLostError, match="has no stream channel"):
            direct_stream(device, sink)


@pytest.mark.parametrize("largest_bytes", [16_000, 9000, 8228, 4000, 1504, 1500, 1499, 1006, 600, 576])
def test_the_largest_packet_that_arrives_is_found(
    scripted: Scripted, sink: socket.socket, path: Callable[[int], list[int]], largest_bytes: int
) -> None:
    tried = path(largest_bytes)
    with GigeDevice.open(scripted.address) as device:
        direct_stream(device, sink)
        found_bytes = negotiate_packet_size(device, NO_FEATURES, sink)
    fitting_bytes = min(largest_bytes, 9000)
    assert fitting_bytes - 32 <= found_bytes <= fitting_bytes
    assert found_bytes % 4 == 0
    if largest_bytes in (9000, 1500, 576):
        assert found_bytes == largest_bytes
    assert scripted.get(SCPS) == found_bytes | PacketSizeBit.DO_NOT_FRAGMENT
    assert max(tried) <= 9000
    assert len(tried) <= 24


@pytest.mark.parametrize(("present_bytes", "kept_bytes"), [(1400, 1400), (9000, 9000), (16_000, 9000)])
def test_a_camera_without_test_packets_keeps_its_size(
    scripted: Scripted, sink: socket.socket, path: Callable[[int], list[int]], present_bytes: int, kept_bytes: int
) -> None:
    tried = path(0)
    scripted.set(SCPS, present_bytes)
    with GigeDevice.open(scripted.address) as device:
        direct_stream(device, sink)
        assert negotiate_packet_size(device, NO_FEATURES, sink) == kept_bytes
    assert len(tried) == 6


def test_the_size_never_exceeds_what_our_interface_takes(
    scripted: Scripted, sink: socket.socket, path: Callable[[int], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("heliograph.gige.interface._read", lambda interface, attribute: "1442")
    tried = path(16_000)
    with GigeDevice.open(scripted.address) as device:
        direct_stream(device, sink)
        assert negotiate_packet_size(device, NO_FEATURES, sink) == 1440
    assert tried == [1440]


def test_other_datagrams_are_no_test_packets(
    scripted: Scripted, sink: socket.socket, path: Callable[[int], list[int]]
) -> None:
    path(1500)
    honest = scripted.written
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.1", 0))

        def written(address: int, value: int) -> None:
            if address == SCPS:
                # The right length from elsewhere, and a wrong one from the camera.
                stranger.sendto(bytes((value & 0xFFFF) - 28), sink.getsockname())
                scripted.socket.sendto(bytes(100), sink.getsockname())
            honest(address, value)

        scripted.written = written
        with GigeDevice.open(scripted.address) as device:
            direct_stream(device, sink)
            assert 1468 <= negotiate_packet_size(device, NO_FEATURES, sink) <= 1500


def test_a_camera_that_refuses_large_sizes(
    scripted: Scripted, sink: socket.socket, path: Callable[[int], list[int]]
) -> None:
    path(16_000)

    def refusing(command: CommandPacket) -> list[bytes] | None:
        if command.command == Command.WRITEREG:
            ((address, value),) = gvcp.unpack_writes(command.payload)
            if address == SCPS and value & 0xFFFF > 4000:
                return [scripted.refusal(command, Status.INVALID_PARAMETER).pack()]
        return None

    scripted.script = refusing
    with GigeDevice.open(scripted.address) as device:
        direct_stream(device, sink)
        assert 3968 <= negotiate_packet_size(device, NO_FEATURES, sink) <= 4000
        with pytest.raises(SettingError, match="packet size 8000 is not possible"):
            set_packet_size(device, NO_FEATURES, 8000)


def test_our_camera_streams_from_start_to_stop(address: str, sink: socket.socket) -> None:
    camera = PatternCamera(width=64, height=48)
    sink.settimeout(10)
    with GigeDeviceServer(camera, address), GigeDevice.open(address) as device:
        features = NodeMapFeatures(device)
        direct_stream(device, sink)
        assert negotiate_packet_size(device, features, sink) == 9000
        with pytest.raises(SettingError, match=r"packet size 100 is not possible .*; possible is 576 to \d+"):
            set_packet_size(device, features, 100)
        assert set_packet_size(device, features, 1500) == 1500
        start_stream(features)
        assert features["TLParamsLocked"] == 1
        data, sender = sink.recvfrom(0xFFFF)
        assert sender == (address, device.read_register(Register.STREAM_CHANNEL_SOURCE_PORT))
        assert data[4] == 1
        stop_stream(device, features)
        assert (camera.running, features["TLParamsLocked"]) == (False, 0)
        assert device.read_register(Register.STREAM_CHANNEL_PORT) == 0


def test_stopping_a_camera_that_is_gone_is_quiet_and_quick(address: str, sink: socket.socket, impatient: None) -> None:
    with GigeDeviceServer(PatternCamera(), address) as server, GigeDevice.open(address) as device:
        features = NodeMapFeatures(device)
        direct_stream(device, sink)
        start_stream(features)
        server.close()
        stop_stream(device, features)
        assert device.lost is not None
