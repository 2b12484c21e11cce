"""Packets that no camera of good faith sends: nothing raises, and memory stays within its bounds."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from heliograph.core import PixelFormat
from heliograph.gige.gvcp import Status
from heliograph.gige.gvsp import ImageLeader, ImageTrailer, PacketFormat, PacketHeader, datagram_bytes
from heliograph.testing.packets import HEIGHT, PACKET_SIZE_BYTES, WIDTH, Bench, coalesced, packets_of

DATAGRAM = datagram_bytes(PACKET_SIZE_BYTES)
MS_NS = 1_000_000

segments = st.sampled_from([0, 8, 100, DATAGRAM, -1])
benches = st.builds(Bench, extended=st.booleans(), resend=st.booleans())


def check_bounds(bench: Bench, packets: int) -> None:
    """Let time run out, and see that everything is given back."""
    asked = 0
    for now_ms in range(0, 1000, 5):
        asked += len(bench.assembler.handle_timer(now_ms * MS_NS))
    assert bench.store.taken == 0
    assert bench.store.most_taken <= bench.shape.open_blocks
    assert bench.assembler.malformed_packets <= packets
    assert asked <= 2 * (bench.shape.packets + 2) * 4 * max(1, packets)


@given(benches, st.lists(st.tuples(st.binary(max_size=600), segments), max_size=24))
def test_garbage_never_raises(bench: Bench, messages: list[tuple[bytes, int]]) -> None:
    bench.feed(messages)
    check_bounds(bench, sum(len(data) // max(segment, 1) + 1 for data, segment in messages))


ids = st.one_of(st.integers(0, 40), st.sampled_from([0xFFFF, 0x8000, 2**24 - 1, 2**32 - 1]))
block_ids = st.one_of(st.integers(0, 12), st.sampled_from([0xFFFF, 0x7FFF, 2**32, 2**63 - 1, 2**63, 2**64 - 1]))
statuses = st.sampled_from([0, 0, 0, 0x0100, *Status])


@st.composite
def contradictions(draw: st.DrawFn, extended: bool) -> bytes:
    """A packet whose header is right in form, and whose numbers may be any."""
    block_id, status = draw(block_ids), draw(statuses)
    if not extended:
        block_id &= 0xFFFF
    kind = draw(st.sampled_from([*PacketFormat, PacketFormat.PAYLOAD, 7]))
    if kind == PacketFormat.LEADER and draw(st.booleans()):
        size = draw(st.sampled_from([(WIDTH, HEIGHT), (1, 1), (0, 0), (WIDTH, HEIGHT - 9), (2**31, 2**31)]))
        leader = ImageLeader(draw(st.integers(0, 2**64 - 1)), PixelFormat.Mono8, *size, chunks=draw(st.booleans()))
        return leader.pack(block_id, extended=extended)
    if kind == PacketFormat.TRAILER and draw(st.booleans()):
        return ImageTrailer(HEIGHT, draw(ids)).pack(block_id, draw(st.integers(0, 40)), extended=extended)
    packet_id = draw(ids) if extended else draw(ids) & 0xFF_FFFF
    header = PacketHeader(block_id, kind, packet_id, status, extended).pack()
    size_bytes = draw(st.sampled_from([0, 1, 8, 36, DATAGRAM - len(header), DATAGRAM]))
    return header + bytes(size_bytes)


@given(st.data(), st.booleans(), st.booleans())
def test_contradictions_never_raise(data: st.DataObject, extended: bool, resend: bool) -> None:
    packets = data.draw(st.lists(contradictions(extended), max_size=40))
    bench = Bench(extended=extended, resend=resend)
    for number, message in enumerate(coalesced(packets, data.draw(st.lists(st.integers(1, 9), min_size=1)))):
        bench.feed([message], number * MS_NS)
        bench.assembler.handle_timer(number * MS_NS)
    check_bounds(bench, len(packets))


@given(st.data(), st.booleans())
def test_a_damaged_packet_never_raises_and_never_ends_the_stream(data: st.DataObject, resend: bool) -> None:
    packets = packets_of(5)
    victim = data.draw(st.integers(0, len(packets) - 1))
    damaged = bytearray(packets[victim])
    damaged[data.draw(st.integers(0, min(len(damaged), 44) - 1))] ^= data.draw(st.integers(1, 255))
    packets[victim] = bytes(damaged)
    bench = Bench(resend=resend)
    bench.feed(coalesced(packets, [9]))
    check_bounds(bench, len(packets))
    before = len(bench.store.frames)
    for block_id in (6, 7, 8):
        bench.feed(coalesced(packets_of(block_id), [9]), 10**9)
    bench.assembler.handle_timer(2 * 10**9)
    assert len(bench.store.frames) >= before + 3


def test_every_truncation_of_every_kind_of_packet_is_malformed_or_short() -> None:
    for extended in (False, True):
        for packet in (packets_of(1, extended=extended)[k] for k in (0, 1, -1)):
            for length in range(len(packet)):
                bench = Bench(extended=extended)
                bench.feed_single([packet[:length]])
                check_bounds(bench, 1)
                # A payload packet may be the short last one of a small image; nothing else may.
                kind = struct.unpack_from(">I", packet, 4)[0] >> 24 & 0x7F
                accepted = kind == PacketFormat.PAYLOAD and length > (20 if extended else 8)
                accepted |= kind == PacketFormat.TRAILER and length >= (20 if extended else 8)
                assert bench.assembler.malformed_packets == (length > 0 and not accepted)
