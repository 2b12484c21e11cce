"""What waits for the disk: cut into messages, bounded in memory, and what has no room is counted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.link.spooled import BLOCK_BYTES
from heliograph.link.telemetry import EVENTS_STREAM, Range
from heliograph.node.telemetry.losses import with_loss
from heliograph.node.telemetry.recorder import Taken
from heliograph.node.telemetry.waiting import Waiting

BOOT = "00112233aabbccdd"


def taken(first: int, count: int, row_bytes: int = 8, lost: int = 0) -> Taken:
    numbers = np.arange(first, first + count)
    rows = np.zeros((count, row_bytes // 8), "<i8")
    rows[:, 0] = numbers
    return Taken(first, count, numbers.tobytes(), rows.tobytes(), lost)


@pytest.mark.parametrize(("count", "row_bytes"), [(1, 8), (50_000, 144), (7, 400_000), (16_385, 8)])
def test_much_is_cut_into_messages_without_losing_or_changing_a_sample(count: int, row_bytes: int) -> None:
    made = Waiting(BOOT).add("health", "schema", taken(1, count, row_bytes), 5, True)
    assert b"".join(each.times for each in made) == taken(1, count).times
    assert b"".join(each.rows for each in made) == taken(1, count, row_bytes).rows
    next_number = 1
    for each in made:
        assert each.first == next_number
        assert np.frombuffer(each.rows, "<i8")[0] == next_number
        assert each.size_bytes <= BLOCK_BYTES or each.count == 1
        next_number += each.count
    assert next_number == count + 1
    assert (made[0].wall_minus_boot_ns, made[0].clock_synchronised) == (5, True)


def test_events_are_not_cut() -> None:
    (made,) = Waiting(BOOT).add(EVENTS_STREAM, "", Taken(1, 2, bytes(16), b"\x92" + bytes(300_000), 0), 5, True)
    assert made.count == 2


def test_what_the_recorder_lost_follows_what_it_took() -> None:
    waiting = Waiting(BOOT)
    waiting.add("health", "schema", taken(11, 5, lost=3), 0, False)
    waiting.add("health", "schema", Taken(19, 0, b"", b"", 2), 0, False)
    assert waiting.losses == [Range(BOOT, "health", 16, 5)]
    assert [each.range for each in waiting.blocks] == [Range(BOOT, "health", 11, 5)]


def test_beyond_its_memory_the_oldest_samples_go_before_events() -> None:
    waiting = Waiting(BOOT)
    waiting.add(EVENTS_STREAM, "", Taken(1, 1, bytes(8), bytes(1_000), 0), 0, False)
    for at in range(200):
        waiting.add("health", "schema", taken(1 + 1_000 * at, 1_000, 144), 0, False)
    waiting.shrink()
    assert waiting.blocks[0].stream == EVENTS_STREAM
    firsts = [each.first for each in waiting.blocks[1:]]
    assert waiting.blocks[-1].first + waiting.blocks[-1].count == 200_001
    assert waiting.losses == [Range(BOOT, "health", 1, firsts[0] - 1)]
    assert sum(each.size_bytes for each in waiting.blocks) <= 16 * 1024 * 1024
    committed: list[int] = []
    while part := waiting.first():
        assert sum(each.size_bytes for each in part) < 1024 * 1024 + BLOCK_BYTES
        committed += [each.first for each in part if each.stream == "health"]
        waiting.forget(len(part))
    assert committed == firsts
    assert (waiting.blocks, waiting.losses) == ([], [])


def test_hours_of_a_slow_stream_are_not_a_block_for_each_sample() -> None:
    waiting = Waiting(BOOT)
    for at in range(2_000):
        waiting.add("health", "schema", taken(1 + at, 1, 88), 0, False)
        waiting.add("flight", "schema", taken(1 + at, 1, 24), 0, False)
        waiting.shrink()
    assert len(waiting.blocks) <= 2_002
    assert waiting.losses == []
    for stream in ("health", "flight"):
        blocks = [each for each in waiting.blocks if each.stream == stream]
        assert [number for each in blocks for number in range(each.first, each.first + each.count)] == [
            *range(1, 2_001)
        ]
        assert sum(len(each.times) for each in blocks) == 16_000


@given(st.permutations(range(12)), st.integers(1, 12))
def test_losses_are_as_few_as_possible(order: list[int], count: int) -> None:
    losses: list[Range] = [Range("other boot", "health", 1, 2), Range(BOOT, "flight", 4, 2)]
    for at in order[:count]:
        losses = with_loss(losses, Range(BOOT, "health", 1 + 2 * at, 2))
    own = [each for each in losses if each.boot == BOOT and each.stream == "health"]
    assert len(losses) == len(own) + 2
    numbers = {number for each in own for number in range(each.first, each.first + each.count)}
    assert numbers == {1 + 2 * at + more for at in order[:count] for more in range(2)}
    assert not {each.first + each.count for each in own} & {each.first for each in own}
