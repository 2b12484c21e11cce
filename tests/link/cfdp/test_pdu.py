"""PDUs: what is packed is read back, `spacepackets` reads the same, and garbage is refused."""

# mypy: disable-error-code="import-untyped"
from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spacepackets.cfdp.conf import PduConfig
from spacepackets.cfdp.defs import LargeFileFlag, TransmissionMode
from spacepackets.cfdp.pdu import FileDataPdu
from spacepackets.cfdp.pdu.file_data import FileDataParams
from spacepackets.util import ByteFieldU8, ByteFieldU16

from heliograph.core import RemoteProtocolError
from heliograph.link.cfdp.pdu import (
    Ack,
    ChecksumType,
    Condition,
    Directive,
    Eof,
    FileData,
    Finished,
    Header,
    KeepAlive,
    Metadata,
    Nak,
    Pdu,
    Prompt,
    decode,
    encode,
    file_data_overhead_bytes,
    most_requests,
)
from heliograph.link.cfdp.transaction import TransactionId

ids = st.integers(0, (1 << 64) - 1)
offsets = st.integers(0, (1 << 32) - 1)
conditions = st.sampled_from([code for code in Condition if code >= 0])
names = st.text(max_size=60)
to_receiver = st.one_of(
    st.builds(Metadata, offsets, names, names, st.sampled_from(ChecksumType)),
    st.builds(FileData, offsets, st.binary(max_size=2_000)),
    st.builds(Eof, offsets, offsets, conditions),
    st.builds(Prompt, st.booleans()),
    st.builds(Ack, st.just(Directive.FINISHED_PDU), conditions, st.booleans()),
)
to_sender = st.one_of(
    st.builds(Finished, conditions, st.booleans(), st.booleans()),
    st.builds(Ack, st.just(Directive.EOF_PDU), conditions, st.booleans()),
    st.builds(Nak, offsets, offsets, st.lists(st.tuples(offsets, offsets), max_size=9).map(tuple)),
    st.builds(KeepAlive, offsets),
)


def header(transaction: TransactionId, destination: int, large: bool, to_sender: bool) -> Header:
    return Header(transaction, destination, to_sender, large)


@given(st.builds(TransactionId, ids, ids), ids, st.booleans(), to_receiver, to_sender)
def test_what_is_packed_is_read_back(
    transaction: TransactionId, destination: int, large: bool, one: Pdu, other: Pdu
) -> None:
    for towards_sender, pdu in ((False, one), (True, other)):
        head = header(transaction, destination, large, towards_sender)
        assert decode(encode(head, pdu)) == (head, pdu)


@given(st.binary(max_size=2_000), offsets, st.booleans())
def test_data_is_packed_as_spacepackets_does(data: bytes, offset: int, large: bool) -> None:
    config = PduConfig(
        ByteFieldU16(1), ByteFieldU16(300), ByteFieldU8(7), TransmissionMode.ACKNOWLEDGED, LargeFileFlag(large)
    )
    head = Header(TransactionId(1, 7), 300, large=large)
    packed = encode(head, FileData(offset, data))
    assert packed == FileDataPdu(config, FileDataParams(data, offset)).pack()
    assert len(packed) == file_data_overhead_bytes(head) + len(data)


@given(st.binary(max_size=60), st.sampled_from((b"", b"\x20", b"\x24", b"\x30", b"\x22")))
def test_garbage_is_refused_and_nothing_else_happens(garbage: bytes, start: bytes) -> None:
    with contextlib.suppress(RemoteProtocolError):
        decode(start + garbage)


@given(st.builds(TransactionId, ids, ids), to_receiver, st.data())
def test_what_is_cut_off_is_refused(transaction: TransactionId, pdu: Pdu, data: st.DataObject) -> None:
    whole = encode(Header(transaction, 2), pdu)
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(RemoteProtocolError):
        decode(whole[:cut])


@given(st.booleans(), st.integers(60, 2_000))
def test_a_nak_fits_its_datagram(large: bool, datagram_bytes: int) -> None:
    head = Header(TransactionId(1, 1 << 40), 2, to_sender=True, large=large)
    most = most_requests(head, datagram_bytes)
    assert len(encode(head, Nak(0, 9, ((1, 2),) * most))) <= datagram_bytes
    assert len(encode(head, Nak(0, 9, ((1, 2),) * (most + 1)))) > datagram_bytes
