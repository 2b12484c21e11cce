"""The sender over a real socket, heard by a receiver that takes one datagram at a time."""

from __future__ import annotations

import logging
import socket
import struct
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from heliograph.core import Frame, PixelFormat
from heliograph.gige.chunk import CHUNKS, IMAGE_ID, layout_id, tail_bytes
from heliograph.gige.device.sender import StreamConfig, StreamSender
from heliograph.gige.gvcp import Status
from heliograph.gige.gvsp import RESENT, ImageLeader, ImageTrailer, PacketFormat, PacketHeader

Link = tuple[socket.socket, socket.socket]
FRAME = Frame(np.random.default_rng(1).integers(0, 256, (60, 100), np.uint8), PixelFormat.Mono8, 65_536, 12_345)


@pytest.fixture
def link(address: str) -> Iterator[Link]:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as source,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as host,
    ):
        source.bind((address, 0))
        host.bind((address, 0))
        host.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_000_000)
        host.settimeout(5)
        yield source, host


def sender_of(link: Link, frame: Frame = FRAME, **settings: Any) -> StreamSender:
    source, host = link
    config = StreamConfig(host.getsockname(), settings.pop("payload_bytes", frame.data.nbytes), **settings)
    return StreamSender(source, config, lambda: False)


def datagrams(host: socket.socket) -> list[bytes]:
    packets = []
    while True:
        packets.append(host.recv(65536))
        if PacketHeader.unpack(packets[-1]).format == PacketFormat.TRAILER:
            return packets


def waiting(host: socket.socket) -> list[bytes]:
    """Give what has arrived already: on loopback a datagram is there when the call that sends it returns."""
    packets = []
    host.setblocking(False)
    try:
        while True:
            packets.append(host.recv(65536))
    except BlockingIOError:
        return packets
    finally:
        host.settimeout(5)


@pytest.mark.parametrize("packet_size", [576, 1500, 9000])
@pytest.mark.parametrize("extended", [False, True])
def test_a_frame_is_leader_full_packets_and_trailer(link: Link, packet_size: int, extended: bool) -> None:
    sender_of(link, packet_size_bytes=packet_size, extended_ids=extended).send(FRAME, 65_536)
    leader, *payload, trailer = datagrams(link[1])
    assert ImageLeader.unpack(leader) == ImageLeader(12_345, PixelFormat.Mono8, 100, 60)
    assert ImageTrailer.unpack(trailer) == ImageTrailer(60)
    headers = [PacketHeader.unpack(packet) for packet in (leader, *payload, trailer)]
    # 65536 is block 1 again where block ids have 16 bits.
    assert {header.block_id for header in headers} == {65_536 if extended else 1}
    assert {header.extended for header in headers} == {extended}
    assert [header.packet_id for header in headers] == list(range(len(headers)))
    assert {len(packet) for packet in payload[:-1]} <= {packet_size - 28}
    assert b"".join(packet[20 if extended else 8 :] for packet in payload) == FRAME.data.tobytes()


def test_memory_that_a_driver_has_lent_is_not_kept(link: Link) -> None:
    lent = bytearray(FRAME.data.tobytes())
    data = np.frombuffer(lent, np.uint8).reshape(FRAME.data.shape)
    sender = sender_of(link)
    sender.send(Frame(data, PixelFormat.Mono8, 1, 0), 1)
    sent = datagrams(link[1])
    del data
    lent.clear()  # raises BufferError while anybody holds it
    sender.ask_again(1, 0, 9)
    while sender.answer():
        pass
    assert [packet[4:] for packet in waiting(link[1])] == [packet[4:] for packet in sent]


def test_a_part_of_something_large_is_kept_alone(link: Link) -> None:
    large = np.zeros((1000, 100), np.uint8)
    sender = sender_of(link)
    sender.send(Frame(large[:60], PixelFormat.Mono8, 1, 0), 1)
    gone = weakref.ref(large)
    del large
    assert gone() is None


def test_pacing_holds_the_throughput_limit(link: Link) -> None:
    big = Frame(np.zeros((1000, 1000), np.uint8), PixelFormat.Mono8, 1, 0)
    start_s = time.monotonic()
    sender_of(link, big, throughput_limit_bytes_per_s=10_000_000).send(big, 1)
    # 684 packets of 1500 bytes at 10 MB/s last 0.10 s; the first batch goes at once.
    assert time.monotonic() - start_s >= 0.09


def test_packet_delay_holds_packets_apart(link: Link) -> None:
    frame = Frame(np.zeros((200, 110), np.uint8), PixelFormat.Mono8, 1, 0)
    start_s = time.monotonic()
    sender_of(link, frame, packet_size_bytes=576, packet_delay_ns=5_000_000).send(frame, 1)
    # 41 packets, of which the last batch of 1 waits for 40 delays and the leader's, but for the 10 ms of a first burst.
    assert time.monotonic() - start_s >= 0.19


def test_a_stopping_stream_ends_within_a_frame(link: Link) -> None:
    source, host = link
    config = StreamConfig(host.getsockname(), FRAME.data.nbytes, throughput_limit_bytes_per_s=1000)
    StreamSender(source, config, lambda: True).send(FRAME, 1)
    (leader,) = waiting(host)
    assert PacketHeader.unpack(leader).format == PacketFormat.LEADER


def test_a_long_packet_delay_does_not_hold_a_stopping_stream(link: Link) -> None:
    source, host = link
    asked = iter([False, False, False])
    frame = Frame(np.zeros((200, 110), np.uint8), PixelFormat.Mono8, 1, 0)
    config = StreamConfig(host.getsockname(), frame.data.nbytes, 576, packet_delay_ns=4_000_000_000)
    start_s = time.monotonic()
    StreamSender(source, config, lambda: next(asked, True)).send(frame, 1)
    assert time.monotonic() - start_s < 10


def test_sixteen_bit_pixels_travel_little_endian(link: Link) -> None:
    data = np.arange(600, dtype=np.uint16).reshape(20, 30)
    frame = Frame(data, PixelFormat.Mono12, 3, 0, metadata={"offset_x": 8, "offset_y": 4})
    sender_of(link, frame).send(frame, 3)
    leader, payload, _ = datagrams(link[1])
    assert (ImageLeader.unpack(leader).offset_x, ImageLeader.unpack(leader).offset_y) == (8, 4)
    assert payload[8:] == data.astype("<u2").tobytes()


def test_a_frame_larger_than_promised_is_left_out_and_told_once(link: Link, caplog: pytest.LogCaptureFixture) -> None:
    sender = sender_of(link, payload_bytes=6000)
    large = Frame(np.zeros((61, 100), np.uint8), PixelFormat.Mono8, 2, 0)
    small = Frame(np.zeros((10, 100), np.uint8), PixelFormat.Mono8, 4, 0)
    with caplog.at_level(logging.WARNING):
        for number, frame in enumerate([large, large, small, FRAME], 1):
            sender.send(frame, number)
    (record,) = caplog.records
    assert "6100 bytes, the client was told 6000 (PayloadSize)" in record.getMessage()
    assert [PacketHeader.unpack(packet).block_id for packet in datagrams(link[1])] == [3] * 3
    assert b"".join(packet[8:] for packet in datagrams(link[1])[1:-1]) == FRAME.data.tobytes()


def test_chunks_follow_the_image_and_are_found_from_the_end(link: Link) -> None:
    data = np.arange(99, dtype=np.uint8).reshape(9, 11)
    frame = Frame(
        data, PixelFormat.Mono8, 5, 12_345, exposure_us=2000.5, wall_time_ns=1_700_000_000_000_000_001, line_time_ns=0
    )
    sender = sender_of(link, payload_bytes=99 + tail_bytes(99, CHUNKS), chunks=CHUNKS)
    sender.send(frame, 70_000)
    leader, payload, trailer = datagrams(link[1])
    assert ImageLeader.unpack(leader).chunks
    rest, found = payload[8:], []
    assert ImageTrailer.unpack(trailer) == ImageTrailer(9, len(rest), layout_id(known := known_chunks()))
    while rest:
        chunk_id, length = struct.unpack(">II", rest[-8:])
        found.append((chunk_id, rest[len(rest) - 8 - length : -8]))
        rest = rest[: len(rest) - 8 - length]
    assert found[::-1] == [
        (IMAGE_ID, data.tobytes() + b"\0"),
        (2, struct.pack(">Q", 12_345)),
        (3, struct.pack(">d", 2000.5)),
        (5, struct.pack(">Q", 70_000)),
        (6, struct.pack(">Q", 1_700_000_000_000_000_001)),
        (7, struct.pack(">Q", 0)),
    ]
    assert [chunk_id for chunk_id, _ in found[-2::-1]] == [chunk.id for chunk in known]


def known_chunks() -> list[Any]:
    """All but gain and temperature, which the frame does not know."""
    return [chunk for chunk in CHUNKS if chunk.name not in ("Gain", "DeviceTemperature")]


def test_wall_time_is_found_out_for_cameras_that_do_not_tell_it(link: Link) -> None:
    before_ns = time.time_ns()
    frame = Frame(FRAME.data, PixelFormat.Mono8, 1, time.clock_gettime_ns(time.CLOCK_BOOTTIME))
    (wall_time,) = (chunk for chunk in CHUNKS if chunk.name == "WallTime")
    sender_of(link, payload_bytes=7000, chunks=(wall_time,)).send(frame, 1)
    last = datagrams(link[1])[-2]
    (wall_ns,) = struct.unpack(">Q", last[-16:-8])
    # The two clocks are read one after the other, and the wall clock may be slewed meanwhile.
    assert before_ns - 1_000_000 <= wall_ns <= time.time_ns() + 1_000_000


@pytest.mark.parametrize("extended", [False, True])
@pytest.mark.parametrize(("first", "last"), [(0, 0), (1, 1), (2, 4), (0, 6), (5, 6), (4, 0xFF_FFFF)])
def test_packets_asked_for_again_are_the_same_but_for_their_mark(
    link: Link, first: int, last: int, extended: bool
) -> None:
    sender = sender_of(link, extended_ids=extended, throughput_limit_bytes_per_s=100_000_000)
    sender.send(FRAME, 7)
    sent = datagrams(link[1])
    assert len(sent) == 7
    sender.ask_again(7, first, last)
    while sender.answer():
        pass
    again = waiting(link[1])
    assert [PacketHeader.unpack(packet).packet_id for packet in again] == list(range(first, min(last, 6) + 1))
    assert {PacketHeader.unpack(packet).status for packet in again} == {RESENT}
    assert [packet[4:] for packet in again] == [packet[4:] for packet in sent[first : last + 1]]
    sender.send(FRAME, 8)
    assert {PacketHeader.unpack(packet).status for packet in datagrams(link[1])} == {0}, "the mark is on a copy"


def test_packets_that_are_gone_or_still_to_come_are_refused(link: Link) -> None:
    sender = sender_of(link)
    sender.ask_again(1, 0, 3)
    while sender.answer():
        pass
    assert [PacketHeader.unpack(packet).status for packet in waiting(link[1])] == [Status.PACKET_NOT_YET_AVAILABLE]
    sender.send(FRAME, 40)
    datagrams(link[1])
    for block_id, packet_id in ((39, 2), (41, 5), (40, 9), (0, 1)):
        sender.ask_again(block_id, packet_id, packet_id + 3)
    sender.ask_again(40, 3, 2)
    while sender.answer():
        pass
    answers = [PacketHeader.unpack(packet) for packet in waiting(link[1])]
    assert [(header.block_id, header.packet_id, header.status) for header in answers] == [
        (39, 2, Status.PACKET_UNAVAILABLE),
        (41, 5, Status.PACKET_NOT_YET_AVAILABLE),
        (0, 1, Status.PACKET_UNAVAILABLE),
    ]


def test_hostile_wishes_take_no_more_than_half_of_a_stream_and_no_memory(link: Link) -> None:
    frame = Frame(np.zeros((600, 100), np.uint8), PixelFormat.Mono8, 1, 0)
    sender = sender_of(link, frame, packet_size_bytes=576, throughput_limit_bytes_per_s=500_000_000)
    sender.send(frame, 1)
    datagrams(link[1])
    for _ in range(5000):
        sender.ask_again(1, 0, 0xFFFF_FFFF)
    assert len(sender._requests) <= 1024
    sender.send(frame, 2)
    headers = [PacketHeader.unpack(packet) for packet in waiting(link[1])]
    fresh = sum(header.block_id == 2 for header in headers)
    assert fresh == 2 + -(-60_000 // 540), "all of the frame came"
    assert 0 < len(headers) - fresh <= fresh + 20


def test_wishes_of_another_thread_are_answered_within_a_frame(link: Link) -> None:
    frame = Frame(np.zeros((600, 100), np.uint8), PixelFormat.Mono8, 1, 0)
    sender = sender_of(link, frame, packet_size_bytes=576, throughput_limit_bytes_per_s=200_000)
    sending = threading.Thread(target=sender.send, args=(frame, 1), daemon=True)
    sending.start()
    while PacketHeader.unpack(link[1].recv(2000)).packet_id < 20:
        pass
    sender.ask_again(1, 2, 3)
    sender.ask_again(1, 112, 113)
    packets = [PacketHeader.unpack(packet) for packet in datagrams(link[1])]
    sending.join()
    assert [header.packet_id for header in packets if header.status == RESENT] == [2, 3]
    refused = [header.packet_id for header in packets if header.status == Status.PACKET_NOT_YET_AVAILABLE]
    assert refused == [112], "packets that are still to come are not promised twice"
    # Both came while the frame was on the wire: its trailer is the last.
    assert [header.packet_id for header in packets if not header.status] == list(range(21, 114))
