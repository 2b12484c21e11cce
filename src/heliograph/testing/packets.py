"""A stream's packets without a network: what a camera sends, what a lossy way does to it, and who puts it together."""

from __future__ import annotations

import ctypes
import heapq
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count

import numpy as np
import numpy.typing as npt

from heliograph.core import PixelFormat
from heliograph.gige import gvcp
from heliograph.gige.client.assembly import FrameAssembler, ReceivedFrame
from heliograph.gige.client.block import StreamShape
from heliograph.gige.gvcp import CommandPacket, Flag, Status
from heliograph.gige.gvsp import (
    RESENT,
    ImageLeader,
    ImageTrailer,
    PacketFormat,
    PacketHeader,
    PacketRun,
    PayloadPackets,
    block_id_of,
    datagram_bytes,
    header_bytes,
)

WIDTH, HEIGHT, PACKET_SIZE_BYTES = 100, 37, 236
MESSAGES, STRIDE_BYTES = 8, 2048
_MS_NS = 1_000_000


def picture(frame_id: int) -> bytes:
    """Give the pixels of a frame, none of which is 0."""
    return np.random.default_rng(frame_id).integers(1, 256, WIDTH * HEIGHT, np.uint8).tobytes()


def datagrams(run: PacketRun) -> list[bytes]:
    """Give the packets of a run as the kernel would send them."""
    pieces = struct.iter_unpack("@PN", ctypes.string_at(run.address, 2 * run.count * struct.calcsize("@PN")))
    parts = [ctypes.string_at(address, length) for address, length in pieces]
    return [head + data for head, data in zip(parts[::2], parts[1::2], strict=True)]


def packets_of(frame_id: int, *, extended: bool = False, tail: bytes = b"") -> list[bytes]:
    """Give leader, payload and trailer of a frame; `tail` are its chunks."""
    block_id = block_id_of(frame_id, extended=extended)
    image = np.frombuffer(picture(frame_id), np.uint8)
    packets = PayloadPackets(image.size + len(tail), PACKET_SIZE_BYTES, extended=extended)
    packets.fill(image, block_id, tail)
    payload = [datagram for run in packets.runs(9) for datagram in datagrams(run)]
    leader = ImageLeader(frame_id * 1000, PixelFormat.Mono8, WIDTH, HEIGHT, chunks=bool(tail))
    trailer = ImageTrailer(HEIGHT, image.size + len(tail) if tail else 0)
    last = trailer.pack(block_id, len(payload) + 1, extended=extended)
    return [leader.pack(block_id, extended=extended), *payload, last]


def coalesced(packets: Sequence[bytes], sizes: Sequence[int]) -> list[tuple[bytes, int]]:
    """Join packets as GRO does: equal sizes, the last of a message may be shorter; at most `sizes` at a time."""
    messages: list[tuple[bytes, int]] = []
    position, turn = 0, 0
    while position < len(packets):
        wanted = min(sizes[turn % len(sizes)], STRIDE_BYTES // datagram_bytes(PACKET_SIZE_BYTES))
        turn += 1
        segment = len(packets[position])
        end = position + 1
        while end < len(packets) and end - position < wanted and len(packets[end - 1]) == segment >= len(packets[end]):
            end += 1
        messages.append((b"".join(packets[position:end]), segment if end - position > 1 else 0))
        position = end
    return messages


@dataclass
class MemorySlot:
    """Memory of one frame."""

    buffer: npt.NDArray[np.uint8]


@dataclass
class MemoryStore:
    """A frame store that keeps copies, and gives out memory full of old pixels."""

    slot_bytes: int
    frames: list[tuple[ReceivedFrame, bytes]] = field(default_factory=list)
    taken: int = 0
    most_taken: int = 0

    def acquire(self) -> MemorySlot:
        """Give memory for a frame."""
        self.taken += 1
        self.most_taken = max(self.most_taken, self.taken)
        return MemorySlot(np.full(self.slot_bytes, 0xEE, np.uint8))

    def publish(self, slot: MemorySlot, frame: ReceivedFrame) -> None:
        """Keep a frame and its bytes, those of its chunks included."""
        self.taken -= 1
        size = frame.pixel_format.payload_bytes(frame.width, frame.height)
        self.frames.append((frame, slot.buffer[: max(size, frame.chunk_bytes)].tobytes()))

    def discard(self, slot: MemorySlot) -> None:
        """Take memory back."""
        self.taken -= 1

    @property
    def ids(self) -> list[int]:
        """Ids of the frames, in the order in which they came out."""
        return [frame.id for frame, _ in self.frames]


class Bench:
    """An assembler with its memory and its store.

    >>> bench = Bench()
    >>> bench.feed(coalesced(packets_of(1), [5]))
    >>> bench.store.ids
    [1]
    """

    def __init__(self, *, extended: bool = False, resend: bool = False, tail_bytes: int = 0) -> None:
        self.shape = StreamShape(WIDTH * HEIGHT + tail_bytes, PACKET_SIZE_BYTES, extended)
        self.store = MemoryStore(self.shape.slot_bytes)
        self._memory = np.zeros((MESSAGES, STRIDE_BYTES), np.uint8)
        self.assembler = FrameAssembler(self._memory, self.shape, self.store, resend=resend)

    def take_from(self, messages: int, stride_bytes: int) -> None:
        """Have the next messages received into other memory, this many at a time."""
        self._memory = np.zeros((messages, stride_bytes), np.uint8)
        self.assembler.read_from(self._memory)

    def feed(self, messages: Sequence[tuple[bytes, int]], now_ns: int = 0) -> None:
        """Have messages received, each with the size of its segments or 0."""
        for start in range(0, len(messages), len(self._memory)):
            batch = messages[start : start + len(self._memory)]
            for row, (data, _) in enumerate(batch):
                self._memory[row, : len(data)] = np.frombuffer(data, np.uint8)
            lengths = np.array([len(data) for data, _ in batch], np.uint32)
            self.assembler.receive(lengths, np.array([segment for _, segment in batch], np.int32), now_ns)

    def feed_single(self, packets: Iterable[bytes], now_ns: int = 0) -> None:
        """Have packets received one by one."""
        self.feed([(packet, 0) for packet in packets], now_ns)


class LossyLink:
    """A camera and the way to it, in simulated time: packets are lost, late and doubled, and come again when asked for.

    `loses` tells of each packet that the camera sends, by block id, packet id and how often it was sent before,
    whether it is lost; requests are lost by `loses_request`. `answers` is False for a camera that ignores requests.
    """

    def __init__(
        self,
        bench: Bench,
        loses: Callable[[int, int, int], bool],
        *,
        late_ns: Callable[[], int] = lambda: 0,
        doubles: Callable[[], bool] = lambda: False,
        loses_request: Callable[[], bool] = lambda: False,
        answers: bool = True,
    ) -> None:
        self.bench = bench
        self.requests: list[tuple[int, int, int]] = []
        """Block id, first and last packet of each request that the client sent."""
        self.request_times_ns: list[int] = []
        self._loses = loses
        self._late_ns = late_ns
        self._doubles = doubles
        self._loses_request = loses_request
        self._answers = answers
        self._extended = bench.shape.extended_ids
        self._blocks: dict[int, list[bytes]] = {}
        self._sent: dict[tuple[int, int], int] = {}
        self._way: list[tuple[int, int, bytes]] = []
        self._order = count()

    def stream(self, frame_ids: Iterable[int], period_ns: int = 40 * _MS_NS, packet_ns: int = 100_000) -> None:
        """Send frames, take them in turns of 1 ms, and go on for a second."""
        begin_ns = end_ns = 0
        for number, frame_id in enumerate(frame_ids):
            begin_ns = end_ns = _MS_NS + number * period_ns
            for packet_id, packet in enumerate(packets_of(frame_id, extended=self._extended)):
                end_ns = begin_ns + packet_id * packet_ns
                self._send(packet, end_ns)
            block_id = block_id_of(frame_id, extended=self._extended)
            self._blocks[block_id] = packets_of(frame_id, extended=self._extended)
        for now_ns in range(0, end_ns + 1000 * _MS_NS, _MS_NS):
            self._turn(now_ns)

    def _turn(self, now_ns: int) -> None:
        arrived = []
        while self._way and self._way[0][0] <= now_ns:
            arrived.append(heapq.heappop(self._way)[2])
        self.bench.feed(coalesced(arrived, [5, 1, 9]), now_ns)
        for number, request in enumerate(self.bench.assembler.handle_timer(now_ns)):
            self._ask(request.pack(number + 1, extended=self._extended), now_ns)

    def _ask(self, datagram: bytes, now_ns: int) -> None:
        command = CommandPacket.unpack(datagram)
        wish = gvcp.unpack_resend(command.payload, extended=Flag.EXTENDED in command.flags)
        self.requests.append(wish)
        self.request_times_ns.append(now_ns)
        if self._loses_request() or not self._answers:
            return
        block_id, first, last = wish
        packets = self._blocks.get(block_id)
        if packets is None:
            refusal = PacketHeader(block_id, PacketFormat.PAYLOAD, first, Status.PACKET_UNAVAILABLE, self._extended)
            self._send(refusal.pack(), now_ns)
            return
        for packet in packets[first : last + 1]:
            self._send(marked_resent(packet), now_ns)

    def _send(self, packet: bytes, now_ns: int) -> None:
        header = PacketHeader.unpack(packet)
        before = self._sent.get((header.block_id, header.packet_id), 0)
        self._sent[header.block_id, header.packet_id] = before + 1
        if self._loses(header.block_id, header.packet_id, before):
            return
        for _ in range(1 + self._doubles()):
            heapq.heappush(self._way, (now_ns + self._late_ns(), next(self._order), packet))


def marked_resent(packet: bytes) -> bytes:
    """Give a packet as a camera sends it again."""
    header = PacketHeader.unpack(packet)
    again = PacketHeader(header.block_id, header.format, header.packet_id, RESENT, header.extended)
    return again.pack() + packet[header_bytes(extended=header.extended) :]
