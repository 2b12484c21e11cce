"""Who is there: a node says which run of it this is and what its clocks say, signed for the one who asks."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from heliograph.link.message import Message

# Bounds that no honest node comes near: with less, arithmetic of the ground would leave the 64 bits of a message.
Count = Annotated[int, Meta(ge=0, le=1 << 62)]
Label = Annotated[str, Meta(max_length=255)]


class Challenge(Message, frozen=True, kw_only=True):
    """Asks a node who it is; the nonce makes sure that the answer is fresh."""

    KIND = "challenge"

    nonce: bytes
    key: str = ""
    """Whole public key of the one who asks, so that `Hello.counter` can be given; empty to do without."""


class Hello(Message, frozen=True, kw_only=True):
    """A node says who it is."""

    KIND = "hello"

    nonce: bytes
    name: Label
    """A label for people; the key is the node."""
    key: str
    """Whole public key, 64 hexadecimal digits."""
    boot: Label
    """16 hexadecimal digits, drawn at random at each start of the node."""
    boot_time_ns: Count
    """CLOCK_BOOTTIME when it answered."""
    wall_time_ns: Count
    started_boot_time_ns: Count = 0
    """CLOCK_BOOTTIME when this run of the node began."""
    counter: Count = 0
    """The highest counter that it has seen from the key that asks, 0 when unknown."""
    version: Label = ""
    files: Label = ""
    """HOST:PORT where its file transfers listen for datagrams; empty when it has none."""
    spooled: Count = 0
    """Samples that wait for acknowledgement."""
    archive: str = ""
    """Id of the key that it has pinned as its archive, as in `collector_topic`; empty when there is none."""
