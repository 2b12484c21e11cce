"""GVSP packets against bytes put together by hand from the layout in Wireshark's packet-gvsp.c."""

import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.core import RemoteProtocolError
from heliograph.gige.gvsp import (
    RESENT,
    ImageLeader,
    ImageTrailer,
    PacketFormat,
    PacketHeader,
    PayloadPackets,
    block_id_of,
    data_bytes,
    packet_count,
)
from heliograph.testing.packets import datagrams

LEADER = bytes.fromhex(
    "0000 0007 01 000000"  # status, block id 7, leader, packet 0
    "0000 0001 0000000102030405 01080009 000007ec 000005f0 00000008 00000010 0000 0000".replace(" ", "")
)
TRAILER = bytes.fromhex("0000 0007 02 000838 0000 0001 000005f0")
EXTENDED_LEADER = bytes.fromhex("0000 0000 81 000000 0000000100000007 00000000") + LEADER[8:]
CHUNK_TRAILER = bytes.fromhex("0000 0007 02 000838 0000 4001 000005f0 0046fd40 00000045")


def test_leader_golden_bytes() -> None:
    leader = ImageLeader(0x0102030405, 0x01080009, 2028, 1520, 8, 16)
    assert leader.pack(7) == LEADER
    assert ImageLeader.unpack(LEADER) == leader


def test_trailer_golden_bytes() -> None:
    assert ImageTrailer(1520).pack(7, 0x838) == TRAILER
    assert ImageTrailer.unpack(TRAILER) == ImageTrailer(1520)


def test_extended_headers_golden_bytes() -> None:
    leader = ImageLeader(0x0102030405, 0x01080009, 2028, 1520, 8, 16)
    assert leader.pack(0x1_0000_0007, extended=True) == EXTENDED_LEADER
    assert ImageLeader.unpack(EXTENDED_LEADER) == leader
    trailer = bytes.fromhex("0000 0000 82 000000 0000000100000007 00000838 0000 0001 000005f0")
    assert ImageTrailer(1520).pack(0x1_0000_0007, 0x838, extended=True) == trailer
    assert PacketHeader.unpack(trailer) == PacketHeader(0x1_0000_0007, PacketFormat.TRAILER, 0x838, extended=True)
    resent = PacketHeader(7, PacketFormat.PAYLOAD, 9, RESENT, extended=True)
    assert resent.pack() == bytes.fromhex("0100 0001 83 000000 0000000000000007 00000009")


def test_chunks_are_announced_in_leader_and_trailer() -> None:
    leader = ImageLeader(0x0102030405, 0x01080009, 2028, 1520, 8, 16, chunks=True)
    assert leader.pack(7) == LEADER[:10] + b"\x40\x01" + LEADER[12:]
    assert ImageLeader.unpack(leader.pack(7)) == leader
    trailer = ImageTrailer(1520, 0x46FD40, 0x45)
    assert trailer.pack(7, 0x838) == CHUNK_TRAILER
    assert ImageTrailer.unpack(CHUNK_TRAILER) == trailer
    for length in range(len(CHUNK_TRAILER)):
        with pytest.raises(RemoteProtocolError, match=f"{length} bytes"):
            ImageTrailer.unpack(CHUNK_TRAILER[:length])


@pytest.mark.parametrize("length", range(len(EXTENDED_LEADER)))
def test_every_truncated_extended_leader_is_a_protocol_error(length: int) -> None:
    with pytest.raises(RemoteProtocolError, match=f"{length} bytes"):
        ImageLeader.unpack(EXTENDED_LEADER[:length])


@pytest.mark.parametrize("length", range(len(LEADER)))
def test_every_truncated_leader_is_a_protocol_error(length: int) -> None:
    with pytest.raises(RemoteProtocolError, match=f"{length} bytes"):
        ImageLeader.unpack(LEADER[:length])


@pytest.mark.parametrize("length", range(len(TRAILER)))
def test_every_truncated_trailer_is_a_protocol_error(length: int) -> None:
    with pytest.raises(RemoteProtocolError, match=f"{length} bytes"):
        ImageTrailer.unpack(TRAILER[:length])


@pytest.mark.parametrize("length", range(8))
def test_every_truncated_header_is_a_protocol_error(length: int) -> None:
    with pytest.raises(RemoteProtocolError, match=f"{length} bytes"):
        PacketHeader.unpack(LEADER[:length])


def test_a_leader_that_is_no_image_is_a_protocol_error() -> None:
    with pytest.raises(RemoteProtocolError, match="0x0006 is no image"):
        ImageLeader.unpack(LEADER[:10] + b"\x00\x06" + LEADER[12:])


@given(st.binary(max_size=64))
def test_arbitrary_bytes_give_packets_or_the_one_error(data: bytes) -> None:
    for packet in (ImageLeader, ImageTrailer, PacketHeader):
        try:
            packet.unpack(data)
        except RemoteProtocolError:
            continue


@given(
    timestamp=st.integers(0, 2**64 - 1), size=st.tuples(*[st.integers(0, 2**32 - 1)] * 4), block=st.integers(1, 65535)
)
def test_leader_round_trip(timestamp: int, size: tuple[int, int, int, int], block: int) -> None:
    leader = ImageLeader(timestamp, 0x01080001, *size)
    packed = leader.pack(block)
    assert ImageLeader.unpack(packed) == leader
    assert PacketHeader.unpack(packed) == PacketHeader(block, PacketFormat.LEADER, 0)


def test_block_ids_skip_zero_when_they_wrap() -> None:
    assert [block_id_of(frame_id) for frame_id in (1, 65534, 65535, 65536, 131070, 131071)] == [
        1,
        65534,
        65535,
        1,
        65535,
        1,
    ]


def test_figures_of_the_standard_packet() -> None:
    assert data_bytes(1500) == 1464
    assert packet_count(2028 * 1520 * 3 // 2, 1500) == 3159


@given(
    image=st.binary(min_size=1, max_size=5000),
    tail=st.binary(max_size=700),
    packet_size=st.sampled_from([576, 1500, 9000]),
    batch=st.integers(1, 9),
    extended=st.booleans(),
    more=st.integers(0, 2000),
)
def test_batches_are_whole_datagrams_that_carry_the_payload(
    image: bytes, tail: bytes, packet_size: int, batch: int, extended: bool, more: int
) -> None:
    size = packet_size - 28
    head_bytes = 20 if extended else 8
    packets = PayloadPackets(len(image) + len(tail) + more, packet_size, extended=extended)
    # A larger frame before must leave nothing behind.
    packets.fill(np.full(len(image) + len(tail) + more, 0xEE, np.uint8), 65535)
    assert len(list(packets.runs(batch))) == -(-packets.count // batch)
    packets.fill(np.frombuffer(image, np.uint8), 258, tail)
    sent = []
    for run in packets.runs(batch):
        sent += datagrams(run)
        assert sum(map(len, sent[-run.count :])) == run.size_bytes
    headers = [PacketHeader.unpack(datagram) for datagram in sent]
    numbers = range(1, packets.count + 1)
    assert headers == [PacketHeader(258, PacketFormat.PAYLOAD, n, extended=extended) for n in numbers]
    assert b"".join(datagram[head_bytes:] for datagram in sent) == image + tail
    assert all(len(datagram) == size for datagram in sent[:-1])
    for first in numbers[:3]:
        again = datagrams(packets.again(first, packets.count))
        assert {PacketHeader.unpack(packet).status for packet in again} == {RESENT}
        assert {PacketHeader.unpack(packet).extended for packet in again} == {extended}
        assert [packet[head_bytes:] for packet in again] == [packet[head_bytes:] for packet in sent[first - 1 :]]
    assert [PacketHeader.unpack(packet).status for packet in datagrams(packets.again(1, 1))] == [RESENT]
    assert PacketHeader.unpack(datagrams(next(packets.runs(1)))[0]).status == 0, "the mark is on a copy"


def test_an_image_stays_while_a_run_of_it_is_held() -> None:
    image = np.full(3000, 7, np.uint8)
    gone = weakref.ref(image)
    packets = PayloadPackets(3000, 1500)
    packets.fill(image, 1)
    del image
    run = packets.again(1, 3)
    packets.fill(np.zeros(3000, np.uint8), 2)
    assert gone() is not None
    assert b"".join(packet[8:] for packet in datagrams(run)) == b"\7" * 3000
    del run
    assert gone() is None
