"""The sender over a real socket, heard by a receiver that takes one datagram at a time."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import numpy as np
import pytest

from heliograph.core import Frame, PixelFormat
from heliograph.gige.device.sender import StreamConfig, StreamSender
from heliograph.gige.gvsp import ImageLeader, ImageTrailer, PacketFormat, PacketHeader

FRAME = Frame(np.random.default_rng(1).integers(0, 256, (60, 100), np.uint8), PixelFormat.Mono8, 65_536, 12_345)


@pytest.fixture
def link(address: str) -> Iterator[tuple[socket.socket, socket.socket]]:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as source,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as host,
    ):
        source.bind((address, 0))
        host.bind((address, 0))
        host.settimeout(5)
        yield source, host


def datagrams(host: socket.socket) -> list[bytes]:
    packets = []
    while True:
        packets.append(host.recv(65536))
        if PacketHeader.unpack(packets[-1]).format == PacketFormat.TRAILER:
            return packets


@pytest.mark.parametrize("packet_size", [576, 1500, 9000])
def test_a_frame_is_leader_full_packets_and_trailer(
    link: tuple[socket.socket, socket.socket], packet_size: int
) -> None:
    source, host = link
    StreamSender(source, StreamConfig(host.getsockname(), packet_size), lambda: False).send(FRAME)
    leader, *payload, trailer = datagrams(host)
    assert ImageLeader.unpack(leader) == ImageLeader(12_345, PixelFormat.Mono8, 100, 60)
    assert ImageTrailer.unpack(trailer).height == 60
    headers = [PacketHeader.unpack(packet) for packet in (leader, *payload, trailer)]
    assert [header.block_id for header in headers] == [1] * len(headers), "65536 is block 1 again"
    assert [header.packet_id for header in headers] == list(range(len(headers)))
    assert {len(packet) for packet in payload[:-1]} <= {packet_size - 28}
    assert b"".join(packet[8:] for packet in payload) == FRAME.data.tobytes()


def test_a_kernel_without_segmentation_gets_one_packet_a_call(
    link: tuple[socket.socket, socket.socket],
) -> None:
    source, host = link
    # A segment above the path's MTU is what the kernel refuses here; an old kernel refuses all.
    config = StreamConfig(host.getsockname(), 1500)
    sender = StreamSender(RefusingSocket(source), config, lambda: False)  # type: ignore[arg-type]
    sender.send(FRAME)
    assert b"".join(packet[8:] for packet in datagrams(host)[1:-1]) == FRAME.data.tobytes()


class RefusingSocket:
    """A socket of a kernel before 4.18, which knows no UDP_SEGMENT."""

    def __init__(self, sock: socket.socket) -> None:
        self.sendto = sock.sendto

    def sendmsg(self, *arguments: object) -> None:
        raise OSError(22, "Invalid argument")


def test_pacing_holds_the_throughput_limit(link: tuple[socket.socket, socket.socket]) -> None:
    source, host = link
    host.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_000_000)
    big = Frame(np.zeros((1000, 1000), np.uint8), PixelFormat.Mono8, 1, 0)
    sender = StreamSender(source, StreamConfig(host.getsockname(), 1500, 0, 10_000_000), lambda: False)
    start_s = time.monotonic()
    sender.send(big)
    # 684 packets of 1500 bytes at 10 MB/s last 0.10 s; the first batch goes at once.
    assert time.monotonic() - start_s >= 0.09


def test_packet_delay_holds_packets_apart(link: tuple[socket.socket, socket.socket]) -> None:
    source, host = link
    sender = StreamSender(source, StreamConfig(host.getsockname(), 576, packet_delay_ns=5_000_000), lambda: False)
    start_s = time.monotonic()
    sender.send(Frame(np.zeros((200, 110), np.uint8), PixelFormat.Mono8, 1, 0))
    # 41 packets, of which the last batch of 1 waits for 40 delays.
    assert time.monotonic() - start_s >= 0.09


def test_a_stopping_stream_ends_within_a_frame(link: tuple[socket.socket, socket.socket]) -> None:
    source, host = link
    sender = StreamSender(source, StreamConfig(host.getsockname(), 1500, 0, 1000), lambda: True)
    sender.send(FRAME)
    host.settimeout(0)
    assert PacketHeader.unpack(host.recv(2000)).format == PacketFormat.LEADER
    with pytest.raises(BlockingIOError):
        host.recv(2000)


def test_a_long_packet_delay_does_not_hold_a_stopping_stream(link: tuple[socket.socket, socket.socket]) -> None:
    source, host = link
    asked = iter([False, False, False])
    config = StreamConfig(host.getsockname(), 576, packet_delay_ns=4_000_000_000)
    start_s = time.monotonic()
    StreamSender(source, config, lambda: next(asked, True)).send(
        Frame(np.zeros((200, 110), np.uint8), PixelFormat.Mono8, 1, 0)
    )
    assert time.monotonic() - start_s < 10


def test_sixteen_bit_pixels_travel_little_endian(link: tuple[socket.socket, socket.socket]) -> None:
    source, host = link
    data = np.arange(600, dtype=np.uint16).reshape(20, 30)
    frame = Frame(data, PixelFormat.Mono12, 3, 0, metadata={"offset_x": 8, "offset_y": 4})
    StreamSender(source, StreamConfig(host.getsockname()), lambda: False).send(frame)
    leader, payload, _ = datagrams(host)
    assert (ImageLeader.unpack(leader).offset_x, ImageLeader.unpack(leader).offset_y) == (8, 4)
    assert payload[8:] == data.astype("<u2").tobytes()
