"""GVSP packets of an image: leader, payload, trailer, with the standard 8-byte header (16-bit block ids).

Layout as Wireshark's packet-gvsp.c and Aravis' arvgvspprivate.h have it: a packet begins with status u16, block id u16,
format u8 and packet id u24, big-endian. The leader is packet 0, payload packets are 1 to n and the trailer is n + 1.
Every payload packet but the last is full, so packet k carries the bytes from (k - 1) * `data_bytes(packet size)` on.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from heliograph.core import RemoteProtocolError

HEADER_BYTES = 8
IP_UDP_BYTES = 28
"""IP and UDP headers, which the packet size of register SCPS includes."""
LAST_BLOCK_ID = 0xFFFF
PAYLOAD_TYPE_IMAGE = 1

_HEADER = struct.Struct(">HHI")
_LEADER = struct.Struct(">HHQIIIIIHH")
_TRAILER = struct.Struct(">HHI")


class PacketFormat(IntEnum):
    """Low 4 bits of the format byte."""

    LEADER = 1
    TRAILER = 2
    PAYLOAD = 3


def datagram_bytes(packet_size_bytes: int) -> int:
    """UDP payload of a full packet of this SCPS packet size."""
    return packet_size_bytes - IP_UDP_BYTES


def data_bytes(packet_size_bytes: int) -> int:
    """Image bytes in a full packet of this SCPS packet size: 1464 at 1500."""
    return packet_size_bytes - IP_UDP_BYTES - HEADER_BYTES


def packet_count(payload_bytes: int, packet_size_bytes: int) -> int:
    """Payload packets of a frame, leader and trailer not counted."""
    return -(-payload_bytes // data_bytes(packet_size_bytes))


def block_id_of(frame_id: int) -> int:
    """Block id of a frame: 1 to 65535 and again from 1, never 0.

    >>> block_id_of(1), block_id_of(65535), block_id_of(65536)
    (1, 65535, 1)
    """
    return (frame_id - 1) % LAST_BLOCK_ID + 1


@dataclass(frozen=True, slots=True)
class PacketHeader:
    """The 8 bytes that begin every packet."""

    block_id: int
    format: int
    packet_id: int
    status: int = 0

    def pack(self) -> bytes:
        """Give the bytes of the header."""
        return _HEADER.pack(self.status, self.block_id, self.format << 24 | self.packet_id)

    @classmethod
    def unpack(cls, data: bytes) -> PacketHeader:
        """Read the header of a datagram; raises `RemoteProtocolError`."""
        if len(data) < _HEADER.size:
            raise RemoteProtocolError(f"GVSP packet of {len(data)} bytes is shorter than its 8-byte header")
        status, block_id, word = _HEADER.unpack_from(data)
        return cls(block_id, word >> 24, word & 0xFF_FFFF, status)


@dataclass(frozen=True, slots=True)
class ImageLeader:
    """What a leader says of the image that follows."""

    timestamp_ticks: int
    pixel_format: int
    """PFNC code."""
    width: int
    height: int
    offset_x: int = 0
    offset_y: int = 0
    padding_x: int = 0
    padding_y: int = 0

    def pack(self, block_id: int) -> bytes:
        """Give the whole packet."""
        header = PacketHeader(block_id, PacketFormat.LEADER, 0).pack()
        size = (self.width, self.height, self.offset_x, self.offset_y, self.padding_x, self.padding_y)
        return header + _LEADER.pack(0, PAYLOAD_TYPE_IMAGE, self.timestamp_ticks, self.pixel_format, *size)

    @classmethod
    def unpack(cls, data: bytes) -> ImageLeader:
        """Read a whole leader packet; raises `RemoteProtocolError`, also for what is no image."""
        if len(data) < HEADER_BYTES + _LEADER.size:
            raise RemoteProtocolError(f"GVSP leader of {len(data)} bytes is shorter than an image leader's 44")
        _, payload_type, *fields = _LEADER.unpack_from(data, HEADER_BYTES)
        # Bit 14 says that chunks follow the image; the image itself is laid out the same.
        if payload_type & ~0x4000 != PAYLOAD_TYPE_IMAGE:
            raise RemoteProtocolError(f"GVSP payload type 0x{payload_type:04x} is no image")
        return cls(*fields)


@dataclass(frozen=True, slots=True)
class ImageTrailer:
    """The end of an image."""

    height: int

    def pack(self, block_id: int, packet_id: int) -> bytes:
        """Give the whole packet; its packet id is that of the last payload packet plus 1."""
        header = PacketHeader(block_id, PacketFormat.TRAILER, packet_id).pack()
        return header + _TRAILER.pack(0, PAYLOAD_TYPE_IMAGE, self.height)

    @classmethod
    def unpack(cls, data: bytes) -> ImageTrailer:
        """Read a whole trailer packet; raises `RemoteProtocolError`."""
        if len(data) < HEADER_BYTES + _TRAILER.size:
            raise RemoteProtocolError(f"GVSP trailer of {len(data)} bytes is shorter than 16")
        return cls(_TRAILER.unpack_from(data, HEADER_BYTES)[2])


class PayloadPackets:
    """The payload packets of one frame as an array, one packet a row, ready for the kernel to send in batches.

    >>> packets = PayloadPackets(payload_bytes=3000, packet_size_bytes=1500)
    >>> packets.fill(np.arange(3000, dtype=np.uint8), block_id=7)
    >>> [len(batch) for batch in packets.batches(2)]
    [2944, 80]

    `rows` has shape (n, packet size - 28); rows lie one behind the other, so a run of rows is one buffer that
    UDP_SEGMENT cuts into datagrams. Frames of one size reuse the array: only block id and pixels change.
    """

    def __init__(self, payload_bytes: int, packet_size_bytes: int) -> None:
        self.payload_bytes = payload_bytes
        self.packet_size_bytes = packet_size_bytes
        self._data_bytes = data_bytes(packet_size_bytes)
        count = packet_count(payload_bytes, packet_size_bytes)
        self.rows = np.zeros((count, datagram_bytes(packet_size_bytes)), np.uint8)
        words = np.arange(1, count + 1, dtype=">u4") | (PacketFormat.PAYLOAD << 24)
        self.rows[:, 4:8] = words.astype(">u4").view(np.uint8).reshape(count, 4)
        self._bytes = self.rows.reshape(-1)[: payload_bytes + HEADER_BYTES * count].data

    def fill(self, payload: npt.NDArray[np.uint8], block_id: int) -> None:
        """Take the flat bytes of a frame, of exactly `payload_bytes`, under a block id."""
        full = self.payload_bytes // self._data_bytes
        self.rows[:, 2:4] = (block_id >> 8, block_id & 0xFF)
        self.rows[:full, HEADER_BYTES:] = payload[: full * self._data_bytes].reshape(full, self._data_bytes)
        rest = payload[full * self._data_bytes :]
        if rest.size:
            self.rows[full, HEADER_BYTES : HEADER_BYTES + rest.size] = rest

    def batches(self, packets_a_batch: int) -> list[memoryview]:
        """Cut the packets into buffers of this many whole datagrams; only the last datagram of all may be short."""
        step = packets_a_batch * self.rows.shape[1]
        return [self._bytes[start : start + step] for start in range(0, len(self._bytes), step)]
