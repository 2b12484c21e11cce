"""Small blocks that follow one another become one, and every sample stays what it is."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from heliograph.link.channel import Channel, Stream
from heliograph.link.message import decode, encode
from heliograph.link.spooled import MESSAGE_BYTES, Spooled, joined
from heliograph.link.telemetry import EVENTS_STREAM, Block
from heliograph.testing.blocks import HEALTH
from heliograph.testing.spooled import spooled_of

OTHER = Stream(name="other", channels=(Channel(name="value"),))


def samples(blocks: list[Spooled]) -> list[tuple[str, str, int, int, bytes]]:
    """Each sample: boot, stream, number, time, values."""
    found = []
    for block in blocks:
        assert len(block.times) == 8 * block.count
        row_bytes = len(block.rows) // block.count
        for at in range(block.count):
            time_ns = int.from_bytes(block.times[8 * at : 8 * at + 8], "little")
            row = block.rows[row_bytes * at : row_bytes * (at + 1)]
            found.append((block.boot, block.stream, block.first + at, time_ns, row))
    return sorted(found)


blocks = st.lists(
    st.builds(
        spooled_of,
        st.integers(1, 30),
        st.integers(1, 5),
        st.sampled_from([HEALTH, OTHER]),
        boot=st.sampled_from(["boot a", "boot b"]),
        clock_synchronised=st.booleans(),
    ),
    max_size=20,
)


@given(blocks)
def test_no_sample_is_lost_or_changed(pieces: list[Spooled]) -> None:
    assert samples(list(joined(pieces))) == samples(pieces)


@given(blocks)
def test_rows_of_the_spool_are_each_in_one_message(pieces: list[Spooled]) -> None:
    numbered = [replace(each, ids=(at,)) for at, each in enumerate(pieces)]
    ids = [id_ for message in joined(numbered) for id_ in message.ids]
    assert sorted(ids) == list(range(len(pieces)))


def test_a_slow_stream_becomes_one_message_though_another_comes_between() -> None:
    pieces = [each for at in range(1, 101) for each in (spooled_of(at, 1), spooled_of(at, 1, OTHER))]
    assert [(each.stream, each.first, each.count) for each in joined(pieces)] == [("health", 1, 100), ("other", 1, 100)]


def test_a_gap_another_clock_and_too_much_begin_a_new_message() -> None:
    large = spooled_of(1, MESSAGE_BYTES // 30)
    assert len(list(joined([spooled_of(1, 2), spooled_of(4, 2)]))) == 2
    assert len(list(joined([spooled_of(1, 2), spooled_of(3, 2, clock_synchronised=True)]))) == 2
    assert len(list(joined([spooled_of(1, 2), spooled_of(3, 2, wall_minus_boot_ns=5)]))) == 2
    assert len(list(joined([large, spooled_of(large.count + 1, large.count)]))) == 2
    assert len(list(joined([spooled_of(1, 2), spooled_of(3, 2)]))) == 1


def test_lists_of_events_are_not_joined() -> None:
    pieces = [Spooled("b", EVENTS_STREAM, "", at, 1, bytes(8), b"\x90", 0, False) for at in (1, 2)]
    assert len(list(joined(pieces))) == 2


def test_the_message_says_what_the_spool_holds() -> None:
    block = spooled_of(7, 3, clock_synchronised=True)
    message = decode(encode(block.block("9f86d081884c7d65", live=False, declaration=HEALTH)), Block)
    assert (message.node, message.first, message.count, message.live) == ("9f86d081884c7d65", 7, 3, False)
    assert (message.times, message.rows, message.declaration) == (block.times, block.rows, HEALTH)
    assert (message.wall_minus_boot_ns, message.clock_synchronised) == (block.wall_minus_boot_ns, True)
