"""GVSP packets of an image: leader, payload, trailer, with the standard or the extended header.

Layout as Wireshark's packet-gvsp.c and Aravis' arvgvspprivate.h have it, all big-endian. A standard header is status
u16, block id u16, format u8 and packet id u24; an extended one is status u16, flags u16, 0x80 + format u8, 0 u24, block
id u64 and packet id u32. The leader is packet 0, payload packets are 1 to n and the trailer is n + 1. Every payload
packet but the last is full, so packet k carries the bytes from (k - 1) * `data_bytes(packet size)` on.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from heliograph.core import RemoteProtocolError

HEADER_BYTES = 8
EXTENDED_HEADER_BYTES = 20
IP_UDP_BYTES = 28
"""IP and UDP headers, which the packet size of register SCPS includes."""
LAST_BLOCK_ID = 0xFFFF
LAST_EXTENDED_BLOCK_ID = 0xFFFF_FFFF_FFFF_FFFF
PAYLOAD_TYPE_IMAGE = 1
WITH_CHUNKS = 0x4000
"""Bit of the payload type that says that chunks follow the image; the image itself is laid out the same."""
RESENT = 0x0100
"""Status of a packet that was asked for again."""

Bytes: TypeAlias = npt.NDArray[np.uint8]

_EXTENDED = 0x80
_RESENT_FLAG = 1
_HEADER = struct.Struct(">HHI")
_EXTENDED_HEADER = struct.Struct(">HHIQI")
_LEADER = struct.Struct(">HHQIIIIIHH")
_TRAILER = struct.Struct(">HHI")
_CHUNK_TRAILER = struct.Struct(">HHIII")


class PacketFormat(IntEnum):
    """Low 4 bits of the format byte."""

    LEADER = 1
    TRAILER = 2
    PAYLOAD = 3


def header_bytes(*, extended: bool = False) -> int:
    """Bytes of the header that begins every packet."""
    return EXTENDED_HEADER_BYTES if extended else HEADER_BYTES


def datagram_bytes(packet_size_bytes: int) -> int:
    """UDP payload of a full packet of this SCPS packet size."""
    return packet_size_bytes - IP_UDP_BYTES


def data_bytes(packet_size_bytes: int, *, extended: bool = False) -> int:
    """Image bytes in a full packet of this SCPS packet size: 1464 at 1500, 1452 with extended headers."""
    return packet_size_bytes - IP_UDP_BYTES - header_bytes(extended=extended)


def packet_count(payload_bytes: int, packet_size_bytes: int, *, extended: bool = False) -> int:
    """Payload packets of a frame, leader and trailer not counted."""
    return -(-payload_bytes // data_bytes(packet_size_bytes, extended=extended))


def block_id_of(frame_id: int, *, extended: bool = False) -> int:
    """Block id of a frame: 1 to 65535 and again from 1, never 0; extended ids have 64 bits.

    >>> block_id_of(1), block_id_of(65535), block_id_of(65536), block_id_of(65536, extended=True)
    (1, 65535, 1, 65536)
    """
    last = LAST_EXTENDED_BLOCK_ID if extended else LAST_BLOCK_ID
    return (frame_id - 1) % last + 1


@dataclass(frozen=True, slots=True)
class PacketHeader:
    """The 8 or 20 bytes that begin every packet."""

    block_id: int
    format: int
    packet_id: int
    status: int = 0
    extended: bool = False

    def pack(self) -> bytes:
        """Give the bytes of the header."""
        if not self.extended:
            return _HEADER.pack(self.status, self.block_id, self.format << 24 | self.packet_id)
        flags = _RESENT_FLAG if self.status == RESENT else 0
        return _EXTENDED_HEADER.pack(self.status, flags, (_EXTENDED | self.format) << 24, self.block_id, self.packet_id)

    @classmethod
    def unpack(cls, data: bytes) -> PacketHeader:
        """Read the header of a datagram, of either kind; raises `RemoteProtocolError`."""
        if len(data) < _HEADER.size:
            raise RemoteProtocolError(f"GVSP packet of {len(data)} bytes is shorter than its 8-byte header")
        status, block_id, word = _HEADER.unpack_from(data)
        if not word & _EXTENDED << 24:
            return cls(block_id, word >> 24, word & 0xFF_FFFF, status)
        if len(data) < _EXTENDED_HEADER.size:
            raise RemoteProtocolError(f"GVSP packet of {len(data)} bytes is shorter than its extended 20-byte header")
        status, _, word, block_id, packet_id = _EXTENDED_HEADER.unpack_from(data)
        return cls(block_id, word >> 24 & ~_EXTENDED, packet_id, status, extended=True)


def _body(data: bytes, size: int, what: str) -> int:
    """Give where the body of a packet begins; raises `RemoteProtocolError` when it is not whole."""
    start = header_bytes(extended=PacketHeader.unpack(data).extended)
    if len(data) < start + size:
        raise RemoteProtocolError(f"GVSP {what} of {len(data)} bytes is shorter than {start + size}")
    return start


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
    chunks: bool = False
    """True when chunks follow the image."""

    def pack(self, block_id: int, *, extended: bool = False) -> bytes:
        """Give the whole packet."""
        header = PacketHeader(block_id, PacketFormat.LEADER, 0, extended=extended).pack()
        payload_type = PAYLOAD_TYPE_IMAGE | (WITH_CHUNKS if self.chunks else 0)
        size = (self.width, self.height, self.offset_x, self.offset_y, self.padding_x, self.padding_y)
        return header + _LEADER.pack(0, payload_type, self.timestamp_ticks, self.pixel_format, *size)

    @classmethod
    def unpack(cls, data: bytes) -> ImageLeader:
        """Read a whole leader packet; raises `RemoteProtocolError`, also for what is no image."""
        start = _body(data, _LEADER.size, "leader")
        _, payload_type, *fields = _LEADER.unpack_from(data, start)
        if payload_type & ~WITH_CHUNKS != PAYLOAD_TYPE_IMAGE:
            raise RemoteProtocolError(f"GVSP payload type 0x{payload_type:04x} is no image")
        return cls(*[*fields, bool(payload_type & WITH_CHUNKS)])


@dataclass(frozen=True, slots=True)
class ImageTrailer:
    """The end of an image."""

    height: int
    chunk_bytes: int = 0
    """Bytes of a payload with chunks, the image among them; 0 without chunks."""
    chunk_layout: int = 0
    """Number that is another one whenever chunks are laid out differently."""

    def pack(self, block_id: int, packet_id: int, *, extended: bool = False) -> bytes:
        """Give the whole packet; its packet id is that of the last payload packet plus 1."""
        header = PacketHeader(block_id, PacketFormat.TRAILER, packet_id, extended=extended).pack()
        if not self.chunk_bytes:
            return header + _TRAILER.pack(0, PAYLOAD_TYPE_IMAGE, self.height)
        payload_type = PAYLOAD_TYPE_IMAGE | WITH_CHUNKS
        return header + _CHUNK_TRAILER.pack(0, payload_type, self.height, self.chunk_bytes, self.chunk_layout)

    @classmethod
    def unpack(cls, data: bytes) -> ImageTrailer:
        """Read a whole trailer packet; raises `RemoteProtocolError`."""
        start = _body(data, _TRAILER.size, "trailer")
        _, payload_type, height = _TRAILER.unpack_from(data, start)
        if not payload_type & WITH_CHUNKS:
            return cls(height)
        _body(data, _CHUNK_TRAILER.size, "trailer with chunks")
        return cls(*_CHUNK_TRAILER.unpack_from(data, start)[2:])


@dataclass(frozen=True, slots=True)
class PacketRun:
    """Packets that follow one another, as the pieces of memory that they are made of."""

    address: int
    """Where an array of struct iovec (POSIX sys/uio.h) begins: two for each packet, its header and its data."""
    count: int
    """Number of packets; all are full, but for the last one of a frame."""
    size_bytes: int
    """UDP payload of all of them."""
    memory: tuple[npt.NDArray[Any], ...]
    """The array and what its pieces are part of, held so that it stays."""


class PayloadPackets:
    """The payload packets of one frame: headers of their own, and the frame's bytes where they lie.

    >>> packets = PayloadPackets(payload_bytes=3000, packet_size_bytes=1500)
    >>> packets.fill(np.arange(3000, dtype=np.uint8), block_id=7)
    >>> [(run.count, run.size_bytes) for run in packets.runs(2)]
    [(2, 2944), (1, 80)]

    Frames of up to `payload_bytes` reuse the headers: only block id and addresses change. The image is held until the
    next one, and must not change meanwhile.
    """

    def __init__(self, payload_bytes: int, packet_size_bytes: int, *, extended: bool = False) -> None:
        self.count = 0
        """Packets of the frame."""
        self._extended = extended
        self._head_bytes = header_bytes(extended=extended)
        self._data_bytes = data_bytes(packet_size_bytes, extended=extended)
        capacity = packet_count(payload_bytes, packet_size_bytes, extended=extended)
        self._heads = np.zeros((capacity, self._head_bytes), np.uint8)
        self._number_heads()
        self._steps = np.arange(capacity, dtype=np.uintp)
        # Address and length, of the header and of the data.
        self._pieces = np.zeros((capacity, 2, 2), np.uintp)
        self._pieces[:, 0] = self._head_pieces(self._heads)
        self._image: Bytes = np.empty(0, np.uint8)
        self._rest: Bytes = np.empty(0, np.uint8)
        self._size_bytes = 0

    def fill(self, image: Bytes, block_id: int, tail: bytes = b"") -> None:
        """Take the flat bytes of an image and what follows it, under a block id."""
        whole = image.size // self._data_bytes
        self._image = image
        self._rest = np.concatenate([image[whole * self._data_bytes :], np.frombuffer(tail, np.uint8)])
        self.count = whole - (-self._rest.size // self._data_bytes)
        self._size_bytes = image.size + len(tail) + self.count * self._head_bytes
        data = self._pieces[: self.count, 1]
        data[:, 1] = self._data_bytes
        data[:whole, 0] = image.ctypes.data + self._steps[:whole] * self._data_bytes
        data[whole:, 0] = self._rest.ctypes.data + self._steps[: self.count - whole] * self._data_bytes
        if self.count > whole:
            data[-1, 1] = self._rest.size - (self.count - whole - 1) * self._data_bytes
        first, width = (8, 8) if self._extended else (2, 2)
        self._heads[: self.count, first : first + width] = np.frombuffer(block_id.to_bytes(width, "big"), np.uint8)

    def runs(self, packets_a_run: int) -> Iterator[PacketRun]:
        """Give all packets in order, this many at a time."""
        address, memory = self._pieces.ctypes.data, (self._pieces, self._heads, self._image, self._rest)
        for start in range(0, self.count, packets_a_run):
            end = min(start + packets_a_run, self.count)
            at = address + start * self._pieces.strides[0]
            yield PacketRun(at, end - start, self._bytes_between(start, end), memory)

    def again(self, first: int, last: int) -> PacketRun:
        """Give packets `first` to `last` marked as resent, with headers of their own."""
        heads = self._heads[first - 1 : last].copy()
        heads[:, 0] = RESENT >> 8
        if self._extended:
            heads[:, 3] = _RESENT_FLAG
        pieces = self._pieces[first - 1 : last].copy()
        pieces[:, 0] = self._head_pieces(heads)
        memory = (pieces, heads, self._image, self._rest)
        return PacketRun(pieces.ctypes.data, len(pieces), self._bytes_between(first - 1, last), memory)

    def _bytes_between(self, start: int, end: int) -> int:
        full = self._head_bytes + self._data_bytes
        return min(end * full, self._size_bytes) - start * full

    def _head_pieces(self, heads: Bytes) -> npt.NDArray[np.uintp]:
        addresses = heads.ctypes.data + np.arange(len(heads), dtype=np.uintp) * self._head_bytes
        return np.stack([addresses, np.full(len(heads), self._head_bytes, np.uintp)], axis=1)

    def _number_heads(self) -> None:
        """Write what all frames have in common: format and packet id."""
        ids = np.arange(1, len(self._heads) + 1, dtype=">u4")
        if self._extended:
            self._heads[:, 4] = _EXTENDED | PacketFormat.PAYLOAD
            self._heads[:, 16:20] = ids.view(np.uint8).reshape(-1, 4)
        else:
            words = (ids | (PacketFormat.PAYLOAD << 24)).astype(">u4")
            self._heads[:, 4:8] = words.view(np.uint8).reshape(-1, 4)
