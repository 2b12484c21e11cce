"""What is stored, refused and asked for, without a bus or a disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from heliograph.link.archive import SqliteArchive
from heliograph.link.channel import Channel, Stream
from heliograph.link.collection import Batch, Sorter
from heliograph.link.event import Severity
from heliograph.link.message import encode
from heliograph.link.telemetry import Acknowledge, Block, Range
from heliograph.link.topic import BLOCKS, topic
from heliograph.testing.blocks import BOOT, HEALTH, NODE, WALL_MINUS_BOOT_NS, block_of, events_block


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[SqliteArchive]:
    with SqliteArchive(tmp_path / "archive.sqlite") as opened:
        yield opened


def message(block: Block, late_ns: int = 0) -> tuple[str, bytes, int]:
    """Give a block as it comes: sent when its last sample was taken, and `late_ns` on its way."""
    last_ns = (block.first + block.count - 1) * 100_000_000
    return topic(NODE, BLOCKS, block.stream), encode(block), last_ns + WALL_MINUS_BOOT_NS + late_ns


def test_blocks_are_stored_and_acknowledged_as_they_came(archive: SqliteArchive) -> None:
    sorter = Sorter(archive)
    batch = sorter.batch([message(block_of(1, 3)), message(events_block(4, (Severity.ALARM, "a", "b")))])
    assert [each.stream for each in batch.blocks] == ["health", "events"]
    (told,) = batch.acknowledgements()
    assert told == Acknowledge(node=NODE, stored=(Range(BOOT, "health", 1, 3), Range(BOOT, "events", 4, 1)))
    assert sorter.tally.stored_samples == 0
    sorter.committed(batch)
    assert (sorter.tally.stored_samples, sorter.tally.backlog_blocks) == (4, 0)


def test_a_declaration_is_asked_for_and_remembered_by_the_archive(archive: SqliteArchive) -> None:
    sorter = Sorter(archive)
    undeclared = message(block_of(1, 1, declared=False, live=False))
    first = sorter.batch([undeclared, undeclared])
    assert [*first.acknowledgements()] == [Acknowledge(node=NODE, unknown=(("health", HEALTH.schema),))]
    assert (first.blocks, sorter.tally.undeclared_blocks) == ([], 2)
    # One that comes in the same batch before it does, too.
    second = sorter.batch([message(block_of(2, 1)), undeclared])
    assert [each.first for each in second.blocks] == [2, 1]
    # But not when that batch never was committed.
    assert sorter.batch([undeclared]).blocks == []
    archive.store(second.blocks)
    assert len(sorter.batch([undeclared]).blocks) == len(Sorter(archive).batch([undeclared]).blocks) == 1


def test_a_declaration_that_the_node_gave_apart_is_stored_with_the_block(archive: SqliteArchive) -> None:
    sorter = Sorter(archive)
    sorter.offer(NODE, [HEALTH])
    batch = sorter.batch([message(block_of(1, 1, declared=False))])
    archive.store(batch.blocks)
    assert archive.declaration(NODE, "health", HEALTH.schema) == HEALTH


def test_what_cannot_be_is_counted_and_the_rest_goes_on(archive: SqliteArchive) -> None:
    sorter = Sorter(archive)
    block = block_of(1, 3)
    other = Stream(name="health", channels=(Channel(name="x"),))
    messages = [
        (topic("0123456789abcdef", BLOCKS, "health"), encode(block), 0),
        message(msgspec.structs.replace(block, rows=b"")),
        message(msgspec.structs.replace(block, declaration=other)),
        message(msgspec.structs.replace(events_block(1, (Severity.ALARM, "a", "b")), rows=b"\x90")),
        (topic(NODE, BLOCKS, "health"), b"garbage", 0),
        message(block),
    ]
    batch = sorter.batch(messages)
    assert batch.blocks == [block]
    assert sorter.tally.refused_blocks == 5


def test_the_offset_of_a_clock_is_the_least_seen_of_live_blocks(archive: SqliteArchive) -> None:
    sorter = Sorter(archive)
    run = (NODE, BOOT)
    late = [message(block_of(1 + n, 1), late_ns) for n, late_ns in enumerate((50, 20, 30))]
    assert sorter.batch(late).ground_minus_boot_ns == {run: WALL_MINUS_BOOT_NS + 20}
    assert sorter.batch([message(block_of(9, 1), 25)]).ground_minus_boot_ns == {}
    assert sorter.batch([message(block_of(1, 1, live=False), -(10**9))]).ground_minus_boot_ns == {}
    assert sorter.batch([message(block_of(9, 1), 5)]).ground_minus_boot_ns == {run: WALL_MINUS_BOOT_NS + 5}


def test_many_blocks_are_acknowledged_in_messages_of_bounded_size() -> None:
    blocks = [block_of(number, 1) for number in range(1, 2502)]
    told = list(Batch(blocks=blocks).acknowledgements())
    assert [len(each.stored) for each in told] == [1000, 1000, 501]
    assert [each.first for message in told for each in message.stored] == list(range(1, 2502))
