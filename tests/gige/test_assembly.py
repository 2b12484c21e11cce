"""Frames from packets in any order, split, loss and duplication: whole, or an honest count of what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.core import PixelFormat
from heliograph.gige.client.assembly import FrameAssembler, ReceivedFrame, StreamShape
from heliograph.gige.gvsp import HEADER_BYTES, ImageLeader, ImageTrailer, PacketHeader, PayloadPackets, block_id_of

WIDTH, HEIGHT, PACKET_SIZE = 100, 37, 236
DATAGRAM = PACKET_SIZE - 28
SHAPE = StreamShape(WIDTH * HEIGHT, PACKET_SIZE)
MEMORY = (8, 2048)


@dataclass
class MemorySlot:
    buffer: npt.NDArray[np.uint8]


@dataclass
class MemoryStore:
    """A frame store that keeps copies, and gives out memory full of old pixels."""

    frames: list[tuple[ReceivedFrame, bytes]] = field(default_factory=list)
    taken: int = 0

    def acquire(self) -> MemorySlot:
        self.taken += 1
        assert self.taken <= 4, "the ring keeps four slots for its writer"
        return MemorySlot(np.full(SHAPE.slot_bytes, 0xEE, np.uint8))

    def publish(self, slot: MemorySlot, frame: ReceivedFrame) -> None:
        self.taken -= 1
        self.frames.append((frame, slot.buffer[: WIDTH * HEIGHT].tobytes()))

    def discard(self, slot: MemorySlot) -> None:
        self.taken -= 1


@dataclass
class Bench:
    memory: npt.NDArray[np.uint8] = field(default_factory=lambda: np.zeros(MEMORY, np.uint8))
    store: MemoryStore = field(default_factory=MemoryStore)

    def __post_init__(self) -> None:
        self.assembler = FrameAssembler(self.memory, SHAPE, self.store)

    def feed(self, messages: Sequence[tuple[bytes, int]], now_ns: int = 0) -> None:
        for start in range(0, len(messages), MEMORY[0]):
            batch = messages[start : start + MEMORY[0]]
            for row, (data, _) in enumerate(batch):
                self.memory[row, : len(data)] = np.frombuffer(data, np.uint8)
            lengths = np.array([len(data) for data, _ in batch], np.uint32)
            self.assembler.receive(lengths, np.array([segment for _, segment in batch], np.int32), now_ns)


def picture(frame_id: int) -> bytes:
    return np.random.default_rng(frame_id).integers(1, 256, WIDTH * HEIGHT, np.uint8).tobytes()


def packets_of(frame_id: int) -> list[bytes]:
    block = block_id_of(frame_id)
    packets = PayloadPackets(SHAPE.payload_bytes, PACKET_SIZE)
    packets.fill(np.frombuffer(picture(frame_id), np.uint8), block)
    payload = [bytes(batch) for batch in packets.batches(1)]
    leader = ImageLeader(frame_id * 1000, PixelFormat.Mono8, WIDTH, HEIGHT).pack(block)
    return [leader, *payload, ImageTrailer(HEIGHT).pack(block, len(payload) + 1)]


def coalesced(packets: Sequence[bytes], sizes: Sequence[int]) -> list[tuple[bytes, int]]:
    """Join packets as GRO does: equal sizes, the last of a message may be shorter; at most `sizes` at a time."""
    messages: list[tuple[bytes, int]] = []
    position, turn = 0, 0
    while position < len(packets):
        wanted = min(sizes[turn % len(sizes)], MEMORY[1] // DATAGRAM)
        turn += 1
        segment = len(packets[position])
        end = position + 1
        while end < len(packets) and end - position < wanted and len(packets[end - 1]) == segment >= len(packets[end]):
            end += 1
        messages.append((b"".join(packets[position:end]), segment if end - position > 1 else 0))
        position = end
    return messages


splits = st.lists(st.integers(1, 9), min_size=1, max_size=6)


@given(splits)
def test_whole_frames_however_the_kernel_coalesces(sizes: list[int]) -> None:
    bench = Bench()
    stream = [packet for frame_id in (1, 2, 3) for packet in packets_of(frame_id)]
    bench.feed(coalesced(stream, sizes))
    assert [frame.id for frame, _ in bench.store.frames] == [1, 2, 3]
    for frame, pixels in bench.store.frames:
        assert pixels == picture(frame.id)
        assert frame == ReceivedFrame(frame.id, PixelFormat.Mono8, WIDTH, HEIGHT, frame.id * 1000, 0)
    assert bench.store.taken == 0


@given(seed=st.integers(0, 2**32), loss=st.sampled_from([0, 0.01, 0.1, 0.5]), sizes=splits)
def test_loss_duplication_and_reordering_give_whole_frames_or_an_honest_count(
    seed: int, loss: float, sizes: list[int]
) -> None:
    random = np.random.default_rng(seed)
    kept: list[tuple[int, int]] = []
    order: list[bytes] = []
    for frame_id in (1, 2, 3):
        packets = packets_of(frame_id)
        arrived = [k for k in range(len(packets)) if random.random() >= loss]
        kept += [(frame_id, k) for k in arrived]
        # Within a frame any order; frames follow one another, as a queue on the way makes them.
        doubled = [k for k in arrived for _ in range(1 + (random.random() < 0.1))]
        order += [packets[k] for k in random.permutation(np.array(doubled, int))]
    bench = Bench()
    bench.feed(coalesced(order, sizes))
    bench.assembler.handle_timer(10**9)
    assert bench.store.taken == 0
    assert [frame.id for frame, _ in bench.store.frames] == sorted({frame.id for frame, _ in bench.store.frames})
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
        step = PACKET_SIZE - 36
        for k in set(range(1, total - 1)) - there:
            start, end = (k - 1) * step, min(k * step, len(expected))
            expected[start:end] = bytes(end - start)
        assert pixels == bytes(expected), "missing pixels are 0, never those of an older picture"


def test_blocks_may_overlap() -> None:
    bench = Bench()
    first, second = packets_of(1), packets_of(2)
    mixed = first[:5] + second[:3] + first[5:] + second[3:]
    bench.feed([(packet, 0) for packet in mixed])
    assert [(frame.id, frame.missing_packets) for frame, _ in bench.store.frames] == [(1, 0), (2, 0)]


def test_a_block_that_stalls_is_given_up_after_its_retention() -> None:
    bench = Bench()
    assert bench.assembler.next_deadline_ns() is None
    bench.feed([(packet, 0) for packet in packets_of(1)[:-3]], now_ns=5)
    assert bench.assembler.next_deadline_ns() == 500_000_005
    bench.assembler.handle_timer(500_000_004)
    assert bench.store.frames == []
    bench.assembler.handle_timer(500_000_005)
    assert [frame.missing_packets for frame, _ in bench.store.frames] == [3]
    bench.feed([(packet, 0) for packet in packets_of(1)[-3:]], now_ns=500_000_006)
    assert len(bench.store.frames) == 1
    assert bench.assembler.next_deadline_ns() is None


def test_ids_go_on_when_block_ids_wrap() -> None:
    bench = Bench()
    for frame_id in range(65_530, 65_541):
        bench.feed([(packet, 0) for packet in packets_of(frame_id)])
    assert [frame.id for frame, _ in bench.store.frames] == list(range(65_530, 65_541))


@given(st.lists(st.tuples(st.binary(max_size=300), st.sampled_from([0, 8, 100, DATAGRAM])), max_size=8))
def test_garbage_is_counted_and_never_raises(messages: list[tuple[bytes, int]]) -> None:
    bench = Bench()
    bench.feed(messages)
    bench.assembler.handle_timer(10**9)
    assert bench.store.taken == 0
    assert bench.assembler.malformed_packets <= sum(len(data) // max(segment, 1) + 1 for data, segment in messages)


@given(st.data())
def test_a_damaged_packet_never_raises(data: st.DataObject) -> None:
    packets = packets_of(1)
    victim = data.draw(st.integers(0, len(packets) - 1))
    damaged = bytearray(packets[victim])
    damaged[data.draw(st.integers(0, min(len(damaged), 44) - 1))] ^= data.draw(st.integers(1, 255))
    packets[victim] = bytes(damaged)
    bench = Bench()
    bench.feed(coalesced(packets, [9]))
    bench.assembler.handle_timer(10**9)
    assert bench.store.taken == 0


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
    bench.feed([(packet, 0) for packet in packets_of(40_000)])
    stray = b"".join(PacketHeader(0, 3, k).pack() + bytes(DATAGRAM - HEADER_BYTES) for k in (1, 2))
    bench.feed([(stray, segment)] if segment else [(stray[:DATAGRAM], 0)])
    assert bench.assembler.malformed_packets == (2 if segment else 1)
    # Taken for block 65535, it would have made every frame up to there an old one.
    bench.assembler.handle_timer(10**9)
    bench.feed([(packet, 0) for packet in packets_of(40_001)])
    assert [frame.id for frame, _ in bench.store.frames] == [40_000, 40_001]


def test_a_stray_packet_of_a_far_block_ends_no_stream() -> None:
    bench = Bench()
    for far in (2, 30_000, 32_768):
        bench.feed([(packets_of(far)[3], 0)])
        bench.assembler.handle_timer(10**9)
    for frame_id in range(1, 4):
        bench.feed([(packet, 0) for packet in packets_of(frame_id)])
    assert [frame.id for frame, _ in bench.store.frames] == [1, 2, 3]
    assert bench.store.taken == 0


def test_a_status_other_than_success_carries_no_pixels() -> None:
    bench = Bench()
    refused = PacketHeader(1, 3, 4, status=0x800C).pack()
    bench.feed([(refused, 0), (refused + bytes(DATAGRAM - HEADER_BYTES), 0)])
    assert bench.assembler.malformed_packets == 2
    assert bench.store.frames == []
