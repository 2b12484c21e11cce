"""Sockets and the errors that say what to do."""

import errno
import socket
from contextlib import ExitStack, suppress

import pytest

from heliograph.core import AddressError
from heliograph.gige.gvcp import PORT
from heliograph.gige.gvsp import PacketFormat, PacketHeader
from heliograph.gige.sockets import (
    open_broadcast_listener,
    open_control,
    open_stream_sink,
    open_stream_source,
    spread_stream_sink,
)


def test_port_of_a_camera_is_taken_once(address: str) -> None:
    with open_control(address) as control:
        assert control.getsockname() == (address, PORT)
        with pytest.raises(AddressError, match="in use by another camera"):
            open_control(address)


def test_address_of_another_machine() -> None:
    with pytest.raises(AddressError, match=r"203\.0\.113\.7 is no address of this machine"):
        open_stream_source("203.0.113.7")


def test_stream_is_never_fragmented(address: str) -> None:
    with open_stream_source(address) as source, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        assert source.getsockname()[0] == address
        # Nothing is too large for loopback, so fragments cannot be looked for: ask IP_MTU_DISCOVER itself.
        assert source.getsockopt(socket.IPPROTO_IP, 10) == 2


def test_any_number_of_receivers_hears_a_stream_to_a_group(address: str) -> None:
    group = "239.255.39.56"
    with open_stream_source(address) as source, ExitStack() as stack:
        hosts: list[socket.socket] = []
        for port in (0, None):
            host = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            host.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            host.bind((group, hosts[0].getsockname()[1] if port is None else port))
            membership = socket.inet_aton(group) + socket.inet_aton(address)
            host.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
            host.settimeout(5)
            hosts.append(host)
        source.sendto(b"frame", hosts[0].getsockname())
        assert [host.recvfrom(100) for host in hosts] == [(b"frame", source.getsockname())] * 2


def test_any_number_of_cameras_hears_a_broadcast() -> None:
    with (
        open_broadcast_listener("127.255.255.255", "lo") as one,
        open_broadcast_listener("127.255.255.255", "lo") as other,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as anyone,
    ):
        anyone.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        anyone.bind(("127.0.0.1", 0))
        anyone.sendto(b"who is there?", ("127.255.255.255", PORT))
        for listener in (one, other):
            listener.settimeout(5)
            while listener.recv(100) != b"who is there?":
                pass  # what other tests broadcast meanwhile


def test_interface_that_does_not_exist() -> None:
    with pytest.raises(AddressError) as error:
        open_broadcast_listener("255.255.255.255", "no-such0")
    assert isinstance(error.value.__cause__, OSError)
    assert error.value.__cause__.errno == errno.ENODEV


@pytest.mark.parametrize("extended", [False, True])
def test_packets_of_a_stream_are_spread_in_runs_of_32_and_in_order(address: str, extended: bool) -> None:
    def packet(packet_id: int) -> bytes:
        return PacketHeader(1, PacketFormat.PAYLOAD, packet_id, extended=extended).pack()

    with open_stream_source(address) as source, ExitStack() as stack:
        sinks = [stack.enter_context(sink) for sink in spread_stream_sink(open_stream_sink(address, 0))]
        assert {sink.getsockname() for sink in sinks} == {sinks[0].getsockname()}
        ids = [*range(100), 32 * len(sinks), 32 * len(sinks) + 1]
        for packet_id in ids:
            source.sendto(packet(packet_id), sinks[0].getsockname())
        source.sendto(b"short", sinks[0].getsockname())
        arrived = [received(sink) for sink in sinks]
        assert arrived[0] == [*map(packet, [*range(32), *ids[-2:]]), b"short"]
        assert arrived[1:4] == [[*map(packet, range(start, min(start + 32, 100)))] for start in (32, 64, 96)]
        assert not any(arrived[4:])


def received(sink: socket.socket) -> list[bytes]:
    datagrams = []
    with suppress(BlockingIOError):
        while True:
            datagrams.append(sink.recv(100, socket.MSG_DONTWAIT))
    return datagrams


def test_where_sockets_cannot_share_one_takes_all(address: str) -> None:
    # A second socket with the same port that does not share it, as another user's would be.
    with open_stream_sink(address, 0) as sink:
        sink.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            stranger.bind(sink.getsockname())
            assert spread_stream_sink(sink) == [sink]
