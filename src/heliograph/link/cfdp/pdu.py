"""The PDUs of CFDP class 2 as plain values; coded by `spacepackets`, but for the data of files, which is most of them.

Clauses are those of CCSDS 727.0-B-5.
"""

# spacepackets has no types.
# mypy: disable-error-code="import-untyped"
from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import TypeAlias

from spacepackets.cfdp import defs
from spacepackets.cfdp.conf import PduConfig
from spacepackets.cfdp.pdu import (
    AckPdu,
    DirectiveType,
    EofPdu,
    FileDataPdu,
    FinishedPdu,
    KeepAlivePdu,
    MetadataParams,
    MetadataPdu,
    NakPdu,
    PduFactory,
    PromptPdu,
    TransactionStatus,
)
from spacepackets.cfdp.pdu.finished import FinishedParams
from spacepackets.cfdp.pdu.header import PduHeader
from spacepackets.cfdp.pdu.prompt import ResponseRequired
from spacepackets.util import ByteFieldGenerator

from heliograph.core import RemoteProtocolError
from heliograph.link.cfdp.transaction import TransactionId

Condition: TypeAlias = defs.ConditionCode
ChecksumType: TypeAlias = defs.ChecksumType
Directive: TypeAlias = DirectiveType

LARGE_BYTES = 1 << 32
"""Files from this size on have offsets of eight bytes (clause 5.1)."""


@dataclass(frozen=True, slots=True)
class Header:
    """What every PDU of one direction of a transaction begins with."""

    id: TransactionId
    destination: int
    """Entity that receives the file."""
    to_sender: bool = False
    large: bool = False
    acknowledged: bool = True
    checked: bool = False
    """Whether PDUs end with a CRC."""

    @property
    def other_way(self) -> Header:
        """The header of PDUs that go the other way."""
        return replace(self, to_sender=not self.to_sender)


@dataclass(frozen=True, slots=True)
class Metadata:
    """What the file is (clause 5.2.5)."""

    size_bytes: int
    source: str
    destination: str
    checksum: ChecksumType = ChecksumType.CRC_32


@dataclass(frozen=True, slots=True)
class FileData:
    """A piece of the file (clause 5.3)."""

    offset: int
    data: bytes | memoryview


@dataclass(frozen=True, slots=True)
class Eof:
    """All was sent once, or the sender cancels (clause 5.2.2)."""

    checksum: int
    size_bytes: int
    condition: Condition = Condition.NO_ERROR


@dataclass(frozen=True, slots=True)
class Finished:
    """The receiver is through with it (clause 5.2.3)."""

    condition: Condition = Condition.NO_ERROR
    complete: bool = True
    retained: bool = True


@dataclass(frozen=True, slots=True)
class Ack:
    """An EOF or Finished was heard (clause 5.2.4)."""

    of: Directive
    condition: Condition = Condition.NO_ERROR
    active: bool = True


@dataclass(frozen=True, slots=True)
class Nak:
    """What of the scope is missing; (0, 0) stands for the Metadata (clause 5.2.6)."""

    start: int
    end: int
    missing: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """How far the receiver is (clause 5.2.8)."""

    progress: int


@dataclass(frozen=True, slots=True)
class Prompt:
    """Asks for a NAK, or a Keep Alive (clause 5.2.7)."""

    keep_alive: bool = False


Pdu = Metadata | FileData | Eof | Finished | Ack | Nak | KeepAlive | Prompt

_OFFSETS = {False: struct.Struct(">I"), True: struct.Struct(">Q")}
_FIXED = struct.Struct(">BHB")
_FILE_DATA, _TO_SENDER, _UNACKNOWLEDGED, _CRC, _LARGE = 0x10, 0x08, 0x04, 0x02, 0x01
_VERSION = 1 << 5
_SEGMENT_METADATA = 0x08


def decode(datagram: bytes | memoryview) -> tuple[Header, Pdu]:
    """Give the header and the PDU in a datagram; raises `RemoteProtocolError`.

    >>> header = Header(TransactionId(1, 2), destination=3)
    >>> decode(encode(header, Prompt())) == (header, Prompt())
    True
    """
    if len(datagram) < 4 or datagram[0] >> 5 != 1:
        raise RemoteProtocolError("a datagram came that is no CFDP of version 2")
    if datagram[0] & _FILE_DATA and not (datagram[0] & _CRC or datagram[3] & _SEGMENT_METADATA):
        return _decode_file_data(datagram)
    raw = bytes(datagram)
    try:
        header = _header(PduHeader.unpack(raw))
        length = 4 + 2 * (((raw[3] >> 4) & 7) + 1) + (raw[3] & 7) + 1 + int.from_bytes(raw[1:3])
        # A UDP datagram is one PDU; its codec reads to the end of what it is given.
        return header, _plain(PduFactory.from_raw(raw[:length]))
    except (ValueError, IndexError, struct.error, defs.InvalidCrcError) as error:
        raise RemoteProtocolError(f"a CFDP PDU came that cannot be read ({error})") from error


def encode(header: Header, pdu: Pdu) -> bytes:
    """Give the datagram of a PDU."""
    if isinstance(pdu, FileData):
        return file_data_prefix(header, len(pdu.data)) + _OFFSETS[header.large].pack(pdu.offset) + pdu.data
    return bytes(_packed(_config(header), pdu).pack())


def file_data_prefix(header: Header, length_bytes: int) -> bytes:
    """Give the header of a PDU with so much of a file, up to the offset."""
    width, number_width = _widths(header)
    fixed = _FIXED.pack(
        _VERSION | _FILE_DATA | (0 if header.acknowledged else _UNACKNOWLEDGED) | (_LARGE if header.large else 0),
        _OFFSETS[header.large].size + length_bytes,
        (width - 1) << 4 | (number_width - 1),
    )
    number = header.id.number.to_bytes(number_width)
    return fixed + header.id.entity.to_bytes(width) + number + header.destination.to_bytes(width)


def file_data_overhead_bytes(header: Header) -> int:
    """Give how much of a datagram is not data of the file."""
    width, number_width = _widths(header)
    return 4 + 2 * width + number_width + _OFFSETS[header.large].size


def most_requests(header: Header, datagram_bytes: int) -> int:
    """Give how many segment requests a NAK of one datagram holds."""
    width, number_width = _widths(header)
    offset_bytes = _OFFSETS[header.large].size
    return max(1, (datagram_bytes - (4 + 2 * width + number_width) - 1 - 2 * offset_bytes) // (2 * offset_bytes))


def _decode_file_data(datagram: bytes | memoryview) -> tuple[Header, FileData]:
    flags, length, widths = _FIXED.unpack_from(datagram)
    width, number_width = ((widths >> 4) & 7) + 1, (widths & 7) + 1
    number_at, destination_at = 4 + width, 4 + width + number_width
    offset_at = destination_at + width
    end = offset_at + length
    offset = _OFFSETS[bool(flags & _LARGE)]
    data_at = offset_at + offset.size
    if not data_at <= end <= len(datagram):
        raise RemoteProtocolError("a CFDP PDU came cut off: does the path carry datagrams of this size?")
    header = Header(
        TransactionId(int.from_bytes(datagram[4:number_at]), int.from_bytes(datagram[number_at:destination_at])),
        int.from_bytes(datagram[destination_at:offset_at]),
        bool(flags & _TO_SENDER),
        bool(flags & _LARGE),
        not flags & _UNACKNOWLEDGED,
    )
    return header, FileData(offset.unpack_from(datagram, offset_at)[0], datagram[data_at:end])


def _widths(header: Header) -> tuple[int, int]:
    return _width(max(header.id.entity, header.destination)), _width(header.id.number)


def _width(number: int) -> int:
    return next(width for width in (1, 2, 4, 8) if number < 1 << 8 * width)


def _header(raw: PduHeader) -> Header:
    return Header(
        TransactionId(raw.source_entity_id.value, raw.transaction_seq_num.value),
        raw.dest_entity_id.value,
        raw.direction == defs.Direction.TOWARDS_SENDER,
        raw.file_flag == defs.LargeFileFlag.LARGE,
        raw.transmission_mode == defs.TransmissionMode.ACKNOWLEDGED,
        raw.crc_flag == defs.CrcFlag.WITH_CRC,
    )


def _config(header: Header) -> PduConfig:
    width, number_width = _widths(header)
    return PduConfig(
        source_entity_id=ByteFieldGenerator.from_int(width, header.id.entity),
        dest_entity_id=ByteFieldGenerator.from_int(width, header.destination),
        transaction_seq_num=ByteFieldGenerator.from_int(number_width, header.id.number),
        trans_mode=defs.TransmissionMode(not header.acknowledged),
        file_flag=defs.LargeFileFlag(header.large),
        crc_flag=defs.CrcFlag(header.checked),
        direction=defs.Direction(header.to_sender),
    )


def _packed(
    config: PduConfig, pdu: Metadata | Eof | Finished | Ack | Nak | KeepAlive | Prompt
) -> MetadataPdu | EofPdu | FinishedPdu | AckPdu | NakPdu | KeepAlivePdu | PromptPdu:
    match pdu:
        case Metadata():
            return MetadataPdu(config, MetadataParams(False, pdu.checksum, pdu.size_bytes, pdu.source, pdu.destination))
        case Eof():
            return EofPdu(config, pdu.checksum, pdu.size_bytes, condition_code=pdu.condition)
        case Finished():
            delivery = defs.DeliveryCode.DATA_COMPLETE if pdu.complete else defs.DeliveryCode.DATA_INCOMPLETE
            status = defs.FileStatus.FILE_RETAINED if pdu.retained else defs.FileStatus.DISCARDED_DELIBERATELY
            return FinishedPdu(config, FinishedParams(pdu.condition, delivery, status))
        case Ack():
            status = TransactionStatus.ACTIVE if pdu.active else TransactionStatus.TERMINATED
            return AckPdu(config, pdu.of, pdu.condition, status)
        case Nak():
            return NakPdu(config, pdu.start, pdu.end, list(pdu.missing))
        case KeepAlive():
            return KeepAlivePdu(config, pdu.progress)
        case Prompt():
            return PromptPdu(config, ResponseRequired(pdu.keep_alive))


def _plain(pdu: object) -> Pdu:
    match pdu:
        case FileDataPdu():
            return FileData(pdu.offset, pdu.file_data)
        case MetadataPdu():
            params = pdu.params
            return Metadata(
                params.file_size, pdu.source_file_name or "", pdu.dest_file_name or "", params.checksum_type
            )
        case EofPdu():
            # spacepackets 0.32 leaves the condition where it stands in the octet.
            condition = pdu.condition_code >> 4 if pdu.condition_code > 15 else pdu.condition_code
            return Eof(int.from_bytes(pdu.file_checksum), pdu.file_size, Condition(condition))
        case FinishedPdu():
            complete = pdu.delivery_code == defs.DeliveryCode.DATA_COMPLETE
            return Finished(pdu.condition_code, complete, pdu.file_status == defs.FileStatus.FILE_RETAINED)
        case AckPdu():
            active = pdu.transaction_status == TransactionStatus.ACTIVE
            return Ack(Directive(pdu.directive_code_of_acked_pdu), Condition(pdu.condition_code_of_acked_pdu), active)
        case NakPdu():
            return Nak(pdu.start_of_scope, pdu.end_of_scope, tuple(pdu.segment_requests))
        case KeepAlivePdu():
            return KeepAlive(pdu.progress)
        case PromptPdu():
            return Prompt(pdu.response_required == ResponseRequired.KEEP_ALIVE)
    raise RemoteProtocolError("a CFDP PDU of an unknown kind came")
