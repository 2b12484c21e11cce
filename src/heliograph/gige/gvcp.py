"""GVCP packets: bytes to dataclasses and back, big-endian throughout.

Numbers are those of Wireshark's packet-gvcp.c and of Aravis' arvgvcpprivate.h. A command is 8 bytes of header
(key 0x42, flags, command, length, request id) and a payload; an acknowledge is 8 bytes (status, command, length,
request id) and a payload. Anything else raises `RemoteProtocolError`.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, IntFlag

from heliograph.core import RemoteProtocolError

PORT = 3956
"""UDP port of GVCP; it cannot be changed, so cameras on one machine each have an address of their own."""
MAX_DATA_BYTES = 536
"""Most bytes that one READMEM or WRITEMEM may carry here; Aravis asks for 512 at a time."""

_KEY = 0x42
_HEADER = struct.Struct(">BBHHH")
_ACK_HEADER = struct.Struct(">HHHH")
_U32 = struct.Struct(">I")
_PAIR = struct.Struct(">II")
_ADDRESS_COUNT = struct.Struct(">IHH")
_ZERO_COUNT = struct.Struct(">HH")
_FORCE_IP = struct.Struct(">2x6s12x4s12x4s12x4s")
_ACTION = struct.Struct(">III")
_U64 = struct.Struct(">Q")
_EVENT = struct.Struct(">HHHHQ")
_EXTENDED_EVENT = struct.Struct(">HHHHQQ")
_RESEND = struct.Struct(">HHII")
_EXTENDED_RESEND = struct.Struct(">HHIIQ")


class Command(IntEnum):
    """Command codes; the acknowledge of each is the next number."""

    DISCOVERY = 0x0002
    FORCEIP = 0x0004
    PACKETRESEND = 0x0040
    READREG = 0x0080
    WRITEREG = 0x0082
    READMEM = 0x0084
    WRITEMEM = 0x0086
    EVENT = 0x00C0
    EVENTDATA = 0x00C2
    ACTION = 0x0100


PENDING_ACK = 0x0089
"""Acknowledge code that says: still at work, wait as many ms as the payload tells."""


class Flag(IntFlag):
    """Header flags."""

    NONE = 0
    ACK_REQUIRED = 0x01
    EXTENDED = 0x10
    """Discovery: the acknowledge may be broadcast. Resend and events: block ids have 64 bits."""
    SCHEDULED = 0x80


class Status(IntEnum):
    """Status codes of acknowledges and of stream packets."""

    SUCCESS = 0x0000
    PACKET_RESEND = 0x0100
    NOT_IMPLEMENTED = 0x8001
    INVALID_PARAMETER = 0x8002
    INVALID_ADDRESS = 0x8003
    WRITE_PROTECT = 0x8004
    BAD_ALIGNMENT = 0x8005
    ACCESS_DENIED = 0x8006
    BUSY = 0x8007
    PACKET_UNAVAILABLE = 0x800C
    DATA_OVERRUN = 0x800D
    INVALID_HEADER = 0x800E
    PACKET_NOT_YET_AVAILABLE = 0x8010
    PACKET_AND_PREVIOUS_REMOVED = 0x8011
    PACKET_REMOVED = 0x8012
    NO_REFERENCE_TIME = 0x8013
    TEMPORARILY_UNAVAILABLE = 0x8014
    OVERFLOW = 0x8015
    ACTION_LATE = 0x8016
    ERROR = 0x8FFF


@dataclass(frozen=True, slots=True)
class CommandPacket:
    """A request to a device.

    >>> CommandPacket(Command.READREG, 7, pack_addresses([0x0A00])).pack().hex(" ")
    '42 01 00 80 00 04 00 07 00 00 0a 00'
    """

    command: int
    request_id: int
    payload: bytes = b""
    flags: Flag = Flag.ACK_REQUIRED

    def pack(self) -> bytes:
        """Give the bytes of the packet."""
        return _HEADER.pack(_KEY, self.flags, self.command, len(self.payload), self.request_id) + self.payload

    @classmethod
    def unpack(cls, data: bytes) -> CommandPacket:
        """Read a command from a datagram; raises `RemoteProtocolError`."""
        if len(data) < _HEADER.size:
            raise RemoteProtocolError(f"GVCP command of {len(data)} bytes is shorter than its 8-byte header")
        key, flags, command, length, request_id = _HEADER.unpack_from(data)
        if key != _KEY:
            raise RemoteProtocolError(f"GVCP command begins with 0x{key:02x} instead of 0x42")
        return cls(command, request_id, _payload(data, length, "command"), Flag(flags))

    @property
    def ack_required(self) -> bool:
        """True when the sender waits for an answer."""
        return Flag.ACK_REQUIRED in self.flags


@dataclass(frozen=True, slots=True)
class AckPacket:
    """The answer of a device.

    >>> AckPacket.unpack(bytes.fromhex("0000 0081 0004 0007 00000002")).payload.hex()
    '00000002'
    """

    status: int
    command: int
    """Acknowledge code: the command's plus 1, or `PENDING_ACK`."""
    request_id: int
    payload: bytes = b""

    def pack(self) -> bytes:
        """Give the bytes of the packet."""
        return _ACK_HEADER.pack(self.status, self.command, len(self.payload), self.request_id) + self.payload

    @classmethod
    def unpack(cls, data: bytes) -> AckPacket:
        """Read an acknowledge from a datagram; raises `RemoteProtocolError`."""
        if len(data) < _ACK_HEADER.size:
            raise RemoteProtocolError(f"GVCP acknowledge of {len(data)} bytes is shorter than its 8-byte header")
        status, command, length, request_id = _ACK_HEADER.unpack_from(data)
        return cls(status, command, request_id, _payload(data, length, "acknowledge"))


def _payload(data: bytes, length: int, what: str) -> bytes:
    payload = bytes(data[8 : 8 + length])
    if len(payload) != length:
        raise RemoteProtocolError(f"GVCP {what} announces {length} bytes of payload and carries {len(payload)}")
    return payload


def pack_addresses(addresses: Sequence[int]) -> bytes:
    """Payload of READREG: the registers to read; also of its acknowledge: their values."""
    return struct.pack(f">{len(addresses)}I", *addresses)


def unpack_addresses(payload: bytes) -> list[int]:
    """Registers of a READREG, or values of its acknowledge; raises `RemoteProtocolError`."""
    if not payload or len(payload) % _U32.size:
        raise RemoteProtocolError(f"READREG carries {len(payload)} bytes, which is no list of 4-byte numbers")
    return [number for (number,) in _U32.iter_unpack(payload)]


def pack_writes(writes: Sequence[tuple[int, int]]) -> bytes:
    """Payload of WRITEREG: pairs of address and value."""
    return b"".join(_PAIR.pack(address, value) for address, value in writes)


def unpack_writes(payload: bytes) -> list[tuple[int, int]]:
    """Pairs of address and value of a WRITEREG; raises `RemoteProtocolError`."""
    if not payload or len(payload) % _PAIR.size:
        raise RemoteProtocolError(f"WRITEREG carries {len(payload)} bytes, which is no list of address and value")
    return list(_PAIR.iter_unpack(payload))


def pack_write_done(index: int) -> bytes:
    """Payload of the acknowledge of WRITEREG (registers written) and of WRITEMEM (bytes written)."""
    return _ZERO_COUNT.pack(0, index)


def unpack_write_done(payload: bytes) -> int:
    """Registers or bytes written; raises `RemoteProtocolError`."""
    if len(payload) != _ZERO_COUNT.size:
        raise RemoteProtocolError(f"acknowledge of a write carries {len(payload)} bytes instead of 4")
    return int(_ZERO_COUNT.unpack(payload)[1])


def pack_memory_read(address: int, count_bytes: int) -> bytes:
    """Payload of READMEM."""
    return _ADDRESS_COUNT.pack(address, 0, count_bytes)


def unpack_memory_read(payload: bytes) -> tuple[int, int]:
    """Address and count of a READMEM; raises `RemoteProtocolError`."""
    if len(payload) != _ADDRESS_COUNT.size:
        raise RemoteProtocolError(f"READMEM carries {len(payload)} bytes instead of 8")
    address, _, count_bytes = _ADDRESS_COUNT.unpack(payload)
    return address, count_bytes


def pack_memory(address: int, data: bytes) -> bytes:
    """Payload of WRITEMEM and of the acknowledge of READMEM."""
    return _U32.pack(address) + data


def unpack_memory(payload: bytes) -> tuple[int, bytes]:
    """Address and bytes of a WRITEMEM or of an acknowledge of READMEM; raises `RemoteProtocolError`."""
    if len(payload) <= _U32.size:
        raise RemoteProtocolError(f"memory packet carries {len(payload)} bytes, too few for an address and data")
    return int(_U32.unpack_from(payload)[0]), payload[_U32.size :]


def unpack_resend(payload: bytes, *, extended: bool) -> tuple[int, int, int]:
    """Block id, first and last packet of a PACKETRESEND, whose flag EXTENDED says that block ids have 64 bits.

    Raises `RemoteProtocolError`, also for a stream channel other than 0.
    """
    layout = _EXTENDED_RESEND if extended else _RESEND
    if len(payload) != layout.size:
        raise RemoteProtocolError(f"PACKETRESEND carries {len(payload)} bytes instead of {layout.size}")
    channel, block_id, first, last, *extended_id = layout.unpack(payload)
    if channel:
        raise RemoteProtocolError(f"PACKETRESEND names stream channel {channel}, there is only 0")
    if extended_id:
        return extended_id[0], first, last
    return block_id, first & 0xFF_FFFF, last & 0xFF_FFFF


def unpack_pending(payload: bytes) -> int:
    """Time in ms that a pending acknowledge asks for; raises `RemoteProtocolError`."""
    if len(payload) != _ZERO_COUNT.size:
        raise RemoteProtocolError(f"pending acknowledge carries {len(payload)} bytes instead of 4")
    return int(_ZERO_COUNT.unpack(payload)[1])


@dataclass(frozen=True, slots=True)
class ForceIp:
    """Payload of FORCEIP: the address that the camera of this MAC is to take."""

    mac: bytes
    address: str
    subnet_mask: str
    gateway: str

    @classmethod
    def unpack(cls, payload: bytes) -> ForceIp:
        """Read the payload; raises `RemoteProtocolError`."""
        if len(payload) != _FORCE_IP.size:
            raise RemoteProtocolError(f"FORCEIP carries {len(payload)} bytes instead of {_FORCE_IP.size}")
        mac, *addresses = _FORCE_IP.unpack(payload)
        return cls(mac, *(".".join(str(octet) for octet in address) for address in addresses))


@dataclass(frozen=True, slots=True)
class ActionCommand:
    """Payload of ACTION: whom it concerns, and when; `time_ns` is in ticks of the camera's clock, None for now.

    >>> ActionCommand(1, 2, 3, time_ns=4).pack(request_id=9).hex(" ", 4)
    '42810100 00140009 00000001 00000002 00000003 00000000 00000004'
    """

    device_key: int
    group_key: int
    group_mask: int
    time_ns: int | None = None

    def pack(self, request_id: int) -> bytes:
        """Give the bytes of the whole command."""
        keys = _ACTION.pack(self.device_key, self.group_key, self.group_mask)
        if self.time_ns is None:
            return CommandPacket(Command.ACTION, request_id, keys).pack()
        flags = Flag.ACK_REQUIRED | Flag.SCHEDULED
        return CommandPacket(Command.ACTION, request_id, keys + _U64.pack(self.time_ns), flags).pack()

    @classmethod
    def unpack(cls, command: CommandPacket) -> ActionCommand:
        """Read an ACTION command; raises `RemoteProtocolError`."""
        scheduled = Flag.SCHEDULED in command.flags
        wanted_bytes = _ACTION.size + scheduled * _U64.size
        if len(command.payload) != wanted_bytes:
            raise RemoteProtocolError(f"ACTION carries {len(command.payload)} bytes instead of {wanted_bytes}")
        time_ns = int(_U64.unpack_from(command.payload, _ACTION.size)[0]) if scheduled else None
        device_key, group_key, group_mask = _ACTION.unpack_from(command.payload)
        return cls(device_key, group_key, group_mask, time_ns)


@dataclass(frozen=True, slots=True)
class EventMessage:
    """What a camera tells of a moment: EVENT with one event of stream channel 0.

    >>> EventMessage(0x9001, block_id=7, timestamp_ns=5).pack(request_id=1).hex(" ", 4)
    '420100c0 00100001 00109001 00000007 00000000 00000005'
    """

    event_id: int
    block_id: int
    timestamp_ns: int
    extended: bool = False
    """True when the block id has 64 bits."""

    def pack(self, request_id: int, *, ack_required: bool = True) -> bytes:
        """Give the bytes of the whole command."""
        flags = Flag.ACK_REQUIRED if ack_required else Flag.NONE
        if self.extended:
            item = _EXTENDED_EVENT.pack(_EXTENDED_EVENT.size, self.event_id, 0, 0, self.block_id, self.timestamp_ns)
            return CommandPacket(Command.EVENT, request_id, item, flags | Flag.EXTENDED).pack()
        item = _EVENT.pack(_EVENT.size, self.event_id, 0, self.block_id, self.timestamp_ns)
        return CommandPacket(Command.EVENT, request_id, item, flags).pack()


def unpack_events(command: CommandPacket) -> list[EventMessage]:
    """Read the events of an EVENT command, which may carry several; raises `RemoteProtocolError`."""
    extended = Flag.EXTENDED in command.flags
    item = _EXTENDED_EVENT if extended else _EVENT
    if command.command != Command.EVENT or not command.payload or len(command.payload) % item.size:
        raise RemoteProtocolError(f"command 0x{command.command:04x} of {len(command.payload)} bytes is no EVENT")
    # The first half-word is 0 or the item's size, the last fields are the same in both forms.
    return [EventMessage(each[1], each[-2], each[-1], extended) for each in item.iter_unpack(command.payload)]
