"""Chunks: what is known about a frame, sent behind its image. Their ids and layouts, and how they follow each other.

As Aravis' arvbuffer.c reads them, a payload is data, u32 id, u32 length, data, u32 id, u32 length..., big-endian,
scanned from its end; the image is the first chunk. Ids are ours: other makers have others, and clients take them from
the camera's XML.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from heliograph.core import FeatureKind

IMAGE_ID = 1

_END = struct.Struct(">II")
_WORD_BYTES = 4


@dataclass(frozen=True, slots=True)
class Chunk:
    """One number that travels with a frame."""

    name: str
    """Entry of ChunkSelector; the feature that shows the value has this name after `Chunk`."""
    id: int
    kind: FeatureKind
    unit: str
    description: str

    @property
    def layout(self) -> struct.Struct:
        """How the number is packed: 8 bytes, big-endian."""
        return struct.Struct(">d" if self.kind is FeatureKind.FLOAT else ">Q")


CHUNKS = (
    Chunk("Timestamp", 2, FeatureKind.INTEGER, "ns", "Start of exposure of the first row, CLOCK_BOOTTIME."),
    Chunk("ExposureTime", 3, FeatureKind.FLOAT, "us", "Time for which each row collected light."),
    Chunk("Gain", 4, FeatureKind.FLOAT, "dB", "Amplification."),
    Chunk("FrameID", 5, FeatureKind.INTEGER, "", "Number of the frame since acquisition started, from 1."),
    Chunk("WallTime", 6, FeatureKind.INTEGER, "ns", "Timestamp as CLOCK_REALTIME, since 1970; it may step."),
    Chunk(
        "LineTime", 7, FeatureKind.INTEGER, "ns", "From the start of one row to that of the next; 0: global shutter."
    ),
    Chunk("DeviceTemperature", 8, FeatureKind.FLOAT, "C", "Temperature of the sensor or its board."),
)
"""All chunks of our cameras but the image, in the order in which they follow it."""


def pack_tail(image_bytes: int, values: Mapping[Chunk, float]) -> bytes:
    """Give what follows the image: zeros up to a whole word, the image's own id and length, and a chunk for each value.

    >>> pack_tail(6, {CHUNKS[0]: 3}).hex(" ", 4)
    '0000 00000001 00000008 00000000 00000003 00000002 00000008'
    """
    fill_bytes = -image_bytes % _WORD_BYTES
    parts = [bytes(fill_bytes), _END.pack(IMAGE_ID, image_bytes + fill_bytes)]
    for chunk, value in values.items():
        parts += [chunk.layout.pack(value), _END.pack(chunk.id, chunk.layout.size)]
    return b"".join(parts)


def tail_bytes(image_bytes: int, chunks: Collection[Chunk]) -> int:
    """Give the most bytes that follow an image with these chunks."""
    ends = _END.size * (1 + len(chunks))
    return -image_bytes % _WORD_BYTES + ends + sum(chunk.layout.size for chunk in chunks)


def layout_id(chunks: Collection[Chunk]) -> int:
    """Give a number that is another one for other chunks: a bit for each."""
    return sum(1 << chunk.id for chunk in chunks)
