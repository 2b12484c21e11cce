"""Chunks of any maker's camera: places from its XML, values from its frames, and nothing from garbage."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.gige.chunk import CHUNKS, pack_tail
from heliograph.gige.client.chunks import ChunkField, ChunkKind, ChunkReader, chunk_fields

XML = """<?xml version="1.0" encoding="utf-8"?>
<RegisterDescription xmlns="http://www.genicam.org/GenApi/Version_1_1">
  <Port Name="Device"/>
  <Port Name="TimePort"><ChunkID>a5a50101</ChunkID></Port>
  <Port Name="LinePort"><ChunkID>A5A50102</ChunkID></Port>
  <Integer Name="ChunkTimestamp"><pValue>ChunkTimestampReg</pValue></Integer>
  <IntReg Name="ChunkTimestampReg">
    <Address>0x0</Address><Length>8</Length><AccessMode>RO</AccessMode><pPort>TimePort</pPort>
    <Endianess>BigEndian</Endianess>
  </IntReg>
  <Float Name="ChunkExposureTime"><pValue>ChunkExposureTimeReg</pValue></Float>
  <FloatReg Name="ChunkExposureTimeReg">
    <Address>0x8</Address><Address>0x4</Address><Length>4</Length><pPort>TimePort</pPort>
  </FloatReg>
  <MaskedIntReg Name="ChunkLineStatus">
    <Address>0</Address><Length>4</Length><pPort>LinePort</pPort><LSB>7</LSB><MSB>4</MSB>
    <Sign>Signed</Sign><Endianess>LittleEndian</Endianess>
  </MaskedIntReg>
  <StructReg Comment="counters">
    <Address>4</Address><Length>4</Length><pPort>LinePort</pPort><Endianess>BigEndian</Endianess>
    <StructEntry Name="ChunkCounter"><LSB>15</LSB><MSB>0</MSB></StructEntry>
    <StructEntry Name="ChunkFlag"><Bit>31</Bit></StructEntry>
  </StructReg>
  <StringReg Name="ChunkLabel"><Address>8</Address><Length>6</Length><pPort>LinePort</pPort></StringReg>
  <Float Name="ChunkGain"><pValue>GainConverter</pValue></Float>
  <Converter Name="GainConverter"><pValue>ChunkGainReg</pValue></Converter>
  <IntReg Name="ChunkGainReg"><Address>0</Address><Length>4</Length><pPort>LinePort</pPort></IntReg>
  <IntReg Name="ChunkMoving"><pAddress>Where</pAddress><Length>4</Length><pPort>LinePort</pPort></IntReg>
  <IntReg Name="ChunkHuge"><Address>0</Address><Length>999</Length><pPort>LinePort</pPort></IntReg>
  <IntReg Name="Width"><Address>0x100</Address><Length>4</Length><pPort>Device</pPort></IntReg>
</RegisterDescription>
"""


def payload(image: bytes, *chunks: tuple[int, bytes]) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    parts = [data + struct.pack(">II", chunk_id, len(data)) for chunk_id, data in ((1, image), *chunks)]
    return np.frombuffer(b"".join(parts), np.uint8)


def test_the_places_of_values_come_from_the_cameras_xml() -> None:
    fields = {field.feature: field for field in chunk_fields(XML)}
    assert set(fields) == {
        "ChunkTimestamp",
        "ChunkExposureTime",
        "ChunkLineStatus",
        "ChunkCounter",
        "ChunkFlag",
        "ChunkLabel",
    }
    assert fields["ChunkTimestamp"] == ChunkField("ChunkTimestamp", 0xA5A50101, 0, 8, ChunkKind.INTEGER, True)
    assert fields["ChunkExposureTime"].offset == 12
    assert fields["ChunkCounter"].bits == (16, 31)


def test_values_are_read_as_the_xml_says() -> None:
    reader = ChunkReader(chunk_fields(XML))
    time = struct.pack(">Q", 123456789) + bytes(4) + struct.pack("<f", 2000.5)
    line = struct.pack("<I", 0xE0) + struct.pack(">I", 0xABCD0001) + b"left\0x"
    assert reader.values(payload(bytes(64), (0xA5A50101, time), (0xA5A50102, line)), 64) == {
        "ChunkTimestamp": 123456789,
        "ChunkExposureTime": 2000.5,
        "ChunkLineStatus": -2,
        "ChunkCounter": 0xABCD,
        "ChunkFlag": 1,
        "ChunkLabel": "left",
    }
    assert reader.malformed == 0


def test_what_is_not_there_or_no_number_is_left_out() -> None:
    reader = ChunkReader(chunk_fields(XML))
    time = bytes(8) + bytes(4) + struct.pack("<f", float("nan"))
    assert reader.values(payload(bytes(64), (0xA5A50101, time)), 64) == {"ChunkTimestamp": 0}
    assert reader.values(payload(bytes(64), (0xA5A50101, bytes(3))), 64) == {}
    assert reader.values(payload(bytes(64)), 64) == {}
    assert reader.malformed == 0


@given(st.binary(max_size=200), st.integers(0, 100))
def test_garbage_is_counted_and_never_raises(data: bytes, image_bytes: int) -> None:
    reader = ChunkReader(chunk_fields(XML))
    values = reader.values(np.frombuffer(data, np.uint8), image_bytes)
    assert reader.malformed in (0, 1)
    assert not (values and reader.malformed)


def test_a_long_row_of_empty_chunks_is_no_payload() -> None:
    reader = ChunkReader(chunk_fields(XML))
    assert reader.values(np.zeros(1_000_000, np.uint8), 0) == {}
    assert reader.malformed == 1


@pytest.mark.parametrize(
    "xml",
    [
        "",
        "no xml",
        "<a",
        '<?xml version="1.0" encoding="none"?><a/>',
        '<a><Port Name="P"><ChunkID>xyz</ChunkID></Port>'
        '<IntReg Name="R"><pPort>P</pPort><Address>0</Address><Length>4</Length></IntReg></a>',
        '<a><Port Name="P"><ChunkID>1</ChunkID></Port>'
        '<MaskedIntReg Name="R"><pPort>P</pPort><Address>0</Address><Length>4</Length><Bit>77</Bit></MaskedIntReg></a>',
        '<a><Port Name="P"><ChunkID>1</ChunkID></Port><IntReg Name="R"><pPort>P</pPort></IntReg></a>',
        '<a><Port Name="P"><ChunkID>1</ChunkID></Port>'
        '<IntReg Name="R"><pValue>R</pValue><pPort>Q</pPort><Address>0</Address><Length>4</Length></IntReg></a>',
    ],
)
def test_an_xml_that_says_nothing_of_use_gives_nothing(xml: str) -> None:
    assert chunk_fields(xml) == []


def test_our_own_tail_is_read() -> None:
    image = bytes(range(62))
    values = {chunk: 5.0 if chunk.name == "Gain" else 7 for chunk in CHUNKS}
    data = np.frombuffer(image + pack_tail(len(image), values), np.uint8)
    fields = [
        ChunkField(
            f"Chunk{chunk.name}",
            chunk.id,
            0,
            8,
            ChunkKind.FLOAT if chunk.layout.format == ">d" else ChunkKind.INTEGER,
            True,
        )
        for chunk in CHUNKS
    ]
    reader = ChunkReader(fields)
    assert reader.values(data, len(image)) == {f"Chunk{chunk.name}": value for chunk, value in values.items()}
    assert reader.malformed == 0
