"""EMVA's GenApi finds our chunks in a frame's payload, by our XML alone."""

import math
from typing import Any

import pytest
from genicam import genapi

from heliograph.core import FeatureKind
from heliograph.gige.chunk import CHUNKS, Chunk, pack_tail
from heliograph.gige.device.identity import DeviceIdentity
from heliograph.gige.device.transport_nodes import bootstrap_nodes
from heliograph.gige.device.xml import device_xml

IDENTITY = DeviceIdentity("Heliograph", "pattern", "1", "for tests", "SN42", 0x02AABBCCDDEE, "127.1.2.3", "255.0.0.0")


@pytest.fixture(scope="module")
def nodes() -> Any:
    nodes = genapi.NodeMap()
    nodes.load_xml_from_string(device_xml(IDENTITY, bootstrap_nodes(9000), []).decode())
    return nodes


def values_of(nodes: Any, payload: bytes) -> dict[str, Any]:
    """Give what GenApi reads from a payload; what it has no chunk for is left out."""
    # Its wrapper class is never let go, and detaches itself again when the interpreter ends.
    adapter = genapi._ChunkAdapterGEV(pNodeMap=nodes.pointer, MaxChunkCacheSize=-1)
    assert adapter.check_buffer_layout(payload, len(payload))
    adapter.attach_buffer(payload, len(payload), None)
    features = {chunk.name: nodes.get_node(f"Chunk{chunk.name}") for chunk in CHUNKS}
    values = {name: node.value for name, node in features.items() if genapi.is_readable(node)}
    adapter.detach_buffer()
    adapter.detach_node_map()
    return values


def example(chunk: Chunk) -> float:
    return -math.e * chunk.id if chunk.kind is FeatureKind.FLOAT else (1 << 62) + chunk.id


@pytest.mark.parametrize("image_bytes", [307_200, 6_001, 3])
def test_every_value_is_read(nodes: Any, image_bytes: int) -> None:
    values = {chunk: example(chunk) for chunk in CHUNKS}
    read = values_of(nodes, bytes(image_bytes) + pack_tail(image_bytes, values))
    assert read == {chunk.name: value for chunk, value in values.items()}


def test_a_value_that_is_not_known_is_not_there(nodes: Any) -> None:
    values = {chunk: example(chunk) for chunk in CHUNKS[::2]}
    read = values_of(nodes, bytes(100) + pack_tail(100, values))
    assert read == {chunk.name: value for chunk, value in values.items()}
