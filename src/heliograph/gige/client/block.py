"""One frame under assembly: its memory, and which of its packets have arrived."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from heliograph.core import PixelFormat, RemoteProtocolError
from heliograph.gige.client.resend import NEVER_NS, Gaps, PacketIds
from heliograph.gige.gvsp import ImageLeader, data_bytes, packet_count

Bytes = npt.NDArray[np.uint8]


class Slot(Protocol):
    """A piece of memory for one frame."""

    @property
    def buffer(self) -> Bytes:
        """Flat writable bytes, at least `StreamShape.slot_bytes`."""
        ...


SlotT = TypeVar("SlotT", bound=Slot)

FEWEST_OPEN_BLOCKS = 8
_MOST_OPEN_BLOCKS = 32
_OPEN_BYTES = 64_000_000


@dataclass(frozen=True, slots=True)
class StreamShape:
    """Sizes that hold for every frame of a stream."""

    payload_bytes: int
    packet_size_bytes: int
    extended_ids: bool = False
    """True when block ids have 64 bits, and headers 20 bytes."""

    @property
    def data_bytes(self) -> int:
        """Payload bytes of a full packet."""
        return data_bytes(self.packet_size_bytes, extended=self.extended_ids)

    @property
    def packets(self) -> int:
        """Most payload packets of a frame."""
        return self.packets_of(self.payload_bytes)

    @property
    def slot_bytes(self) -> int:
        """Memory of a frame: whole packets, so that a run of rows is copied at once."""
        return self.packets * self.data_bytes

    @property
    def open_blocks(self) -> int:
        """Frames under assembly at once: 8, or up to 32 where they are small, as slow answers take their time."""
        return max(FEWEST_OPEN_BLOCKS, min(_MOST_OPEN_BLOCKS, _OPEN_BYTES // self.slot_bytes))

    def packets_of(self, payload_bytes: int) -> int:
        """Payload packets that so many bytes take."""
        return packet_count(payload_bytes, self.packet_size_bytes, extended=self.extended_ids)

    def check(self, leader: ImageLeader) -> None:
        """Make sure that a leader's image can be of this stream; raises `RemoteProtocolError` or `PixelFormatError`."""
        size = (leader.width, leader.height)
        try:
            pixel_format = PixelFormat(leader.pixel_format)
        except ValueError:
            raise RemoteProtocolError(f"GVSP leader has unknown pixel format 0x{leader.pixel_format:08x}") from None
        if pixel_format.size_of(pixel_format.shape(*size)) != size or leader.padding_x or leader.padding_y:
            raise RemoteProtocolError(f"GVSP leader of {size[0]}x{size[1]} px is no {pixel_format.name} picture")
        if not 0 < pixel_format.payload_bytes(*size) <= self.payload_bytes:
            raise RemoteProtocolError(f"GVSP leader of {size[0]}x{size[1]} px does not fit the payload size")


class Block(Generic[SlotT]):
    """One frame under assembly."""

    __slots__ = (
        "_needed",
        "_shape",
        "announced",
        "arrived",
        "begun_ns",
        "gaps",
        "highest",
        "id",
        "last_ns",
        "leader",
        "rows",
        "short",
        "slot",
        "wake_ns",
    )

    def __init__(self, block_id: int, slot: SlotT, shape: StreamShape) -> None:
        self.id = block_id
        self.slot = slot
        self.rows = slot.buffer[: shape.slot_bytes].reshape(shape.packets, -1)
        self.arrived = np.zeros(shape.packets + 1, np.bool_)
        """By packet id: leader, then payload."""
        self.highest = 0
        """Highest payload packet id that arrived."""
        self.leader: ImageLeader | None = None
        self.announced: int | None = None
        """Payload packets that the trailer tells; None before it arrived."""
        self.short: tuple[int, int] = (0, 0)
        """Id and data bytes of a packet that was not full: the last one."""
        self.gaps: Gaps | None = None
        self.begun_ns = 0
        self.last_ns = 0
        self.wake_ns = NEVER_NS
        """When something is due, if no packet arrives before."""
        self._shape = shape
        self._needed = 0

    @property
    def expected(self) -> int:
        """Payload packets of this block: what the trailer announces, but never fewer than the image takes."""
        if self.announced is not None:
            return max(self._needed, self.announced)
        # What follows an image with chunks has no length before the trailer tells.
        return self._needed if self.leader and not self.leader.chunks else len(self.rows)

    @property
    def complete(self) -> bool:
        """True when leader, payload and trailer are all there."""
        return (
            self.announced is not None and self.leader is not None and bool(self.arrived[1 : self.expected + 1].all())
        )

    @property
    def missing_packets(self) -> int:
        """Payload packets and trailer that did not arrive."""
        expected = self.expected
        absent = expected - int(np.count_nonzero(self.arrived[1 : expected + 1]))
        return absent + (self.announced is None)

    @property
    def resent_packets(self) -> int:
        """Packets that arrived after they were asked for again."""
        if self.gaps is None:
            return 0
        return self.gaps.came_again(np.append(self.arrived[: self.expected + 1], self.announced is not None))

    @property
    def chunk_bytes(self) -> int:
        """Bytes of the payload with its chunks, 0 where there are none or packets of them are missing."""
        expected = self.expected
        # The image ends in packet `_needed`.
        if not (self.leader and self.leader.chunks and self.arrived[self._needed : expected + 1].all()):
            return 0
        last, last_bytes = self.short
        full_bytes = self._shape.data_bytes
        return (expected - 1) * full_bytes + (last_bytes if last == expected else full_bytes)

    def lead(self, leader: ImageLeader) -> None:
        """Take the leader, which has been checked; a second one changes nothing."""
        if self.leader is not None:
            return
        self.leader = leader
        self.arrived[0] = True
        image_bytes = PixelFormat(leader.pixel_format).payload_bytes(leader.width, leader.height)
        self._needed = self._shape.packets_of(image_bytes)

    def end(self, packets: int) -> None:
        """Take the number of payload packets that a trailer announces; a second one changes nothing."""
        if self.announced is None:
            self.announced = packets

    def note(self, first: int, last: int) -> None:
        """Take note that payload packets `first` to `last` lie in their rows."""
        self.arrived[first : last + 1] = True
        self.highest = max(self.highest, last)

    def store_part(self, packet_id: int, data: bytes) -> None:
        """Take a payload packet that may be short; nothing of an older picture stays behind it."""
        row = self.rows[packet_id - 1]
        row[: len(data)] = np.frombuffer(data, np.uint8)
        row[len(data) :] = 0
        if len(data) < len(row):
            self.short = (packet_id, len(data))
        self.note(packet_id, packet_id)

    def missing(self, last: int) -> PacketIds:
        """Give the ids up to `last` of packets that did not arrive; the trailer is `expected` + 1."""
        ids = np.flatnonzero(~self.arrived[: min(last, self.expected) + 1])
        if last > self.expected and self.announced is None:
            return np.append(ids, self.expected + 1)
        return ids
