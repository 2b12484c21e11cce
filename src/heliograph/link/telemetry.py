"""Telemetry on its way: blocks of samples, their acknowledgement, and the newest values."""

from __future__ import annotations

import msgspec

from heliograph.link.channel import Channel, Stream
from heliograph.link.message import Message

EVENTS_STREAM = "events"
"""The stream whose blocks hold events (MessagePack of a list of `Event`) and no packed rows."""
DROPS_STREAM = "spool"
"""The stream by which the spool reports what it had to drop: its samples are spooled like any other's."""
DROPS = Stream(
    name=DROPS_STREAM,
    channels=(
        Channel(name="boot", type="text", size_bytes=16),
        Channel(name="stream", type="text", size_bytes=64),
        Channel(name="first", type="int64", description="Number of the first sample that was dropped."),
        Channel(name="count", type="int64", description="How many with consecutive numbers."),
    ),
    description="Samples that the spool had to drop: an archive waits for them in vain.",
)
"""Declaration of `DROPS_STREAM`."""


class Block(Message, frozen=True, kw_only=True):
    """Samples of one stream with consecutive numbers: numbered from 1 for each (node, boot, stream), never twice."""

    KIND = "block"

    node: str
    boot: str
    stream: str
    schema: str
    """`Stream.schema` of the declaration that packed the rows; empty for events."""
    first: int
    """Sequence number of the first sample."""
    count: int
    times: bytes
    """int64 little-endian, `count` of them: CLOCK_BOOTTIME of the node in nanoseconds."""
    rows: bytes
    """`count` rows of `Stream.dtype`; of events, MessagePack."""
    wall_minus_boot_ns: int
    """What the node's wall clock said more than CLOCK_BOOTTIME when the block was made."""
    clock_synchronised: bool = False
    """Whether the node's wall clock was held by NTP or PTP then."""
    live: bool = True
    """False for one that comes again, or late, out of the spool."""
    declaration: Stream | None = None
    """The declaration, in the first block of a session and when an acknowledgement says that it is unknown."""


class Range(msgspec.Struct, frozen=True, array_like=True):
    """A block that an archive has committed."""

    boot: str
    stream: str
    first: int
    count: int


class Acknowledge(Message, frozen=True, kw_only=True):
    """An archive says what it has committed with an fsync; only then does the node forget it."""

    KIND = "acknowledge"

    node: str
    stored: tuple[Range, ...] = ()
    unknown: tuple[tuple[str, str], ...] = ()
    """(stream, schema) of blocks that could not be stored for want of the declaration."""


class Newest(msgspec.Struct, frozen=True, kw_only=True):
    """The newest sample of a stream."""

    stream: Stream
    sequence: int
    boot_time_ns: int
    row: bytes


class Latest(Message, frozen=True, kw_only=True):
    """The newest sample of every stream that has one."""

    KIND = "latest"

    boot: str
    boot_time_ns: int
    """The node's clock when it answered."""
    wall_minus_boot_ns: int
    newest: tuple[Newest, ...]
