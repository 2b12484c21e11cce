"""Frames from packets in any order, split, loss and duplication: whole, or an honest count of what is missing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.core import PixelFormat
from heliograph.gige.client.assembly import ReceivedFrame
from heliograph.gige.client.block import FEWEST_OPEN_BLOCKS
from heliograph.gige.gvsp import HEADER_BYTES, ImageLeader, ImageTrailer, PacketHeader, PayloadPackets, datagram_bytes
from heliograph.testing.packets import (
    HEIGHT,
    PACKET_SIZE_BYTES,
    STRIDE_BYTES,
    WIDTH,
    Bench,
    coalesced,
    datagrams,
    marked_resent,
    packets_of,
    picture,
)

DATAGRAM = datagram_bytes(PACKET_SIZE_BYTES)
DATA = DATAGRAM - HEADER_BYTES

splits = st.lists(st.integers(1, 9), min_size=1, max_size=6)


@given(splits, st.booleans())
def test_whole_frames_however_the_kernel_coalesces(sizes: list[int], extended: bool) -> None:
    bench = Bench(extended=extended)
    stream = [packet for frame_id in (1, 2, 3) for packet in packets_of(frame_id, extended=extended)]
    bench.feed(coalesced(stream, sizes))
    assert bench.store.ids == [1, 2, 3]
    for frame, pixels in bench.store.frames:
        assert pixels == picture(frame.id)
        assert frame == ReceivedFrame(frame.id, PixelFormat.Mono8, WIDTH, HEIGHT, frame.id * 1000, 0)
    assert bench.store.taken == 0


@given(
    seed=st.integers(0, 2**32),
    loss=st.sampled_from([0, 0.01, 0.1, 0.5]),
    displaced=st.sampled_from([2, 1000]),
    sizes=splits,
    messages=st.sampled_from([8, 60]),
)
def test_loss_duplication_and_reordering_give_whole_frames_or_an_honest_count(
    seed: int, loss: float, displaced: int, sizes: list[int], messages: int
) -> None:
    random = np.random.default_rng(seed)
    kept: list[tuple[int, int]] = []
    order: list[bytes] = []
    for frame_id in (1, 2, 3):
        packets = packets_of(frame_id)
        arrived = [k for k in range(len(packets)) if random.random() >= loss]
        kept += [(frame_id, k) for k in arrived]
        # Within a frame any order, or nearly the right one; frames follow one another, as a queue makes them.
        doubled = np.array([k for k in arrived for _ in range(1 + (random.random() < 0.1))], int)
        order += [packets[k] for k in doubled[np.argsort(doubled + displaced * random.random(len(doubled)))]]
    bench = Bench()
    bench.take_from(messages, STRIDE_BYTES)
    bench.feed(coalesced(order, sizes))
    bench.assembler.handle_timer(10**9)
    assert bench.store.taken == 0
    assert bench.store.ids == sorted({frame.id for frame, _ in bench.store.frames})
    total = len(packets_of(1))
    for frame_id in (1, 2, 3):
        there = {k for i, k in kept if i == frame_id}
        out = [(frame, pixels) for frame, pixels in bench.store.frames if frame.id == frame_id]
        if 0 not in there:
            assert out == []
            continue
        [(frame, pixels)] = out
        assert frame.missing_packets == total - len(there)
        expected = bytearray(picture(frame_id))
        step = DATA
        for k in set(range(1, total - 1)) - there:
            start, end = (k - 1) * step, min(k * step, len(expected))
            expected[start:end] = bytes(end - start)
        assert pixels == bytes(expected), "missing pixels are 0, never those of an older picture"


def test_blocks_may_overlap() -> None:
    bench = Bench()
    first, second = packets_of(1), packets_of(2)
    mixed = first[:5] + second[:3] + first[5:] + second[3:]
    bench.feed_single(mixed)
    assert [(frame.id, frame.missing_packets) for frame, _ in bench.store.frames] == [(1, 0), (2, 0)]


def test_a_block_that_stalls_is_given_up_after_its_retention() -> None:
    bench = Bench()
    assert bench.assembler.next_deadline_ns() is None
    bench.feed_single(packets_of(1)[:-3], now_ns=5)
    assert bench.assembler.next_deadline_ns() == 500_000_005
    bench.assembler.handle_timer(500_000_004)
    assert bench.store.frames == []
    bench.assembler.handle_timer(500_000_005)
    assert [frame.missing_packets for frame, _ in bench.store.frames] == [3]
    bench.feed_single(packets_of(1)[-3:], now_ns=500_000_006)
    assert len(bench.store.frames) == 1
    assert bench.assembler.next_deadline_ns() is None


def test_ids_go_on_when_block_ids_wrap() -> None:
    bench = Bench()
    for frame_id in range(65_530, 65_541):
        bench.feed_single(packets_of(frame_id))
    assert bench.store.ids == list(range(65_530, 65_541))


@pytest.mark.parametrize("wrong", ["format", "size", "payload", "chroma"])
def test_a_leader_that_cannot_be_is_malformed(wrong: str) -> None:
    leader = {
        "format": ImageLeader(0, 0x0BAD, WIDTH, HEIGHT),
        "size": ImageLeader(0, PixelFormat.Mono8, WIDTH, HEIGHT + 1),
        "payload": ImageLeader(0, PixelFormat.Mono8, 0, 0),
        "chroma": ImageLeader(0, PixelFormat.parse("NV12"), WIDTH // 2, HEIGHT // 2 + 1),
    }[wrong]
    bench = Bench()
    bench.feed([(leader.pack(1), 0)])
    assert bench.assembler.malformed_packets == 1


@pytest.mark.parametrize("segment", [0, DATAGRAM])
def test_block_0_is_no_block_however_it_comes(segment: int) -> None:
    bench = Bench()
    bench.feed_single(packets_of(40_000))
    stray = b"".join(PacketHeader(0, 3, k).pack() + bytes(DATAGRAM - HEADER_BYTES) for k in (1, 2))
    bench.feed([(stray, segment)] if segment else [(stray[:DATAGRAM], 0)])
    assert bench.assembler.malformed_packets == (2 if segment else 1)
    # Taken for block 65535, it would have made every frame up to there an old one.
    bench.assembler.handle_timer(10**9)
    bench.feed_single(packets_of(40_001))
    assert bench.store.ids == [40_000, 40_001]


def test_a_stray_packet_of_a_far_block_ends_no_stream() -> None:
    bench = Bench()
    for far in (2, 30_000, 32_768):
        bench.feed([(packets_of(far)[3], 0)])
        bench.assembler.handle_timer(10**9)
    for frame_id in range(1, 4):
        bench.feed_single(packets_of(frame_id))
    assert bench.store.ids == [1, 2, 3]
    assert bench.store.taken == 0


def test_a_status_other_than_success_carries_no_pixels() -> None:
    bench = Bench()
    for status in (0x800C, 0x800D):
        packet = PacketHeader(1, 3, 4, status=status).pack()
        bench.feed([(packet, 0), (packet + bytes(DATAGRAM - HEADER_BYTES), 0)])
    # An answer to a request may come when nobody waits for it any more.
    assert bench.assembler.malformed_packets == 2
    assert bench.store.frames == []


def test_extended_ids_have_64_bits() -> None:
    bench = Bench(extended=True)
    for frame_id in (2**40, 2**40 + 1):
        bench.feed_single(packets_of(frame_id, extended=True))
    assert bench.store.ids == [2**40, 2**40 + 1]


@pytest.mark.parametrize("extended", [False, True])
def test_headers_of_the_other_kind_are_malformed(extended: bool) -> None:
    bench = Bench(extended=extended)
    other = packets_of(1, extended=not extended)
    bench.feed(coalesced(other, [3]))
    assert bench.assembler.malformed_packets == len(other)
    assert bench.store.taken == 0


@given(splits, st.lists(st.booleans(), min_size=30, max_size=30))
def test_packets_marked_as_resent_count_like_others(sizes: list[int], marked: list[bool]) -> None:
    packets = [marked_resent(packet) if mark else packet for packet, mark in zip(packets_of(1), marked, strict=False)]
    bench = Bench()
    bench.feed(coalesced(packets, sizes))
    assert [(frame.id, frame.missing_packets) for frame, _ in bench.store.frames] == [(1, 0)]
    assert bench.store.frames[0][1] == picture(1)


@pytest.mark.parametrize("resend", [False, True])
@pytest.mark.parametrize("segment", [0, 5])
def test_a_camera_that_counts_its_blocks_anew_goes_on(segment: int, resend: bool) -> None:
    bench = Bench(resend=resend)
    for block_id in (20, 21, 22, 1, 2, 3):
        bench.feed(coalesced(packets_of(block_id), [segment or 1]))
    assert bench.store.ids == [20, 21, 22, 23, 24, 25]
    assert [pixels for _, pixels in bench.store.frames[3:]] == [picture(1), picture(2), picture(3)]


def test_a_late_leader_begins_nothing_anew() -> None:
    bench = Bench()
    for block_id in range(1, 20):
        bench.feed_single(packets_of(block_id))
    bench.feed_single([packets_of(19 - FEWEST_OPEN_BLOCKS)[0], marked_resent(packets_of(2)[0])])
    bench.feed_single(packets_of(20))
    assert bench.store.ids == list(range(1, 21))


def small_frame(block_id: int) -> list[bytes]:
    """Give the packets of an image of half the height, whose last payload packet is short."""
    image = np.frombuffer(picture(block_id), np.uint8)[: WIDTH * 18]
    packets = PayloadPackets(image.size, PACKET_SIZE_BYTES)
    packets.fill(image, block_id)
    payload = [datagram for run in packets.runs(9) for datagram in datagrams(run)]
    leader = ImageLeader(0, PixelFormat.Mono8, WIDTH, 18).pack(block_id)
    return [leader, *payload, ImageTrailer(18).pack(block_id, len(payload) + 1)]


def test_an_image_smaller_than_the_payload_size_is_whole() -> None:
    bench = Bench()
    bench.feed(coalesced(small_frame(1), [9]))
    [(frame, pixels)] = bench.store.frames
    assert (frame.height, frame.missing_packets) == (18, 0)
    assert pixels == picture(1)[: WIDTH * 18]


def test_a_lost_trailer_of_a_small_image_counts_no_packets_that_never_were() -> None:
    bench = Bench()
    bench.feed_single(small_frame(1)[:-1])
    bench.assembler.handle_timer(10**9)
    assert [frame.missing_packets for frame, _ in bench.store.frames] == [1]


@pytest.mark.parametrize("lost", [[], [3], [20], [21]])
def test_chunks_are_told_of_when_all_of_them_arrived(lost: list[int]) -> None:
    tail = bytes(range(1, 201))
    bench = Bench(tail_bytes=len(tail))
    packets = packets_of(1, tail=tail)
    assert len(packets) == 22
    bench.feed_single(packet for packet_id, packet in enumerate(packets) if packet_id not in lost)
    bench.assembler.handle_timer(10**9)
    [(frame, payload)] = bench.store.frames
    assert frame.missing_packets == len(lost)
    if 20 in lost:
        assert frame.chunk_bytes == 0
    else:
        assert frame.chunk_bytes == WIDTH * HEIGHT + len(tail)
        assert payload[WIDTH * HEIGHT :] == tail


@given(st.integers(1, 30), st.integers(0, 60), st.booleans())
def test_packets_that_follow_each_other_by_number_alone_are_no_run(place: int, other: int, extended: bool) -> None:
    """A packet of another block in the place of one is put where it belongs, whatever comes before and after it."""
    bench = Bench(extended=extended)
    bench.take_from(64, STRIDE_BYTES)
    frames = {frame_id: packets_of(frame_id, extended=extended) for frame_id in (1, 2)}
    count = len(frames[1])
    first, second = frames[1], frames[2]
    place %= count - 2
    stream = [*first[:place], second[place], *first[place + 1 :], second[other % count], first[place], *second]
    bench.feed_single(stream)
    assert [(frame.id, frame.missing_packets, pixels == picture(frame.id)) for frame, pixels in bench.store.frames] == [
        (1, 0, True),
        (2, 0, True),
    ]


@pytest.mark.parametrize("extended", [False, True])
def test_packets_of_a_memory_with_small_rows(extended: bool) -> None:
    bench = Bench(extended=extended)
    bench.feed(coalesced(packets_of(1, extended=extended), [5]))
    bench.take_from(50, 256)
    bench.feed_single([packet for frame_id in (2, 3, 4) for packet in packets_of(frame_id, extended=extended)])
    assert [(frame.id, pixels == picture(frame.id)) for frame, pixels in bench.store.frames] == [
        (frame_id, True) for frame_id in (1, 2, 3, 4)
    ]


def test_packets_gather_for_half_of_the_rest_of_a_frame_by_its_pace_or_that_of_the_last_one() -> None:
    bench = Bench()
    period_ns, packet_ns = 40_000_000, 1_000_000
    assert bench.assembler.patience_ns(0) == 0
    for frame_id in (1, 2):
        packets = packets_of(frame_id)
        payload = len(packets) - 2
        for k, packet in enumerate(packets):
            now_ns = frame_id * period_ns + k * packet_ns
            bench.feed_single([packet], now_ns)
            if frame_id == 2 or 2 * k > payload:
                assert bench.assembler.patience_ns(now_ns) == max(0, payload - k) * packet_ns // 2
    # Half a frame, and then nothing more: it is not waited for longer than that takes.
    begin_ns = 3 * period_ns
    bench.feed_single(packets_of(3)[:10], begin_ns)
    assert bench.assembler.patience_ns(begin_ns) == (payload - 9) * packet_ns // 2
    assert bench.assembler.patience_ns(begin_ns + payload * packet_ns) == 0


@pytest.mark.parametrize(("packet_ns", "waits"), [(1_000, False), (10_000, True)])
def test_the_first_packets_of_a_frame_gather_only_where_streams_leave_time(packet_ns: int, waits: bool) -> None:
    bench = Bench()
    for k, packet in enumerate(packets_of(1)):
        bench.feed_single([packet], k * packet_ns)
        bench.assembler.patience_ns(k * packet_ns)
    begin_ns = 40_000_000
    bench.feed_single(packets_of(2)[:5], begin_ns)
    assert (bench.assembler.patience_ns(begin_ns) > 0) == waits
