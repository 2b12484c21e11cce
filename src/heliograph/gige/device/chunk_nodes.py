"""What travels with a frame, as features that GenApi fills when a frame's payload is attached to the node map."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from heliograph.core import Access, FeatureKind, Visibility
from heliograph.gige.chunk import CHUNKS, Chunk
from heliograph.gige.device.element import child, common, locate


def chunk_features(group: ET.Element, categories: dict[str, list[str]]) -> None:
    """Add a feature for the value of every chunk, and list them by category."""
    listed = categories.setdefault("ChunkDataControl", [])
    for chunk in CHUNKS:
        name = _feature(chunk)
        node = ET.SubElement(group, chunk.kind.value, Name=name, NameSpace="Standard")
        common(node, chunk.description, Visibility.EXPERT)
        child(node, "pValue", f"{name}__Value")
        if chunk.unit:
            child(node, "Unit", chunk.unit)
        listed.append(name)
        is_float = chunk.kind is FeatureKind.FLOAT
        register = ET.SubElement(group, "FloatReg" if is_float else "IntReg", Name=f"{name}__Value")
        locate(register, 0, chunk.layout.size, Access.READ_ONLY, port=_port(chunk))
        if not is_float:
            child(register, "Sign", "Unsigned")
        child(register, "Endianess", "BigEndian")


def chunk_ports(root: ET.Element) -> None:
    """Add the port of every chunk."""
    for chunk in CHUNKS:
        port = ET.SubElement(root, "Port", Name=_port(chunk), NameSpace="Standard")
        # All 8 digits: GenApi finds no chunk whose id is written with fewer.
        child(port, "ChunkID", f"{chunk.id:08X}")


def _feature(chunk: Chunk) -> str:
    return f"Chunk{chunk.name}"


def _port(chunk: Chunk) -> str:
    return f"{_feature(chunk)}__Port"
