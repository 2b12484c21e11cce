"""Nothing that a block claims is believed before it was checked."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.core import RemoteProtocolError
from heliograph.link.channel import Channel, Stream
from heliograph.link.event import Severity
from heliograph.link.intake import events_of, is_live, samples_of, take_block
from heliograph.link.message import encode
from heliograph.link.telemetry import Block
from heliograph.testing.blocks import HEALTH, NODE, WALL_MINUS_BOOT_NS, block_of, events_block

KEY = f"heliograph/{NODE}/blocks/health"


def taken(**changed: Any) -> Block:
    return take_block(KEY, encode(msgspec.structs.replace(block_of(1, 3), **changed)))


def test_a_block_and_its_samples() -> None:
    samples = samples_of(taken(), HEALTH)
    assert samples.sequences.tolist() == [1, 2, 3]
    assert samples.rows["cpu"].tolist() == [1.0, 2.0, 3.0]
    assert (samples.wall_times_ns - samples.boot_times_ns).tolist() == [WALL_MINUS_BOOT_NS] * 3
    rest = samples.after(1)
    assert (rest.sequences.tolist(), rest.rows["count"].tolist(), len(rest.boot_times_ns)) == ([2, 3], [2, 3], 2)


@pytest.mark.parametrize(
    "changed",
    [
        {"node": "0123456789abcdef"},
        {"stream": "other"},
        {"boot": "x" * 1000},
        {"first": 0},
        {"first": -1},
        {"first": 2**40 - 3},
        {"first": 2**63},
        {"count": 0},
        {"count": -3},
        {"count": 2},
        {"count": 10**9},
        {"times": b""},
        {"times": np.array([1, 2, -1]).tobytes()},
        {"times": np.array([1, 2, 2**62 + 1]).tobytes()},
        {"wall_minus_boot_ns": 2**62},
        {"wall_minus_boot_ns": -(2**62)},
    ],
)
def test_a_block_that_cannot_be_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(RemoteProtocolError):
        taken(**changed)


def test_what_is_urgent_is_seen_without_unpacking_the_rest() -> None:
    assert is_live(encode(block_of(1, 3)))
    assert is_live(encode(block_of(1, 3, rows=b"")))
    assert not is_live(encode(block_of(1, 3, live=False)))
    assert not is_live(b"garbage")


@pytest.mark.parametrize(
    "stream",
    [
        Stream(name="health", channels=()),
        Stream(name="health", channels=(Channel(name="x", type="complex"),)),
        Stream(name="health", channels=(Channel(name="x"), Channel(name="x"))),
        Stream(name="health", channels=(Channel(name="x", type="text", size_bytes=-4),)),
        Stream(name="health", channels=(Channel(name="x", type="text", size_bytes=10**6),)),
        Stream(name="health", channels=(Channel(name="x", type="text", size_bytes=10**18),)),
        Stream(name="health", channels=(Channel(name="x", type="int64"),)),
        Stream(name="other", channels=HEALTH.channels),
        # As large as the rows of the block; half a million would be seconds of work.
        Stream(name="health", channels=tuple(Channel(name=f"x{at}", type="uint8") for at in range(8_000))),
    ],
    ids=[
        "no channel",
        "unknown type",
        "name twice",
        "negative",
        "wide",
        "absurd",
        "other size",
        "other stream",
        "many",
    ],
)
def test_a_declaration_that_does_not_fit_is_refused(stream: Stream) -> None:
    block = msgspec.structs.replace(taken(), schema=stream.schema)
    if len(stream.channels) == 8_000:
        block = msgspec.structs.replace(block, rows=bytes(8_000 * block.count))
    with pytest.raises(RemoteProtocolError):
        samples_of(block, stream)


def test_another_schema_than_the_blocks_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="another declaration"):
        samples_of(taken(schema="0123456789abcdef"), HEALTH)


def test_events_have_the_numbers_and_the_times_of_their_block() -> None:
    found = events_of(events_block(7, (Severity.ALARM, "a", "first"), (Severity.ALARM, "b", "second")))
    assert [(each.sequence, each.event.message) for each in found] == [(7, "first"), (8, "second")]
    assert found[0].wall_time_ns == 700_000_000 + WALL_MINUS_BOOT_NS


@pytest.mark.parametrize(
    "changed",
    [{"rows": b"\xc1"}, {"rows": b"\x90"}, {"stream": "other"}, {"rows": b"\x91" * 100_000}],
    ids=["no MessagePack", "none", "other stream", "nested"],
)
def test_a_block_without_its_events_is_refused(changed: dict[str, Any]) -> None:
    block = events_block(1, (Severity.ALARM, "a", "first"))
    with pytest.raises(RemoteProtocolError):
        events_of(msgspec.structs.replace(block, **changed))


@given(st.binary(max_size=200), st.integers(0, 400), st.integers(0, 255))
def test_damage_is_refused_or_harmless(garbage: bytes, at: int, value: int) -> None:
    """Whatever the bytes are: a block that can be stored, or `RemoteProtocolError`, and nothing else."""
    whole = bytearray(encode(block_of(1, 3)))
    whole[at % len(whole)] = value
    for payload in (garbage, bytes(whole)):
        try:
            block = take_block(KEY, payload)
            samples_of(block, block.declaration or HEALTH)
        except RemoteProtocolError:
            pass
