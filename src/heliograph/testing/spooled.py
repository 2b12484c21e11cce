"""Blocks as a spool takes them, made of those that `testing.blocks` gives."""

from __future__ import annotations

from typing import Any

from heliograph.link.channel import Stream
from heliograph.link.spooled import Spooled
from heliograph.link.telemetry import Block
from heliograph.testing.blocks import BOOT, HEALTH, block_of


def spooled_of(first: int, count: int, stream: Stream = HEALTH, *, boot: str = BOOT, **changed: Any) -> Spooled:
    """Give samples `first`, `first + 1`, …, whose values follow from their numbers."""
    return spooled_block(block_of(first, count, stream, boot=boot, **changed))


def spooled_block(block: Block) -> Spooled:
    """Give what a spool would hold of a message."""
    return Spooled(
        block.boot,
        block.stream,
        block.schema,
        block.first,
        block.count,
        block.times,
        block.rows,
        block.wall_minus_boot_ns,
        block.clock_synchronised,
    )
