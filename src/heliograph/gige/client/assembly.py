"""Puts frames together from packets: sans-IO, in batches; a frame is whole or says how many packets are missing."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Generic, Protocol

import numpy as np
import numpy.typing as npt

from heliograph.core import PixelFormat, PixelFormatError, RemoteProtocolError
from heliograph.gige.client.block import FEWEST_OPEN_BLOCKS, Block, Bytes, SlotT, StreamShape
from heliograph.gige.client.header import HeaderColumns, Numbers
from heliograph.gige.client.numbering import BlockNumbering
from heliograph.gige.client.resend import NEVER_NS, REFUSALS, Answers, Gaps, ResendRequest
from heliograph.gige.gvsp import (
    EXTENDED_HEADER_BYTES,
    RESENT,
    ImageLeader,
    PacketFormat,
    PacketHeader,
    datagram_bytes,
)

# A block that gets no packet for this long is given up, unless a later one is whole before. Aravis waits 100 ms, but a
# camera on a busy or virtual machine may stand still for longer in the middle of a frame, and then send the rest.
_RETENTION_NS = 500_000_000
# A block that gets no packet for this long may have lost its end: a few packets more are asked for, to find out.
_SILENCE_NS = 40_000_000
_PROBE_PACKETS = 64
# Blocks lost without a trace that are asked for; a longer gap is a camera that left frames out, or a stray packet.
_LOST_BLOCKS = 3
# A packet takes longer than this below 300 MB/s. Of a faster stream, packets are taken from the first on as they come:
# the work that gathers meanwhile would make the frame late.
_LEISURE_NS = 5_000
# Packets that may gather: to take more of them at once saves little, and a fast stream would be overtaken by its own.
_MOST_GATHERED = 1000
# Of a batch in more runs than this, each of some 20 us, single packets are sorted out by one fancy index.
_MOST_RUNS = 16


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
class ReceivedFrame:
    """What the packets said of a frame whose pixels lie in its slot."""

    id: int
    pixel_format: PixelFormat
    width: int
    height: int
    timestamp_ticks: int
    missing_packets: int
    resent_packets: int = 0
    """Packets that arrived after they were asked for again."""
    chunk_bytes: int = 0
    """Bytes of image and chunks together; 0 where there are no chunks, or not all of them arrived."""
    malformed_packets: int = 0
    """Packets so far that break the protocol or do not belong to this stream."""


class FrameAssembler(Generic[SlotT]):
    """Turns batches of datagrams into frames in a store.

    `memory` is where datagrams lie, shape (messages, stride). `receive` takes the lengths and segment sizes of a batch;
    call `handle_timer` after it and at `next_deadline_ns`, and send what it gives. Frames come out in order of their
    ids; a block whose leader was lost for good never comes out, since size and time of its image are unknown, and
    leaves a gap in the ids. With `resend`, what is missing is asked for, and later frames wait for it.

    A camera that begins to count its blocks anew goes on with the next frame id.
    """

    def __init__(self, memory: Bytes, shape: StreamShape, store: FrameStore[SlotT], *, resend: bool = False) -> None:
        self._shape = shape
        self._store = store
        self._resend = resend
        self._columns = HeaderColumns(extended=shape.extended_ids)
        self._packets = shape.packets
        self._open_blocks = shape.open_blocks
        self._header_bytes = self._columns.size_bytes
        self._row_bytes = datagram_bytes(shape.packet_size_bytes)
        self.read_from(memory)
        self._blocks: dict[int, Block[SlotT]] = {}
        self._numbers = BlockNumbering(extended=shape.extended_ids)
        self._delivered_id = 0
        self._answers = Answers()
        self._packet_ns = 0.0
        self.malformed_packets = 0
        """Packets that break the protocol or do not belong to this stream."""

    def read_from(self, memory: Bytes) -> None:
        """Expect the next batches in other memory."""
        runs = memory.shape[1] // self._row_bytes
        self._memory = memory
        self._rows = memory[:, : runs * self._row_bytes].reshape(len(memory), runs, self._row_bytes)

    def patience_ns(self, now_ns: int) -> int:
        """Give how long packets may gather without making their frame late, by its pace or that of the one before."""
        block = self._blocks.get(self._numbers.newest_id)
        if block is None:
            return 0
        pace_ns = (block.last_ns - block.begun_ns) / max(1, block.highest)
        # The first packets tell too little, since they came together.
        if 2 * block.highest > block.expected:
            self._packet_ns = pace_ns
        # Nor are those of a fast stream slow because their leader came before them.
        pace_ns = self._packet_ns if self._packet_ns >= _LEISURE_NS else min(pace_ns, self._packet_ns or pace_ns)
        rest_ns = int(max(0, block.expected - block.highest) * pace_ns) - (now_ns - block.last_ns)
        # Half of what is left, as an estimate may be wrong.
        return max(0, min(rest_ns // 2, int(_MOST_GATHERED * pace_ns)))

    def receive(self, lengths: npt.NDArray[np.uint32], segments: npt.NDArray[np.int32], now_ns: int) -> None:
        """Take a batch of datagrams, one at least, that lie in `memory`."""
        if not segments.any():
            self._receive_singles(lengths, now_ns)
            return
        sizes = list(zip(lengths.tolist(), segments.tolist(), strict=True))
        for start, end in self._columns.joined(self._rows[: len(lengths), 0], lengths, segments):
            rows = self._rows[start:end, : sizes[start][0] // self._row_bytes]
            if end - start == 1 or not self._receive_messages(rows, now_ns):
                for message in range(start, end):
                    self._receive_message(message, *sizes[message], now_ns)

    def next_deadline_ns(self) -> int | None:
        """When `handle_timer` has something to do."""
        wake_ns = min((block.wake_ns for block in self._blocks.values()), default=NEVER_NS)
        return None if wake_ns == NEVER_NS else wake_ns

    def handle_timer(self, now_ns: int) -> list[ResendRequest]:
        """Give up blocks that got no packet for 0.5 s or cannot be completed, and give what to ask the camera for."""
        requests = []
        for frame_id, block in list(self._blocks.items()):
            requests += self._requests(frame_id, block, now_ns)
            # What never was, or is gone, must not keep its place among the few until older frames are done.
            if block.leader is None and self._given_up(frame_id, block):
                self._finish(frame_id)
        self._deliver(now_ns)
        return requests

    def _receive_singles(self, lengths: npt.NDArray[np.uint32], now_ns: int) -> None:
        """Take messages of one packet each, run by run: nearly always there are few."""
        count = len(lengths)
        full = lengths == self._row_bytes
        edges = np.flatnonzero(~(self._columns.follows(self._rows[:count, 0]) & full[1:] & full[:-1])) + 1
        if len(edges) > _MOST_RUNS:
            self._receive_packets(self._memory[:count], lengths, now_ns)
            return
        for start, end in pairwise([0, *edges.tolist(), count]):
            if not full[start]:
                self._receive_packet(self._memory[start, : lengths[start]].tobytes(), now_ns)
            elif not self._receive_run(self._rows[start:end, :1], now_ns):
                self._receive_packets(self._memory[start:end], lengths[start:end], now_ns)

    def _receive_message(self, message: int, length: int, segment: int, now_ns: int) -> None:
        """Take one message, of several packets where it has segments."""
        step = max(segment or length, 1)
        start = 0
        if segment == self._row_bytes and length > segment:
            count = length // segment
            if not self._receive_messages(self._rows[message : message + 1, :count], now_ns):
                self._receive_packets(self._rows[message, :count], np.full(count, segment, np.uint32), now_ns)
            start = count * segment
        for begin in range(start, length, step):
            self._receive_packet(self._memory[message, begin : min(begin + step, length)].tobytes(), now_ns)

    def _receive_messages(self, rows: Bytes, now_ns: int) -> bool:
        """Take messages of several full packets, shape (messages, packets, bytes); False when they are no run."""
        return bool(self._columns.follows(rows).all()) and self._receive_run(rows, now_ns)

    def _receive_run(self, rows: Bytes, now_ns: int) -> bool:
        """Take full packets that follow each other, shape (messages, packets, bytes); False if they are no payload."""
        header = PacketHeader.unpack(rows[0, 0, :EXTENDED_HEADER_BYTES].tobytes())
        first, last = header.packet_id, header.packet_id + rows.shape[0] * rows.shape[1] - 1
        of_stream = header.extended == self._shape.extended_ids and header.format == PacketFormat.PAYLOAD
        of_stream = of_stream and header.status in (0, RESENT) and header.block_id != 0
        if not (of_stream and 0 < first <= last <= self._packets):
            return False
        block = self._block(header.block_id, now_ns)
        if block is not None:
            data = rows[:, :, self._header_bytes :]
            block.rows[first - 1 : last].reshape(data.shape)[:] = data
            block.note(first, last)
            self._deliver_if_complete(block, now_ns)
        return True

    def _receive_packets(self, rows: Bytes, lengths: npt.NDArray[np.uint32], now_ns: int) -> None:
        """Take packets that lie one in each row, of any kind and in any order."""
        status, blocks, kinds, ids = self._columns.fields(rows)
        full = (lengths == self._row_bytes) & (kinds == PacketFormat.PAYLOAD) & (blocks > 0)
        full &= ((status == 0) | (status == RESENT)) & (ids > 0) & (ids <= self._packets)
        edges = (np.flatnonzero(np.diff(blocks)) + 1).tolist()
        for start, end in zip([0, *edges], [*edges, len(lengths)], strict=True):
            # Singles first: a leader may say that blocks are counted anew, which its payload does not tell.
            for row in (np.flatnonzero(~full[start:end]) + start).tolist():
                self._receive_packet(rows[row, : lengths[row]].tobytes(), now_ns)
            chosen = np.flatnonzero(full[start:end]) + start
            block = self._block(int(blocks[start]), now_ns) if len(chosen) else None
            if block is not None:
                self._copy_rows(block, ids[chosen].astype(np.intp), rows, chosen)
                self._deliver_if_complete(block, now_ns)

    def _copy_rows(self, block: Block[SlotT], ids: Numbers, rows: Bytes, chosen: npt.NDArray[np.intp]) -> None:
        """Copy the chosen rows to where their packet ids belong."""
        first, last, count = int(ids[0]), int(ids[-1]), len(ids)
        data = slice(self._header_bytes, self._row_bytes)
        # One run, as nearly always, is copied by slices: twice as fast.
        if last - first == count - 1 == chosen[-1] - chosen[0] and (np.diff(ids) == 1).all():
            block.rows[first - 1 : last] = rows[chosen[0] : chosen[-1] + 1, data]
            block.note(first, last)
        else:
            block.rows[ids - 1] = rows[chosen, data]
            block.arrived[ids] = True
            block.highest = max(block.highest, int(ids.max()))

    def _receive_packet(self, packet: bytes, now_ns: int) -> None:
        if not packet:
            return
        try:
            self._take_packet(packet, now_ns)
        except (RemoteProtocolError, PixelFormatError):
            self.malformed_packets += 1

    def _take_packet(self, packet: bytes, now_ns: int) -> None:
        header = PacketHeader.unpack(packet)
        if header.extended != self._shape.extended_ids or not header.block_id:
            raise RemoteProtocolError("GVSP packet has the other kind of header, or block id 0")
        if header.status in REFUSALS:
            self._take_refusal(header, now_ns)
            return
        if header.status not in (0, RESENT):
            raise RemoteProtocolError(f"GVSP status 0x{header.status:04x} carries no image data")
        data = packet[self._header_bytes :]
        leader = None
        if header.format == PacketFormat.LEADER:
            leader = ImageLeader.unpack(packet)
            self._shape.check(leader)
            if not header.status:
                self._follow_restart(header.block_id)
        elif header.format == PacketFormat.PAYLOAD:
            if not (0 < header.packet_id <= self._packets and 0 < len(data) <= self._shape.data_bytes):
                raise RemoteProtocolError(f"GVSP payload packet {header.packet_id} is not of this stream")
        elif header.format != PacketFormat.TRAILER or not 0 < header.packet_id <= self._packets + 1:
            raise RemoteProtocolError(f"GVSP packet {header.packet_id} is not of this stream")
        block = self._block(header.block_id, now_ns)
        if block is None:
            return
        if leader is not None:
            block.lead(leader)
        elif header.format == PacketFormat.TRAILER:
            block.end(header.packet_id - 1)
        else:
            block.store_part(header.packet_id, data)
        self._deliver_if_complete(block, now_ns)

    def _take_refusal(self, header: PacketHeader, now_ns: int) -> None:
        """Hear that a packet is not sent again; an answer may come when nobody waits for it any more."""
        if header.packet_id > self._packets + 1:
            raise RemoteProtocolError(f"GVSP packet {header.packet_id} that is refused is not of this stream")
        block = self._blocks.get(self._numbers.frame_id(header.block_id))
        if block is not None and block.gaps is not None:
            block.gaps.refuse(header.packet_id, header.status, now_ns)

    def _block(self, block_id: int, now_ns: int) -> Block[SlotT] | None:
        """Give the block of an id, a new one if need be, or None when it is over already."""
        frame_id = self._numbers.frame_id(block_id)
        block = self._blocks.get(frame_id)
        if block is None:
            if frame_id <= self._delivered_id:
                return None
            self._begin_lost(frame_id, now_ns)
            block = self._begin(frame_id, block_id, now_ns)
        block.last_ns = now_ns
        return block

    def _begin_lost(self, frame_id: int, now_ns: int) -> None:
        """Begin the blocks before this one of which nothing has arrived, so that they are asked for."""
        newest_id = self._numbers.newest_id
        room = self._open_blocks // 2 - len(self._blocks)
        if self._resend and newest_id and frame_id - newest_id - 1 <= min(_LOST_BLOCKS, room):
            for lost_id in range(newest_id + 1, frame_id):
                self._begin(lost_id, self._numbers.block_id(lost_id), now_ns)

    def _begin(self, frame_id: int, block_id: int, now_ns: int) -> Block[SlotT]:
        while len(self._blocks) >= self._open_blocks:
            self._finish(min(self._blocks))
        block = Block(block_id, self._store.acquire(), self._shape)
        block.begun_ns = block.last_ns = now_ns
        block.wake_ns = now_ns + _RETENTION_NS
        self._blocks[frame_id] = block
        self._numbers.newest_id = max(self._numbers.newest_id, frame_id)
        return block

    def _follow_restart(self, block_id: int) -> None:
        """Count on when a camera begins its ids anew: its leader is further behind than any that is merely late."""
        if self._numbers.newest_id and self._numbers.frame_id(block_id) < self._delivered_id - FEWEST_OPEN_BLOCKS:
            for frame_id in sorted(self._blocks):
                self._finish(frame_id)
            self._numbers.restart(block_id)

    def _requests(self, frame_id: int, block: Block[SlotT], now_ns: int) -> list[ResendRequest]:
        """Give what to ask for of one block, and set when to look at it again."""
        if block.wake_ns == NEVER_NS:
            return []
        if block.complete:
            block.wake_ns = NEVER_NS  # it waits for an older one
            if block.gaps is not None:
                block.gaps.close()
            return []
        block.wake_ns = block.last_ns + _RETENTION_NS
        if not self._resend:
            return []
        if block.announced is None and not block.highest and block.leader is None:
            last = 0  # maybe the camera left this frame out: its leader will tell
        elif block.announced is not None or self._passed(frame_id):
            last = self._packets + 1
        elif now_ns - block.last_ns >= _SILENCE_NS:
            last = block.highest + _PROBE_PACKETS
        else:
            last = block.highest
            block.wake_ns = block.last_ns + _SILENCE_NS
            if np.count_nonzero(block.arrived[: last + 1]) > last:
                return []
        missing = block.missing(last)
        if not len(missing):
            return []
        block.gaps = block.gaps or Gaps(self._packets, self._answers)
        ranges = block.gaps.due(missing, block.arrived, now_ns)
        block.wake_ns = min(block.wake_ns, block.gaps.next_due_ns)
        return [ResendRequest(block.id, first, last) for first, last in ranges]

    def _passed(self, frame_id: int) -> bool:
        """Tell whether the camera has gone on to a later block; one that is far off is a stray packet's."""
        return any(0 < other - frame_id <= self._open_blocks for other in self._blocks)

    def _over(self, frame_id: int, block: Block[SlotT], now_ns: int) -> bool:
        """Tell whether nothing is to be waited for any more."""
        if block.complete or now_ns - block.last_ns >= _RETENTION_NS:
            return True
        if self._resend:
            return self._given_up(frame_id, block)
        # Without resend, an older block gets nothing more.
        return any(other.complete for other_id, other in self._blocks.items() if other_id > frame_id)

    def _given_up(self, frame_id: int, block: Block[SlotT]) -> bool:
        """Tell whether what a block misses is asked for no more, while the camera has gone on."""
        return block.gaps is not None and block.gaps.hopeless and self._passed(frame_id)

    def _deliver_if_complete(self, block: Block[SlotT], now_ns: int) -> None:
        if block.complete:
            self._deliver(now_ns)

    def _deliver(self, now_ns: int) -> None:
        """Hand on, in order, the blocks that are over."""
        while self._blocks:
            frame_id = min(self._blocks)
            if not self._over(frame_id, self._blocks[frame_id], now_ns):
                return
            self._finish(frame_id)

    def _finish(self, frame_id: int) -> None:
        block = self._blocks.pop(frame_id)
        if block.gaps is not None:
            block.gaps.close()
        leader = block.leader
        if leader is None:
            # Nor is it delivered: one stray packet of a far id would make an old one of every frame up to there.
            self._store.discard(block.slot)
            return
        self._delivered_id = max(self._delivered_id, frame_id)
        missing = block.missing_packets
        if missing:
            block.rows[~block.arrived[1:]] = 0
        frame = ReceivedFrame(
            frame_id,
            PixelFormat(leader.pixel_format),
            leader.width,
            leader.height,
            leader.timestamp_ticks,
            missing,
            block.resent_packets,
            block.chunk_bytes,
            self.malformed_packets,
        )
        self._store.publish(block.slot, frame)
