"""What two Heliographs say to each other beside CFDP: whether they hear one another, how long it takes, what came.

CFDP leaves it to the layer below. A `Probe` is answered by a `Report`. Their first octet has a version number that no
CFDP has, so that neither is taken for the other; entities that are no Heliograph are never sent one.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from heliograph.core import RemoteProtocolError
from heliograph.link.cfdp.transaction import TransactionId

_PROBE, _REPORT = 0xE1, 0xE2
_PROBE_FORMAT = struct.Struct(">BQqQ")
_REPORT_FORMAT = struct.Struct(">BQqQQqI")
_HELD = struct.Struct(">QQ")
MOST_HELD = 64
"""Transactions that one datagram names as held."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Asks whether anybody hears."""

    entity: int
    stamp_ns: int
    """By the clock of the one who asks."""
    sent_bytes: int
    """Datagrams with data that went before it, since that end started."""
    held: tuple[TransactionId, ...] = ()
    """Transactions that the one who asks holds: there is no use in sending data of them."""

    def pack(self) -> bytes:
        """Give the datagram."""
        return _PROBE_FORMAT.pack(_PROBE, self.entity, self.stamp_ns, self.sent_bytes) + _pack_held(self.held)


@dataclass(frozen=True, slots=True)
class Report:
    """Answers a probe."""

    entity: int
    stamp_ns: int
    sent_bytes: int
    """Both as the probe said."""
    received_bytes: int
    """Datagrams with data that came, since this end started."""
    received_ns: int
    """By the clock of the one who answers."""
    room_bytes: int
    """What the socket of the one who answers can hold."""
    held: tuple[TransactionId, ...] = ()

    def pack(self) -> bytes:
        """Give the datagram."""
        numbers = (self.stamp_ns, self.sent_bytes, self.received_bytes, self.received_ns, self.room_bytes)
        return _REPORT_FORMAT.pack(_REPORT, self.entity, *numbers) + _pack_held(self.held)


def is_contact(datagram: bytes | memoryview) -> bool:
    """Tell a probe or report from CFDP."""
    return len(datagram) > 0 and datagram[0] >> 5 == 7


def decode_contact(datagram: bytes | memoryview) -> Probe | Report:
    """Read a datagram; raises `RemoteProtocolError`.

    >>> probe = Probe(entity=1, stamp_ns=2, sent_bytes=3, held=(TransactionId(4, 5),))
    >>> decode_contact(probe.pack()) == probe
    True
    """
    try:
        if datagram[0] == _PROBE:
            _, entity, stamp_ns, sent_bytes = _PROBE_FORMAT.unpack_from(datagram)
            return Probe(entity, stamp_ns, sent_bytes, _unpack_held(datagram[_PROBE_FORMAT.size :]))
        if datagram[0] == _REPORT:
            _, entity, stamp_ns, sent, received, received_ns, room = _REPORT_FORMAT.unpack_from(datagram)
            held = _unpack_held(datagram[_REPORT_FORMAT.size :])
            return Report(entity, stamp_ns, sent, received, received_ns, room, held)
    except struct.error as error:
        raise RemoteProtocolError(f"a probe came that cannot be read ({error})") from error
    raise RemoteProtocolError("a probe of an unknown kind came: is this end older than the other?")


def _pack_held(held: tuple[TransactionId, ...]) -> bytes:
    return b"".join(_HELD.pack(id.entity, id.number) for id in held[:MOST_HELD])


def _unpack_held(data: bytes | memoryview) -> tuple[TransactionId, ...]:
    return tuple(TransactionId(entity, number) for entity, number in _HELD.iter_unpack(data[: MOST_HELD * _HELD.size]))
