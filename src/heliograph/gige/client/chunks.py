"""What a camera sends behind an image: where each value lies, by the camera's own XML, and the values of a frame.

As Aravis' arvbuffer.c reads them, a payload is data, u32 id, u32 length, data, u32 id, u32 length and so on, all
big-endian, and is scanned from its end. In the XML a Port with a ChunkID stands for the data of a chunk, and registers
on that port for values in it.
"""

from __future__ import annotations

import math
import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt

_END = struct.Struct(">II")
_FLOATS = {4: "f", 8: "d"}
_MOST_CHUNKS = 64
# What a frame says of itself must fit the ring's message, whatever the XML and the camera say.
_MOST_FIELDS = 32
_LONGEST_NAME = 64
_LONGEST_STRING_BYTES = 64
_LARGEST_OFFSET = 65_536


class ChunkKind(StrEnum):
    """How a value is written."""

    INTEGER = "integer"
    FLOAT = "float"
    STRING = "string"


_KINDS = {
    "IntReg": ChunkKind.INTEGER,
    "MaskedIntReg": ChunkKind.INTEGER,
    "StructEntry": ChunkKind.INTEGER,
    "FloatReg": ChunkKind.FLOAT,
    "StringReg": ChunkKind.STRING,
}
# Features that show the value of another node as it is, and nodes that calculate with it.
_SHOWING = ("Integer", "Float", "Enumeration", "Boolean", "String")
_CALCULATING = ("Converter", "IntConverter", "SwissKnife", "IntSwissKnife")


@dataclass(frozen=True, slots=True)
class ChunkField:
    """Where the value of one feature lies."""

    feature: str
    chunk_id: int
    offset: int
    length_bytes: int
    kind: ChunkKind
    big_endian: bool
    signed: bool = False
    bits: tuple[int, int] | None = None
    """Lowest and highest bit of an integer that is a part of its register, counted from the least significant."""

    def read(self, chunk: bytes) -> int | float | str | None:
        """Give the value from the data of its chunk; None when the chunk is too short or the value is no number."""
        data = chunk[self.offset : self.offset + self.length_bytes]
        if len(data) < self.length_bytes:
            return None
        if self.kind == ChunkKind.STRING:
            return data.split(b"\0", 1)[0].decode("utf-8", "replace")
        if self.kind == ChunkKind.FLOAT:
            value: float = struct.unpack((">" if self.big_endian else "<") + _FLOATS[self.length_bytes], data)[0]
            return value if math.isfinite(value) else None
        number = int.from_bytes(data, "big" if self.big_endian else "little")
        low, high = self.bits or (0, 8 * self.length_bytes - 1)
        number = number >> low & (1 << (high - low + 1)) - 1
        return number - (1 << (high - low + 1)) if self.signed and number >> (high - low) else number


def chunk_fields(xml: str) -> list[ChunkField]:
    """Find the values that a camera's XML lets travel with its frames, 32 at most; none in what is no XML.

    A value that the XML calculates by a formula, or whose place is no constant, is left out.
    """
    try:
        root = ElementTree.fromstring(xml)
    except (ElementTree.ParseError, ValueError, LookupError):  # the last two for encodings that nobody knows
        return []
    nodes = [node for node in root.iter() if "Name" in node.attrib]
    shown_by: dict[str, list[ElementTree.Element]] = defaultdict(list)
    for node in nodes:
        shown_by[_text(node, "pValue")].append(node)
    ports = {node.attrib["Name"]: _text(node, "ChunkID") for node in nodes if _kind(node) == "Port"}
    fields = []
    for register, details in _registers(root):
        name = _shown_name(register.attrib["Name"], shown_by)
        if name and ports.get(_text(details, "pPort")):
            try:
                fields.append(_field(name, int(ports[_text(details, "pPort")], 16), register, details))
            except ValueError:
                continue
    return fields[:_MOST_FIELDS]


class ChunkReader:
    """Gives the values of a frame's chunks by feature name, and counts what is no chunk."""

    def __init__(self, fields: Iterable[ChunkField]) -> None:
        self._fields = tuple(fields)
        self.malformed = 0
        """Frames whose chunks do not follow each other, or do not hold what the XML says."""

    def values(self, payload: npt.NDArray[np.uint8], image_bytes: int) -> dict[str, int | float | str]:
        """Read what follows the first `image_bytes` of a payload."""
        chunks = self._chunks(payload, image_bytes)
        values, whole = {}, chunks is not None
        for field in self._fields:
            chunk = (chunks or {}).get(field.chunk_id)
            value = None if chunk is None else field.read(chunk)
            if value is not None:
                values[field.feature] = value
        self.malformed += not whole
        return values

    def _chunks(self, payload: npt.NDArray[np.uint8], image_bytes: int) -> dict[int, bytes] | None:
        chunks: dict[int, bytes] = {}
        end = len(payload)
        for _ in range(_MOST_CHUNKS):
            if end < image_bytes + _END.size:
                return None
            chunk_id, length = _END.unpack(payload[end - _END.size : end].tobytes())
            start = end - _END.size - length
            if start < 0:
                return None
            if start < image_bytes:
                return chunks  # the image itself, which is the first
            chunks[chunk_id] = payload[start : end - _END.size].tobytes()
            end = start
        return None


def _field(name: str, chunk_id: int, register: ElementTree.Element, details: ElementTree.Element) -> ChunkField:
    """Read where a register lies; raises `ValueError` for one that lies nowhere in particular."""
    if any(details.find(f"{{*}}{tag}") is not None for tag in ("pAddress", "pIndex", "IntSwissKnife", "pLength")):
        raise ValueError("its place is calculated")
    offset = sum(int(address.text or "", 0) for address in details.iterfind("{*}Address"))
    length_bytes = int(_text(details, "Length"), 0)
    kind = _KINDS[_kind(register)]
    possible: Sequence[int] = {
        ChunkKind.FLOAT: list(_FLOATS),
        ChunkKind.INTEGER: range(1, 9),
        ChunkKind.STRING: range(1, _LONGEST_STRING_BYTES + 1),
    }[kind]
    if length_bytes not in possible or not 0 <= offset <= _LARGEST_OFFSET or len(name) > _LONGEST_NAME:
        raise ValueError("no such register")
    big_endian = _text(details, "Endianess") == "BigEndian"
    signed = "Signed" in (_text(register, "Sign"), _text(details, "Sign"))
    return ChunkField(
        name, chunk_id, offset, length_bytes, kind, big_endian, signed, _bits(register, 8 * length_bytes, big_endian)
    )


def _bits(register: ElementTree.Element, width: int, big_endian: bool) -> tuple[int, int] | None:
    """Give the lowest and highest bit; GenApi counts those of a big-endian register from the most significant."""
    single = _text(register, "Bit")
    ends = (single, single) if single else (_text(register, "LSB"), _text(register, "MSB"))
    if not all(ends):
        return None
    numbers = sorted(width - 1 - int(end, 0) if big_endian else int(end, 0) for end in ends)
    if not 0 <= numbers[0] <= numbers[1] < width:
        raise ValueError("bits outside their register")
    return numbers[0], numbers[1]


def _registers(root: ElementTree.Element) -> Iterator[tuple[ElementTree.Element, ElementTree.Element]]:
    """Give registers, each with the node that says where it lies."""
    for node in root.iter():
        if _kind(node) == "StructReg":
            for entry in node.iterfind("{*}StructEntry[@Name]"):
                yield entry, node
        elif _kind(node) in _KINDS and _kind(node) != "StructEntry" and "Name" in node.attrib:
            yield node, node


def _shown_name(register: str, shown_by: dict[str, list[ElementTree.Element]]) -> str:
    """Give the name under which users know a register; none when its number means something only to a formula."""
    name = register
    for _ in range(4):
        showing = [node.attrib["Name"] for node in shown_by[name] if _kind(node) in _SHOWING]
        if not showing:
            return "" if any(_kind(node) in _CALCULATING for node in shown_by[name]) else name
        name = showing[0]
    return name


def _text(node: ElementTree.Element, tag: str) -> str:
    return (node.findtext(f"{{*}}{tag}") or "").strip()


def _kind(node: ElementTree.Element) -> str:
    return str(node.tag).rpartition("}")[2]
