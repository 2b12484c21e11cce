"""What writer and readers of a frame ring say to each other: one message is one SOCK_SEQPACKET record.

Writer to reader: `HelloMessage` once, with the memory's descriptor beside it; `FrameMessage` for every slot that is
leased; `GoodbyeMessage` at the end. Reader to writer: a release, which names a slot. All little-endian, ours only.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache
from math import isnan, nan
from types import MappingProxyType
from typing import Any

from heliograph.core import Clock, ColorMatrix, ColorRange, PixelFormat, PixelFormatError
from heliograph.core.errors import RemoteProtocolError, SettingError

VERSION = 3
MAX_METADATA_BYTES = 16_384
"""Longest JSON text of a frame's metadata; 8 frames of it fit the stock socket buffer of 212992 bytes."""
MAX_REASON_BYTES = 1_000


class _Kind(IntEnum):
    HELLO = 1
    FRAME = 2
    RELEASE = 3
    GOODBYE = 4


_HELLO_FIELDS = struct.Struct("<BBHIQ")  # kind, version, depth, slot count, slot bytes
_FRAME_FIELDS = struct.Struct("<BBBBIIIIIQqQddqqdI")  # kind, clock, matrix, range, then as in FrameMessage.pack
_UNKNOWN = -(2**63)
_DROPPED_FIELD = struct.Struct("<Q")
_DROPPED_OFFSET = 40
_RELEASE_FIELDS = struct.Struct("<BxxxI")  # kind, slot
_GOODBYE_FIELDS = struct.Struct("<BB")  # kind, busy

MAX_MESSAGE_BYTES = _FRAME_FIELDS.size + MAX_METADATA_BYTES

# The index is the code on the wire: never change the order, only append.
_CLOCKS = (Clock.BOOTTIME, Clock.REALTIME, Clock.SIM, Clock.DEVICE)
_MATRICES = (ColorMatrix.BT601, ColorMatrix.BT709)
_RANGES = (ColorRange.FULL, ColorRange.LIMITED)


@dataclass(frozen=True, slots=True)
class FrameInfo:
    """What a writer says about a picture that it publishes: everything of a `Frame` but the pixels.

    >>> FrameInfo(PixelFormat.Mono8, width=640, height=480, id=1, timestamp_ns=0).payload_bytes
    307200

    Sizes in px. `metadata` must be JSON-like and its JSON text at most `MAX_METADATA_BYTES` long.
    """

    pixel_format: PixelFormat
    width: int
    height: int
    id: int
    timestamp_ns: int
    clock: Clock = Clock.BOOTTIME
    exposure_us: float | None = None
    gain_db: float | None = None
    wall_time_ns: int | None = None
    line_time_ns: int | None = None
    temperature_c: float | None = None
    missing_packets: int = 0
    resent_packets: int = 0
    color_matrix: ColorMatrix = ColorMatrix.BT601
    color_range: ColorRange = ColorRange.FULL
    metadata: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the picture's array; raises `PixelFormatError` for a size that the format cannot have."""
        return _picture(int(self.pixel_format), self.width, self.height)[0]

    @property
    def payload_bytes(self) -> int:
        """Bytes of the picture; raises `PixelFormatError` for a size that the format cannot have."""
        return _picture(int(self.pixel_format), self.width, self.height)[1]


# Asked for every frame, and a stream has one size. By int, because an enum member hashes in Python.
@lru_cache(maxsize=64)
def _picture(code: int, width: int, height: int) -> tuple[tuple[int, ...], int]:
    pixel_format = PixelFormat(code)
    shape = pixel_format.shape(width, height)
    if width < 1 or height < 1 or pixel_format.size_of(shape) != (width, height):
        raise PixelFormatError(f"no {pixel_format.name} picture can be {width}x{height} px")
    return shape, pixel_format.payload_bytes(width, height)


@dataclass(frozen=True, slots=True)
class HelloMessage:
    """The writer's first words to a reader: how the memory beside this message is laid out."""

    depth: int
    """Frames that the reader may hold at once."""
    slot_count: int
    slot_bytes: int

    def pack(self) -> bytes:
        """Give the message as bytes."""
        return _HELLO_FIELDS.pack(_Kind.HELLO, VERSION, self.depth, self.slot_count, self.slot_bytes)


@dataclass(frozen=True, slots=True)
class FrameMessage:
    """A lease: the slot belongs to the reader until it sends it back."""

    slot: int
    info: FrameInfo
    dropped: int = 0
    """Frames so far that were not leased to this reader because it held too many."""

    def pack(self) -> bytearray:
        """Give the message as bytes; `set_dropped` makes it the message to another reader.

        Raises `SettingError` when the metadata is no JSON or too long, or a number does not fit its field.
        """
        info = self.info
        try:
            fields = _FRAME_FIELDS.pack(
                _Kind.FRAME,
                _CLOCKS.index(info.clock),
                _MATRICES.index(info.color_matrix),
                _RANGES.index(info.color_range),
                self.slot,
                info.pixel_format,
                info.width,
                info.height,
                info.missing_packets,
                info.id,
                info.timestamp_ns,
                self.dropped,
                nan if info.exposure_us is None else info.exposure_us,
                nan if info.gain_db is None else info.gain_db,
                _UNKNOWN if info.wall_time_ns is None else info.wall_time_ns,
                _UNKNOWN if info.line_time_ns is None else info.line_time_ns,
                nan if info.temperature_c is None else info.temperature_c,
                info.resent_packets,
            )
        except struct.error as error:
            raise SettingError(f"frame {info.id} cannot be published: {error}") from None
        return bytearray(fields + _pack_metadata(info))


@dataclass(frozen=True, slots=True)
class GoodbyeMessage:
    """The writer's last words: why it ends or, when `busy`, why it does not take this reader."""

    reason: str
    busy: bool = False

    def pack(self) -> bytes:
        """Give the message as bytes; a reason longer than `MAX_REASON_BYTES` loses its end."""
        reason = self.reason.encode(errors="replace")[:MAX_REASON_BYTES]
        return _GOODBYE_FIELDS.pack(_Kind.GOODBYE, self.busy) + reason


def set_dropped(message: bytearray, dropped: int) -> None:
    """Write the count of dropped frames into a packed `FrameMessage`."""
    _DROPPED_FIELD.pack_into(message, _DROPPED_OFFSET, dropped)


def pack_release(slot: int) -> bytes:
    """Give the message by which a reader gives `slot` back."""
    return _RELEASE_FIELDS.pack(_Kind.RELEASE, slot)


def unpack_release(message: bytes) -> int:
    """Give the slot that a reader gives back; raises `RemoteProtocolError` when the message is no release."""
    if len(message) != _RELEASE_FIELDS.size or message[0] != _Kind.RELEASE:
        raise RemoteProtocolError(f"a frame ring's reader sent {len(message)} bytes that are no release")
    return int(_RELEASE_FIELDS.unpack(message)[1])


def unpack(message: bytes) -> HelloMessage | FrameMessage | GoodbyeMessage:
    """Understand what a writer said; raises `RemoteProtocolError` when it is no message of this version."""
    try:
        match message[0] if message else 0:
            case _Kind.FRAME:
                return _unpack_frame(message)
            case _Kind.HELLO:
                return _unpack_hello(message)
            case _Kind.GOODBYE:
                return GoodbyeMessage(message[_GOODBYE_FIELDS.size :].decode(errors="replace"), bool(message[1]))
            case kind:
                raise RemoteProtocolError(f"a frame ring's writer sent a message of unknown kind {kind}")
    except (struct.error, IndexError, ValueError, RecursionError) as error:
        if isinstance(error, RemoteProtocolError):
            raise
        raise RemoteProtocolError(f"a frame ring's writer sent {len(message)} bytes that are no message") from error


def _unpack_hello(message: bytes) -> HelloMessage:
    _, version, depth, slot_count, slot_bytes = _HELLO_FIELDS.unpack(message)
    if version != VERSION:
        raise RemoteProtocolError(
            f"the frame ring's writer speaks version {version}, this program {VERSION}: "
            "install the same Heliograph on both sides"
        )
    if not (depth and slot_count and slot_bytes):
        raise RemoteProtocolError("a frame ring's writer offered a ring without slots")
    return HelloMessage(depth, slot_count, slot_bytes)


def _unpack_frame(message: bytes) -> FrameMessage:
    _, clock, matrix, color_range, slot, *fields = _FRAME_FIELDS.unpack_from(message)
    pixel_format, width, height, missing, frame_id, timestamp_ns, dropped, *known = fields
    exposure_us, gain_db, wall_time_ns, line_time_ns, temperature_c, resent = known
    info = FrameInfo(
        PixelFormat(pixel_format),
        width,
        height,
        frame_id,
        timestamp_ns,
        _CLOCKS[clock],
        None if isnan(exposure_us) else exposure_us,
        None if isnan(gain_db) else gain_db,
        None if wall_time_ns == _UNKNOWN else wall_time_ns,
        None if line_time_ns == _UNKNOWN else line_time_ns,
        None if isnan(temperature_c) else temperature_c,
        missing,
        resent,
        _MATRICES[matrix],
        _RANGES[color_range],
        _unpack_metadata(message[_FRAME_FIELDS.size :]),
    )
    _picture(pixel_format, width, height)  # an impossible size is no message
    return FrameMessage(slot, info, dropped)


def _pack_metadata(info: FrameInfo) -> bytes:
    if not info.metadata:
        return b""
    try:
        text = json.dumps(dict(info.metadata), separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise SettingError(f"the metadata of frame {info.id} cannot be written as JSON: {error}") from error
    if len(text) > MAX_METADATA_BYTES:
        raise SettingError(
            f"the metadata of frame {info.id} takes {len(text)} bytes, at most {MAX_METADATA_BYTES} fit: leave some out"
        )
    return text


def _unpack_metadata(text: bytes) -> Mapping[str, Any]:
    metadata = json.loads(text) if text else {}
    if not isinstance(metadata, dict):
        raise RemoteProtocolError("a frame ring's writer sent metadata that are no names and values")
    return MappingProxyType(metadata)
