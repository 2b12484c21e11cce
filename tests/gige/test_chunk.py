"""Chunks as bytes, put together by hand from what Aravis' arvbuffer.c reads."""

import math
import struct

from hypothesis import given
from hypothesis import strategies as st

from heliograph.core import FeatureKind
from heliograph.gige.chunk import CHUNKS, IMAGE_ID, Chunk, layout_id, pack_tail, tail_bytes


def test_golden_bytes() -> None:
    timestamp, exposure, *_ = CHUNKS
    tail = pack_tail(307_200, {timestamp: 0x0102030405060708, exposure: 2000.0})
    assert tail == bytes.fromhex(
        "00000001 0004b000"  # the image: id and length
        "0102030405060708 00000002 00000008"
        "409f400000000000 00000003 00000008"
    )


def test_ids_and_names_are_there_once() -> None:
    assert len({chunk.id for chunk in CHUNKS} | {IMAGE_ID}) == len(CHUNKS) + 1
    assert len({chunk.name for chunk in CHUNKS}) == len(CHUNKS)
    assert all(0 < chunk.id < 32 for chunk in CHUNKS), "a layout id has 32 bits"


@given(st.integers(1, 10_000), st.sets(st.sampled_from(CHUNKS)), st.integers(0, 2**63))
def test_scanned_from_the_end_every_chunk_comes_out(image_bytes: int, chosen: set[Chunk], number: int) -> None:
    values = {
        chunk: math.sqrt(number) if chunk.kind is FeatureKind.FLOAT else number for chunk in CHUNKS if chunk in chosen
    }
    payload = bytes(image_bytes) + pack_tail(image_bytes, values)
    assert len(payload) == image_bytes + tail_bytes(image_bytes, chosen)
    assert len(payload) % 4 == 0
    end, found = len(payload), {}
    while end:
        chunk_id, length = struct.unpack(">II", payload[end - 8 : end])
        found[chunk_id] = payload[end - 8 - length : end - 8]
        end -= 8 + length
    assert len(found.pop(IMAGE_ID)) - image_bytes in range(4)
    assert {chunk: chunk.layout.unpack(found.pop(chunk.id))[0] for chunk in values} == values
    assert not found


def test_every_choice_of_chunks_is_a_layout_of_its_own() -> None:
    layouts = {layout_id([chunk for bit, chunk in enumerate(CHUNKS) if mask >> bit & 1]) for mask in range(1 << 7)}
    assert len(layouts) == 1 << len(CHUNKS)
