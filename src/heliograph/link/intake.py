"""Blocks as they come off the bus: checked before anything in them is believed, then as samples or events."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from heliograph.core import RemoteProtocolError
from heliograph.link.channel import Stream
from heliograph.link.event import ArchivedEvent, Event
from heliograph.link.message import Message, decode
from heliograph.link.telemetry import EVENTS_STREAM, Block
from heliograph.link.topic import BLOCKS, topic

FAR_NS = 2**62
"""No time is beyond it, 146 years: so that the sum of two stays within 63 bits."""
_MOST_SAMPLES = 1_000_000
_WIDEST_ROW_BYTES = 65_536
_LONGEST_NAME = 200
_MOST_CHANNELS = 1_000
HIGHEST_NUMBER = 2**40 - 1
"""Of a sample: so that the number of a series and that of a sample fit in 63 bits together."""

_events = msgspec.msgpack.Decoder(list[Event])


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Samples of one stream from one run of a node, in the order of their numbers; arrays of shape (samples,)."""

    node: str
    boot: str
    stream: Stream
    sequences: npt.NDArray[np.int64]
    boot_times_ns: npt.NDArray[np.int64]
    wall_times_ns: npt.NDArray[np.int64]
    """What the node's wall clock said."""
    rows: npt.NDArray[Any]
    """Of `stream.dtype`."""
    synchronised: bool
    """Whether the node's wall clock was held by NTP or PTP."""
    ground_minus_boot_ns: int | None = None
    """What the wall clock of the ground says more than the node's CLOCK_BOOTTIME, where an archive measured it."""

    def __len__(self) -> int:
        return len(self.sequences)

    def after(self, sequence: int) -> Samples:
        """Give those that come after a number."""
        keep = slice(int(np.searchsorted(self.sequences, sequence, "right")), None)
        return replace(
            self,
            sequences=self.sequences[keep],
            boot_times_ns=self.boot_times_ns[keep],
            wall_times_ns=self.wall_times_ns[keep],
            rows=self.rows[keep],
        )


class _Liveness(Message, frozen=True, kw_only=True):
    """As much of a block as tells whether it is urgent."""

    KIND = Block.KIND
    VERSION = Block.VERSION

    live: bool = True


def is_live(payload: bytes) -> bool:
    """Tell whether a message is a live block, without unpacking the rest of it.

    >>> is_live(b"something else")
    False
    """
    try:
        return decode(payload, _Liveness).live
    except RemoteProtocolError:
        return False


def take_block(key: str, payload: bytes) -> Block:
    """Give the block that came under a key; its rows are checked by `samples_of` or `events_of`.

    Raises `RemoteProtocolError` for one that cannot be what it claims, or claims to be of another node.
    """
    block = decode(payload, Block)
    if key != topic(block.node, BLOCKS, block.stream):
        raise RemoteProtocolError(f"a block of {block.node[:40]!r} came under {key!r}")
    check_claims(block)
    return block


def check_claims(block: Block) -> None:
    """Check what a block says of itself. Raises `RemoteProtocolError` where it cannot be."""
    if max(map(len, (block.node, block.boot, block.stream, block.schema))) > _LONGEST_NAME:
        raise RemoteProtocolError(f"a block of {block.node[:40]!r} has a name beyond {_LONGEST_NAME} characters")
    if not 1 <= block.count <= _MOST_SAMPLES or not 1 <= block.first <= HIGHEST_NUMBER - block.count:
        raise RemoteProtocolError(f"a block of {block.node} claims {block.count} samples from {block.first} on")
    if len(block.times) != 8 * block.count:
        raise RemoteProtocolError(f"a block of {block.node} has {len(block.times)} bytes of {block.count} times")
    times_ns = np.frombuffer(block.times, "<i8")
    if times_ns.min() < 0 or times_ns.max() > FAR_NS or not -FAR_NS < block.wall_minus_boot_ns < FAR_NS:
        raise RemoteProtocolError(f"a block of {block.node} has times out of this world")


def row_bytes(block: Block, stream: Stream) -> int:
    """Give the size of one row of a block under its declaration.

    Raises `RemoteProtocolError` where the two do not fit.
    """
    if len(stream.channels) > _MOST_CHANNELS:
        raise RemoteProtocolError(f"the declaration of {block.stream!r} has {len(stream.channels)} channels")
    try:
        size_bytes = stream.dtype.itemsize
    except (KeyError, TypeError, ValueError, OverflowError, MemoryError) as error:
        raise RemoteProtocolError(f"the declaration of {block.stream!r} makes no sense ({error})") from error
    if (stream.name, stream.schema) != (block.stream, block.schema):
        raise RemoteProtocolError(f"a block of {block.stream!r} came with another declaration, of {stream.name[:40]!r}")
    if not 0 < size_bytes <= _WIDEST_ROW_BYTES:
        raise RemoteProtocolError(f"a sample of {block.stream!r} has {size_bytes} bytes: 1 to {_WIDEST_ROW_BYTES} do")
    if len(block.rows) != size_bytes * block.count:
        raise RemoteProtocolError(
            f"a block of {block.stream!r} has {len(block.rows)} bytes of {block.count} rows of {size_bytes}"
        )
    return size_bytes


def samples_of(block: Block, stream: Stream) -> Samples:
    """Give the samples of a block.

    Raises `RemoteProtocolError` where the declaration does not fit the block.
    """
    row_bytes(block, stream)
    boot_times_ns = np.frombuffer(block.times, "<i8")
    return Samples(
        node=block.node,
        boot=block.boot,
        stream=stream,
        sequences=np.arange(block.first, block.first + block.count),
        boot_times_ns=boot_times_ns,
        wall_times_ns=boot_times_ns + block.wall_minus_boot_ns,
        rows=np.frombuffer(block.rows, stream.dtype),
        synchronised=block.clock_synchronised,
    )


def events_of(block: Block) -> list[ArchivedEvent]:
    """Give the events of a block of the stream `events`.

    Raises `RemoteProtocolError` where it holds something else.
    """
    try:
        events = _events.decode(block.rows)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise RemoteProtocolError(f"a block of events of {block.node} holds none ({error})") from error
    if block.stream != EVENTS_STREAM or len(events) != block.count:
        raise RemoteProtocolError(f"a block of {block.node} claims {block.count} events and has {len(events)}")
    if not all(0 <= event.boot_time_ns < FAR_NS for event in events):
        raise RemoteProtocolError(f"an event of {block.node} has a time out of this world")
    return [
        ArchivedEvent(
            boot=block.boot,
            sequence=block.first + index,
            wall_time_ns=event.boot_time_ns + block.wall_minus_boot_ns,
            event=event,
        )
        for index, event in enumerate(events)
    ]
