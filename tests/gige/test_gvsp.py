"""GVSP packets against bytes put together by hand from the layout in Wireshark's packet-gvsp.c."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.core import RemoteProtocolError
from heliograph.gige.gvsp import (
    HEADER_BYTES,
    ImageLeader,
    ImageTrailer,
    PacketFormat,
    PacketHeader,
    PayloadPackets,
    block_id_of,
    data_bytes,
    packet_count,
)

LEADER = bytes.fromhex(
    "0000 0007 01 000000"  # status, block id 7, leader, packet 0
    "0000 0001 0000000102030405 01080009 000007ec 000005f0 00000008 00000010 0000 0000".replace(" ", "")
)
TRAILER = bytes.fromhex("0000 0007 02 000838 0000 0001 000005f0")


def test_leader_golden_bytes() -> None:
    leader = ImageLeader(0x0102030405, 0x01080009, 2028, 1520, 8, 16)
    assert leader.pack(7) == LEADER
    assert ImageLeader.unpack(LEADER) == leader


def test_trailer_golden_bytes() -> None:
    assert ImageTrailer(1520).pack(7, 0x838) == TRAILER
    assert ImageTrailer.unpack(TRAILER) == ImageTrailer(1520)


@pytest.mark.parametrize("length", range(len(LEADER)))
def test_every_truncated_leader_is_a_protocol_error(length: int) -> None:
    with pytest.raises(RemoteProtocolError, match=f"{length} bytes"):
        ImageLeader.unpack(LEADER[:length])


@pytest.mark.parametrize("length", range(len(TRAILER)))
def test_every_truncated_trailer_is_a_protocol_error(length: int) -> None:
    with pytest.raises(RemoteProtocolError, match=f"{length} bytes"):
        ImageTrailer.unpack(TRAILER[:length])


@pytest.mark.parametrize("length", range(HEADER_BYTES))
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
    payload=st.binary(min_size=1, max_size=5000),
    packet_size=st.sampled_from([576, 1500, 9000]),
    batch=st.integers(1, 9),
)
def test_batches_are_whole_datagrams_that_carry_the_payload(payload: bytes, packet_size: int, batch: int) -> None:
    packets = PayloadPackets(len(payload), packet_size)
    packets.fill(np.full(len(payload), 0xEE, np.uint8), 65535)
    packets.fill(np.frombuffer(payload, np.uint8), 258)
    datagrams = []
    for buffer in packets.batches(batch):
        size = packet_size - 28
        datagrams += [bytes(buffer[start : start + size]) for start in range(0, len(buffer), size)]
    headers = [PacketHeader.unpack(datagram) for datagram in datagrams]
    assert headers == [PacketHeader(258, PacketFormat.PAYLOAD, number) for number in range(1, len(datagrams) + 1)]
    assert b"".join(datagram[HEADER_BYTES:] for datagram in datagrams) == payload
    assert all(len(datagram) == packet_size - 28 for datagram in datagrams[:-1])
