"""Puts frames together from packets: sans-IO, in batches; a frame is whole or says how many packets are missing."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from heliograph.core import PixelFormat, PixelFormatError, RemoteProtocolError
from heliograph.gige.gvsp import (
    HEADER_BYTES,
    LAST_BLOCK_ID,
    ImageLeader,
    PacketFormat,
    data_bytes,
    datagram_bytes,
    packet_count,
)

Bytes = npt.NDArray[np.uint8]

_WORDS = struct.Struct(">II")

OPEN_BLOCKS = 8
"""Blocks under assembly at once: as many as one stock socket buffer holds packets of, see `spread_stream_sink`."""

# A block that gets no packet for this long is given up, unless a later one is whole before. Aravis waits 100 ms, but a
# camera on a busy or virtual machine may stand still for longer in the middle of a frame, and then send the rest.
_RETENTION_NS = 500_000_000
# Looking for what can be taken at once costs as much as taking four messages singly.
_WORTH_JOINING = 4


class Slot(Protocol):
    """A piece of memory for one frame."""

    @property
    def buffer(self) -> Bytes:
        """Flat writable bytes, at least `StreamShape.slot_bytes`."""
        ...


SlotT = TypeVar("SlotT", bound=Slot)


class FrameStore(Protocol[SlotT]):
    """Where frames are put together and who gets them."""

    def acquire(self) -> SlotT:
        """Give memory for a frame."""
        ...

    def publish(self, slot: SlotT, frame: ReceivedFrame) -> None:
        """Hand a finished frame on; the memory is no longer the assembler's."""
        ...

    def discard(self, slot: SlotT) -> None:
        """Take memory back that holds nothing of worth."""
        ...


@dataclass(frozen=True, slots=True)
class StreamShape:
    """Sizes that hold for every frame of a stream."""

    payload_bytes: int
    packet_size_bytes: int

    @property
    def packets(self) -> int:
        """Payload packets of a frame."""
        return packet_count(self.payload_bytes, self.packet_size_bytes)

    @property
    def slot_bytes(self) -> int:
        """Memory of a frame: whole packets, so that a run of rows is copied at once."""
        return self.packets * data_bytes(self.packet_size_bytes)


@dataclass(frozen=True, slots=True)
class ReceivedFrame:
    """What the packets said of a frame whose pixels lie in its slot."""

    id: int
    pixel_format: PixelFormat
    width: int
    height: int
    timestamp_ticks: int
    missing_packets: int


class _Block(Generic[SlotT]):
    """One frame under assembly."""

    __slots__ = ("announced", "count", "headers", "last_ns", "leader", "needed", "received", "rows", "slot", "trailer")

    def __init__(self, slot: SlotT, shape: StreamShape, headers: npt.NDArray[np.uint64]) -> None:
        self.slot = slot
        self.headers = headers
        self.rows = slot.buffer[: shape.slot_bytes].reshape(shape.packets, -1)
        self.received = np.zeros(shape.packets, np.bool_)
        self.count = 0
        self.leader: ImageLeader | None = None
        self.trailer = False
        self.needed = 0
        self.announced = shape.packets
        self.last_ns = 0

    @property
    def expected(self) -> int:
        """Packets of this block: what the trailer announces, but never fewer than the image takes."""
        return max(self.needed, self.announced)

    @property
    def complete(self) -> bool:
        return self.trailer and self.leader is not None and self.count >= self.expected


class FrameAssembler(Generic[SlotT]):
    """Turns batches of datagrams into frames in a store.

    `memory` is where datagrams lie, shape (messages, stride). `receive` takes the lengths and segment sizes of a batch;
    call `handle_timer` at `next_deadline_ns`. Frames come out in order of their ids; a block whose leader was lost
    never comes out, since size and time of its image are unknown, and leaves a gap in the ids.
    """

    def __init__(self, memory: Bytes, shape: StreamShape, store: FrameStore[SlotT]) -> None:
        self._shape = shape
        self._store = store
        self._memory = memory
        self._bytes = memory.reshape(-1).data
        self._row_bytes = datagram_bytes(shape.packet_size_bytes)
        runs = memory.shape[1] // self._row_bytes
        self._rows = memory[:, : runs * self._row_bytes].reshape(len(memory), runs, self._row_bytes)
        self._words = self._rows[:, :, :HEADER_BYTES].view(">u4")
        self._headers = self._rows[:, :, :HEADER_BYTES].view(np.uint64)[:, :, 0]
        self._data_bytes = data_bytes(shape.packet_size_bytes)
        self._last_data_bytes = shape.payload_bytes - (shape.packets - 1) * self._data_bytes
        self._steps = np.arange(max(runs, len(memory)), dtype=np.int64)
        self._blocks: dict[int, _Block[SlotT]] = {}
        self._newest_id = 0
        self._delivered_id = 0
        self.malformed_packets = 0
        """Packets that break the protocol or do not belong to this stream."""

    def receive(self, lengths: npt.NDArray[np.uint32], segments: npt.NDArray[np.int32], now_ns: int) -> None:
        """Take a batch of datagrams that lie in `memory`."""
        if not segments.any():
            self._receive_packets(lengths, now_ns)
            return
        sizes = list(zip(lengths.tolist(), segments.tolist(), strict=True))
        for start, end in self._joined(lengths, segments):
            if end - start == 1 or not self._receive_runs(start, end, sizes[start][0], now_ns):
                for message in range(start, end):
                    self._receive_message(message, *sizes[message], now_ns)

    def _receive_message(self, message: int, length: int, segment: int, now_ns: int) -> None:
        if segment == self._row_bytes and length > segment:
            self._receive_run(message, length, now_ns)
        elif segment and length > segment:
            for start in range(0, length, segment):
                self._receive_packet(self._memory[message, start : min(start + segment, length)], now_ns)
        else:
            self._receive_packet(self._memory[message, :length], now_ns)

    def next_deadline_ns(self) -> int | None:
        """When `handle_timer` has something to do."""
        times_ns = [block.last_ns for block in self._blocks.values()]
        return min(times_ns) + _RETENTION_NS if times_ns else None

    def handle_timer(self, now_ns: int) -> None:
        """Give up blocks that got no packet for 0.5 s."""
        for frame_id in sorted(self._blocks):
            if now_ns - self._blocks[frame_id].last_ns >= _RETENTION_NS:
                self._finish(frame_id)

    def _joined(self, lengths: npt.NDArray[np.uint32], segments: npt.NDArray[np.int32]) -> Iterable[tuple[int, int]]:
        """Give ranges of messages of which each goes on where the one before ended, as far as first packets tell."""
        count = len(lengths)
        if count < _WORTH_JOINING:
            return ((message, message + 1) for message in range(count))
        words = self._words[:count, 0].astype(np.int64)
        packets = lengths // self._row_bytes
        apart = (
            (lengths[1:] != lengths[:-1])
            | (lengths[1:] != packets[1:] * self._row_bytes)
            | (segments[1:] != self._row_bytes)
            | (segments[:-1] != self._row_bytes)
            | (words[1:, 0] != words[:-1, 0])
            | (words[1:, 1] != words[:-1, 1] + packets[:-1])
        )
        edges = (np.flatnonzero(apart) + 1).tolist()
        return zip([0, *edges], [*edges, count], strict=True)

    def _receive_runs(self, start: int, end: int, length: int, now_ns: int) -> bool:
        """Take messages of equal length at once; False when they are not all full packets of one block in order."""
        runs, count = end - start, length // self._row_bytes
        block_word, word = _WORDS.unpack_from(self._bytes, start * self._memory.shape[1])
        row = (word & 0xFF_FFFF) - 1
        last = row + runs * count
        # The last packet of a frame may be short, and is taken singly.
        if (
            word >> 24 != PacketFormat.PAYLOAD
            or not 0 < block_word <= LAST_BLOCK_ID
            or not 0 <= row < last < self._shape.packets
        ):
            return False
        block = self._block(block_word, now_ns)
        if block is None or (self._headers[start:end, :count] != block.headers[row:last].reshape(runs, count)).any():
            return False
        block.rows[row:last].reshape(runs, count, -1)[:] = self._rows[start:end, :count, HEADER_BYTES:]
        block.received[row:last] = True
        block.count = int(np.count_nonzero(block.received))
        self._finish_if_complete(block_word, block)
        return True

    def _receive_run(self, message: int, length: int, now_ns: int) -> None:
        """Take a message of several equal packets, which are nearly always consecutive packets of one block."""
        count = -(-length // self._row_bytes)
        last_bytes = length - (count - 1) * self._row_bytes
        block_word, word = _WORDS.unpack_from(self._bytes, message * self._memory.shape[1])
        row = (word & 0xFF_FFFF) - 1
        if word >> 24 == PacketFormat.PAYLOAD and 0 < block_word <= LAST_BLOCK_ID and row >= 0:
            block = self._block(block_word, now_ns)
            if block is not None and self._fits(row + count - 1, last_bytes):
                headers = self._headers[message, :count]
                if (headers == block.headers[row : row + count]).all():
                    self._store_rows(block, slice(row, row + count), self._rows[message, :count])
                    self._finish_if_complete(block_word, block)
                    return
        for row in range(count):
            row_bytes = self._row_bytes if row < count - 1 else last_bytes
            self._receive_packet(self._rows[message, row, :row_bytes], now_ns)

    def _receive_packets(self, lengths: npt.NDArray[np.uint32], now_ns: int) -> None:
        """Take messages of one packet each."""
        words = self._words[: len(lengths), 0].astype(np.int64)
        block_words, ids = words[:, 0], (words[:, 1] & 0xFF_FFFF) - 1
        payload = (words[:, 1] >> 24 == PacketFormat.PAYLOAD) & (block_words > 0) & (block_words <= LAST_BLOCK_ID)
        full = np.where(ids == self._shape.packets - 1, self._last_data_bytes, self._data_bytes) + HEADER_BYTES
        payload &= (ids >= 0) & (ids < self._shape.packets) & (lengths == full)
        edges = np.flatnonzero(np.diff(block_words)) + 1
        for start, end in zip([0, *edges.tolist()], [*edges.tolist(), len(lengths)], strict=True):
            chosen = np.flatnonzero(payload[start:end]) + start
            if len(chosen):
                block_word = int(block_words[start])
                block = self._block(block_word, now_ns)
                if block is not None:
                    self._store_packets(block, ids[chosen], chosen)
                    self._finish_if_complete(block_word, block)
            for message in (np.flatnonzero(~payload[start:end]) + start).tolist():
                self._receive_packet(self._memory[message, : int(lengths[message])], now_ns)

    def _receive_packet(self, packet: Bytes, now_ns: int) -> None:
        if len(packet) == 0:
            return
        try:
            self._take_packet(packet, now_ns)
        except (RemoteProtocolError, PixelFormatError):
            self.malformed_packets += 1

    def _take_packet(self, packet: Bytes, now_ns: int) -> None:
        if len(packet) < HEADER_BYTES:
            raise RemoteProtocolError(f"GVSP packet of {len(packet)} bytes is shorter than its 8-byte header")
        block_word = int.from_bytes(packet[:4].tobytes(), "big")
        word = int.from_bytes(packet[4:8].tobytes(), "big")
        packet_format, packet_id = word >> 24, word & 0xFF_FFFF
        if not 0 < block_word <= LAST_BLOCK_ID:
            raise RemoteProtocolError(f"GVSP status and block id 0x{block_word:08x} carry no image data")
        leader = None
        if packet_format == PacketFormat.LEADER:
            leader = ImageLeader.unpack(packet.tobytes())
            self._check(leader)
        elif packet_format == PacketFormat.PAYLOAD:
            if packet_id < 1 or not self._fits(packet_id - 1, len(packet)):
                raise RemoteProtocolError(
                    f"GVSP payload packet {packet_id} of {len(packet)} bytes is not of this stream"
                )
        elif packet_format != PacketFormat.TRAILER or not 1 <= packet_id <= self._shape.packets + 1:
            raise RemoteProtocolError(f"GVSP packet {packet_id} of format {packet_format} is not of this stream")
        block = self._block(block_word, now_ns)
        if block is None:
            return
        if leader is not None:
            block.leader = leader
            image_bytes = PixelFormat(leader.pixel_format).payload_bytes(leader.width, leader.height)
            block.needed = packet_count(image_bytes, self._shape.packet_size_bytes)
        elif packet_format == PacketFormat.TRAILER:
            block.trailer = True
            block.announced = packet_id - 1
        else:
            row = packet_id - 1
            if not block.received[row]:
                block.rows[row, : len(packet) - HEADER_BYTES] = packet[HEADER_BYTES:]
                block.received[row] = True
                block.count += 1
        self._finish_if_complete(block_word, block)

    def _fits(self, row: int, packet_bytes: int) -> bool:
        wanted = self._last_data_bytes if row == self._shape.packets - 1 else self._data_bytes
        return row < self._shape.packets and packet_bytes == wanted + HEADER_BYTES

    def _check(self, leader: ImageLeader) -> None:
        size = (leader.width, leader.height)
        try:
            pixel_format = PixelFormat(leader.pixel_format)
        except ValueError:
            raise RemoteProtocolError(f"GVSP leader has unknown pixel format 0x{leader.pixel_format:08x}") from None
        if pixel_format.size_of(pixel_format.shape(*size)) != size or leader.padding_x or leader.padding_y:
            raise RemoteProtocolError(f"GVSP leader of {size[0]}x{size[1]} px is no {pixel_format.name} picture")
        if not 0 < pixel_format.payload_bytes(*size) <= self._shape.payload_bytes:
            raise RemoteProtocolError(f"GVSP leader of {size[0]}x{size[1]} px does not fit the payload size")

    def _store_packets(self, block: _Block[SlotT], ids: npt.NDArray[np.int64], messages: npt.NDArray[np.int64]) -> None:
        count = len(ids)
        steps = self._steps[:count]
        if (ids == ids[0] + steps).all() and (messages == messages[0] + steps).all():
            rows = self._rows[messages[0] : messages[0] + count, 0]
            self._store_rows(block, slice(int(ids[0]), int(ids[0]) + count), rows)
        else:
            self._store_rows(block, ids, self._rows[messages, 0])

    def _store_rows(self, block: _Block[SlotT], where: slice | npt.NDArray[np.int64], rows: Bytes) -> None:
        block.rows[where] = rows[:, HEADER_BYTES:]
        block.received[where] = True
        block.count = int(np.count_nonzero(block.received))

    def _block(self, block_word: int, now_ns: int) -> _Block[SlotT] | None:
        """Give the block of an id, a new one if need be, or None when it is over already."""
        frame_id = self._frame_id(block_word)
        block = self._blocks.get(frame_id)
        if block is None:
            if frame_id <= self._delivered_id:
                return None
            while len(self._blocks) >= OPEN_BLOCKS:
                self._finish(min(self._blocks))
            block = self._blocks[frame_id] = _Block(self._store.acquire(), self._shape, self._headers_of(block_word))
            self._newest_id = max(self._newest_id, frame_id)
        block.last_ns = now_ns
        return block

    def _headers_of(self, block_word: int) -> npt.NDArray[np.uint64]:
        """Give the 8 header bytes of every payload packet of a block, to compare a run with at once."""
        words = np.empty((self._shape.packets, 2), ">u4")
        words[:, 0] = block_word
        words[:, 1] = np.arange(1, self._shape.packets + 1) | (PacketFormat.PAYLOAD << 24)
        return words.view(np.uint64)[:, 0]

    def _frame_id(self, block_id: int) -> int:
        """Undo the 16-bit wrap: the id nearest to the newest one; cameras may begin a stream with any block id."""
        if not self._newest_id:
            return block_id
        ahead = (block_id - self._newest_id) % LAST_BLOCK_ID
        return self._newest_id + (ahead if ahead <= LAST_BLOCK_ID // 2 else ahead - LAST_BLOCK_ID)

    def _finish_if_complete(self, block_word: int, block: _Block[SlotT]) -> None:
        if block.complete:
            frame_id = self._frame_id(block_word)
            # Frames are delivered in order, and without resend an older block gets nothing more.
            for older in sorted(self._blocks):
                if older <= frame_id:
                    self._finish(older)

    def _finish(self, frame_id: int) -> None:
        block = self._blocks.pop(frame_id)
        leader = block.leader
        if leader is None:
            # Nor is it delivered: one stray packet of a far id would make an old one of every frame up to there.
            self._store.discard(block.slot)
            return
        self._delivered_id = max(self._delivered_id, frame_id)
        if block.count < block.expected:
            block.rows[~block.received] = 0
        missing = max(block.expected - block.count, 0) + (not block.trailer)
        pixel_format = PixelFormat(leader.pixel_format)
        self._store.publish(
            block.slot,
            ReceivedFrame(frame_id, pixel_format, leader.width, leader.height, leader.timestamp_ticks, missing),
        )
