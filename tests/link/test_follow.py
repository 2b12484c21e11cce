"""Whoever looks on sees each sample once, in order, and disturbs nobody."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.core import LinkLostError, RemoteProtocolError
from heliograph.link.bus import Bus
from heliograph.link.channel import Channel, Stream
from heliograph.link.dictionary import Dictionary
from heliograph.link.event import ArchivedEvent, Event, Events, EventsRequest, Severity
from heliograph.link.follow import Follow, Order, events_on_board, newest_of, streams_of
from heliograph.link.intake import Samples
from heliograph.link.message import decode, encode
from heliograph.link.telemetry import Block, Latest, Newest
from heliograph.link.topic import ACKNOWLEDGE, ANY, BLOCKS, DICTIONARY, EVENTS, LATEST, collector_topic, topic
from heliograph.testing.blocks import BOOT, HEALTH, NODE, WALL_MINUS_BOOT_NS, block_of, events_block
from heliograph.testing.bus import connected_buses, settle

OTHER = Stream(name="other", channels=(Channel(name="x"),))


@pytest.fixture
def buses() -> Iterator[list[Bus]]:
    with connected_buses(2) as connected:
        yield connected


def say(board: Bus, *blocks: Block) -> None:
    for block in blocks:
        board.publish(topic(NODE, BLOCKS, block.stream), encode(block))


@given(st.lists(st.builds(block_of, st.integers(1, 40), st.integers(1, 9), boot=st.sampled_from([BOOT, "other"]))))
def test_numbers_rise_whatever_comes(blocks: list[Block]) -> None:
    order = Order()
    seen: dict[str, list[int]] = {BOOT: [], "other": []}
    for block in blocks:
        new = order.take(block)
        assert isinstance(new, Samples)
        assert new.rows["count"].tolist() == new.sequences.tolist()
        seen[block.boot] += new.sequences.tolist()
    for boot, numbers in seen.items():
        assert numbers == sorted(set(numbers))
        assert max(numbers, default=0) == max((b.first + b.count - 1 for b in blocks if b.boot == boot), default=0)


def test_events_come_once() -> None:
    order = Order()
    block = events_block(1, (Severity.ALARM, "a", "first"), (Severity.ALARM, "b", "second"))
    first, again = order.take(block), order.take(block)
    assert isinstance(first, list)
    assert [each.event.name for each in first] == ["a", "b"]
    assert again == []


def test_samples_and_events_as_they_come(buses: list[Bus]) -> None:
    ground, board = buses
    said: list[str] = []
    board.subscribe(topic(NODE, ACKNOWLEDGE), lambda key, _: said.append(key))
    board.watch_presence(collector_topic(NODE, ANY), lambda key, _: said.append(key))
    with Follow(ground, NODE, ["health", "events"]) as follow:
        settle(buses)
        garbage = block_of(1, 1, rows=b"")
        say(board, garbage, block_of(1, 2, OTHER), block_of(1, 2), block_of(1, 3), block_of(1, 1, live=False))
        say(board, events_block(1, (Severity.ALARM, "a", "first")))
        first, second, third = follow.next(5), follow.next(5), follow.next(5)
        assert isinstance(first, Samples)
        assert isinstance(second, Samples)
        assert (first.sequences.tolist(), second.sequences.tolist()) == ([1, 2], [3])
        assert isinstance(third, list)
        assert isinstance(third[0], ArchivedEvent)
        assert follow.next(0) is None
    settle(buses)
    assert said == []


def test_a_declaration_that_is_missing_is_asked_for(buses: list[Bus]) -> None:
    ground, board = buses
    asked: list[str] = []

    def answer(key: str, _: bytes) -> list[bytes]:
        asked.append(key)
        return [encode(Dictionary(commands=(), streams=(HEALTH,)))]

    board.answer(topic(NODE, DICTIONARY), answer)
    with Follow(ground, NODE) as follow:
        settle(buses)
        say(board, block_of(1, 2, declared=False), block_of(1, 2, OTHER, declared=False))
        say(board, block_of(3, 2, declared=False))
        first, second = follow.next(5), follow.next(5)
        assert isinstance(first, Samples)
        assert isinstance(second, Samples)
        assert (first.sequences.tolist(), second.sequences.tolist()) == ([1, 2], [3, 4])
        # Nobody knows the other one: that is not asked again for each of its blocks.
        assert (len(asked), follow.missed) == (1, 1)


def test_when_nobody_takes_them_blocks_are_left_out(buses: list[Bus], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("heliograph.link.follow._MOST_WAITING", 2)
    follow = Follow(buses[0], NODE, listen=False)
    for number in range(1, 6):
        follow.offer(block_of(number, 1))
    first, second = follow.next(0), follow.next(0)
    assert isinstance(first, Samples)
    assert isinstance(second, Samples)
    assert (first.sequences.tolist(), second.sequences.tolist(), follow.next(0)) == ([1], [2], None)
    assert follow.missed == 3


def test_what_a_node_answers(buses: list[Bus]) -> None:
    ground, board = buses
    newest = Newest(stream=HEALTH, sequence=7, boot_time_ns=100, row=HEALTH.pack([(1.5, 2, True)]).tobytes())
    latest = Latest(boot=BOOT, boot_time_ns=300, wall_minus_boot_ns=WALL_MINUS_BOOT_NS, newest=(newest,))
    event = ArchivedEvent(
        boot=BOOT,
        sequence=1,
        wall_time_ns=1,
        event=Event(boot_time_ns=1, severity=Severity.ALARM, name="a", message="b"),
    )

    def events(_: str, question: bytes) -> list[bytes]:
        assert decode(question, EventsRequest) == EventsRequest(limit=3)
        return [encode(Events(events=(event,)))]

    board.answer(topic(NODE, LATEST), lambda _key, _question: [encode(latest)])
    board.answer(topic(NODE, EVENTS), events)
    settle(buses)
    now_ns, (samples,) = newest_of(ground, NODE)
    assert (now_ns, samples.sequences.tolist(), samples.rows["cpu"].tolist()) == (300, [7], [1.5])
    assert samples.wall_times_ns.tolist() == [100 + WALL_MINUS_BOOT_NS]
    assert events_on_board(ground, NODE, EventsRequest(limit=3)) == (event,)


@pytest.mark.parametrize("changed", [{"row": b""}, {"sequence": 0}, {"boot_time_ns": -1}, {"boot_time_ns": 2**63}])
def test_newest_values_that_make_no_sense_are_refused(buses: list[Bus], changed: dict[str, object]) -> None:
    ground, board = buses
    right = {"stream": HEALTH, "sequence": 7, "boot_time_ns": 100, "row": HEALTH.pack([(1.5, 2, True)]).tobytes()}
    newest = Newest(**{**right, **changed})  # type: ignore[arg-type]
    latest = Latest(boot=BOOT, boot_time_ns=300, wall_minus_boot_ns=0, newest=(newest,))
    board.answer(topic(NODE, LATEST), lambda _key, _question: [encode(latest)])
    settle(buses)
    with pytest.raises(RemoteProtocolError):
        newest_of(ground, NODE)


def test_a_node_that_is_gone_is_told(buses: list[Bus]) -> None:
    with pytest.raises(LinkLostError, match="does not answer"):
        streams_of(buses[0], NODE)
