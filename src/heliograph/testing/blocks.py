"""Blocks of telemetry as a node would send them, whose values follow from the numbers of their samples."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from heliograph.link.channel import Channel, Stream
from heliograph.link.event import Event, Severity
from heliograph.link.telemetry import EVENTS_STREAM, Block

NODE, BOOT = "9f86d081884c7d65", "00112233aabbccdd"
HEALTH = Stream(
    name="health",
    channels=(Channel(name="cpu", unit="%"), Channel(name="count", type="int64"), Channel(name="ok", type="bool")),
)
WALL_MINUS_BOOT_NS = 1_760_000_000_000_000_000
_PERIOD_NS = 100_000_000


def block_of(
    first: int, count: int, stream: Stream = HEALTH, *, declared: bool = True, boot: str = BOOT, **changed: Any
) -> Block:
    """Give samples `first`, `first + 1`, …: sample n is of n tenths of a second after boot, and each value is n."""
    numbers = np.arange(first, first + count)
    rows = np.empty(count, stream.dtype)
    for name in stream.dtype.names or ():
        rows[name] = numbers
    block = Block(
        node=NODE,
        boot=boot,
        stream=stream.name,
        schema=stream.schema,
        first=first,
        count=count,
        times=(numbers * _PERIOD_NS).tobytes(),
        rows=rows.tobytes(),
        wall_minus_boot_ns=WALL_MINUS_BOOT_NS,
        declaration=stream if declared else None,
    )
    return msgspec.structs.replace(block, **changed)


def events_block(first: int, *told: tuple[Severity, str, str], boot: str = BOOT) -> Block:
    """Give a block of events of (severity, name, message); event n is of n tenths of a second after boot."""
    events = [
        Event(boot_time_ns=(first + index) * _PERIOD_NS, severity=severity, name=name, message=message)
        for index, (severity, name, message) in enumerate(told)
    ]
    return Block(
        node=NODE,
        boot=boot,
        stream=EVENTS_STREAM,
        schema="",
        first=first,
        count=len(events),
        times=np.array([event.boot_time_ns for event in events]).tobytes(),
        rows=msgspec.msgpack.encode(events),
        wall_minus_boot_ns=WALL_MINUS_BOOT_NS,
    )
