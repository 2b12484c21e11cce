"""The publisher: live blocks always go, backlog goes to the archive that is pinned, and nobody else is obeyed."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from heliograph.link.bus import Urgency
from heliograph.link.keys import PrivateKey, PublicKey
from heliograph.link.message import decode, encode
from heliograph.link.publisher import Publisher
from heliograph.link.signature import sign
from heliograph.link.spool import Spool
from heliograph.link.telemetry import Acknowledge, Block, Range
from heliograph.link.topic import ACKNOWLEDGE, ANY, BLOCKS, collector_topic, topic
from heliograph.testing.blocks import BOOT, HEALTH, NODE
from heliograph.testing.memory_bus import MemoryBus
from heliograph.testing.spooled import spooled_of

PATIENCE_S = 10.0


def eventually(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s
        threading.Event().wait(0.01)


class Ground:
    """Hears blocks; acknowledges them as an archive does, with the key it is given."""

    def __init__(self, bus: MemoryBus, key: PrivateKey) -> None:
        self.heard: list[Block] = []
        self._bus = bus
        self._key = key
        self._changed = threading.Condition()
        bus.subscribe(topic(NODE, BLOCKS, ANY), self._hear)

    def _hear(self, _: str, payload: bytes) -> None:
        with self._changed:
            self.heard.append(decode(payload, Block))
            self._changed.notify_all()

    def wait_for(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, PATIENCE_S)

    def numbers(self) -> list[int]:
        return [block.first + at for block in self.heard for at in range(block.count)]

    def acknowledge(self, *done: Range, node: str = NODE, unknown: tuple[tuple[str, str], ...] = ()) -> None:
        message = Acknowledge(node=node, stored=done, unknown=unknown)
        self._bus.publish(topic(NODE, ACKNOWLEDGE), sign(message, self._key), Urgency.COMMAND)

    def come(self) -> Callable[[], object]:
        return self._bus.be_present(collector_topic(NODE, self._key.public.short)).close


class Board:
    """A spool, its publisher, and what the writer does with both."""

    def __init__(self, folder: Path, bus: MemoryBus) -> None:
        self.pinned: PublicKey | None = None
        self.spool = Spool(folder / "spool.sqlite", max_bytes=50_000_000)
        self.publisher = Publisher(self.spool, bus, NODE, archive_key_of=lambda: self.pinned)

    def commit(self, first: int, count: int = 1) -> Range:
        done = self.spool.append([spooled_of(first, count)], declarations=[HEALTH])
        self.publisher.committed(done.blocks)
        return done.blocks[0].range

    def settled(self, samples: int) -> None:
        def done() -> bool:
            self.spool.settle()
            return self.spool.samples == samples

        eventually(done)


@pytest.fixture
def bus() -> MemoryBus:
    return MemoryBus()


@pytest.fixture
def key() -> PrivateKey:
    return PrivateKey.generate()


@pytest.fixture
def ground(bus: MemoryBus, key: PrivateKey) -> Ground:
    return Ground(bus, key)


@pytest.fixture
def board(tmp_path: Path, bus: MemoryBus) -> Iterator[Board]:
    made = Board(tmp_path, bus)
    yield made
    made.publisher.close()
    made.spool.close()


def test_viewers_follow_without_an_archive(board: Board, ground: Ground, bus: MemoryBus) -> None:
    board.commit(1, 3)
    board.commit(4, 2)
    ground.wait_for(lambda: ground.numbers() == [1, 2, 3, 4, 5])
    assert all(block.live and block.declaration is None for block in ground.heard)
    assert {urgency for _, _, urgency in bus.said} == {Urgency.LIVE}
    assert board.spool.samples == 5


def test_an_archive_gets_the_backlog_with_its_declaration_and_then_it_is_gone(
    board: Board, ground: Ground, key: PrivateKey, bus: MemoryBus
) -> None:
    board.pinned = key.public
    board.commit(1, 3)
    ground.wait_for(lambda: len(ground.heard) == 1)
    ground.come()
    ground.wait_for(lambda: len(ground.heard) == 2)
    assert (ground.heard[1].live, ground.heard[1].declaration) == (False, HEALTH)
    assert bus.said[-1][2] is Urgency.BACKLOG
    ground.acknowledge(Range(BOOT, "health", 1, 3))
    board.settled(0)
    board.commit(4)
    ground.wait_for(lambda: len(ground.heard) == 3)
    assert (ground.heard[2].live, ground.heard[2].declaration) == (True, None)


def test_what_is_acknowledged_is_removed_though_nothing_more_is_measured(
    board: Board, ground: Ground, key: PrivateKey
) -> None:
    board.pinned = key.public
    ground.come()
    ground.acknowledge(board.commit(1, 3))
    eventually(lambda: board.spool.samples == 0)


def test_everything_unacknowledged_comes_again_with_the_archive(board: Board, ground: Ground, key: PrivateKey) -> None:
    board.pinned = key.public
    leave = ground.come()
    for first in (1, 2, 3):
        board.commit(first)
    ground.wait_for(lambda: sorted(ground.numbers()) == [1, 2, 3])
    ground.acknowledge(Range(BOOT, "health", 2, 1))
    board.settled(2)
    leave()
    ground.heard.clear()
    ground.come()
    ground.wait_for(lambda: sorted(ground.numbers()) == [1, 3])


def test_a_lost_message_is_sent_again(board: Board, ground: Ground, key: PrivateKey, bus: MemoryBus) -> None:
    board.pinned = key.public
    ground.come()
    first = board.commit(1)
    ground.wait_for(lambda: ground.numbers() == [1])
    ground.acknowledge(first)
    board.settled(0)
    bus.up = False
    board.commit(2)
    ground.wait_for(lambda: ground.numbers() == [1])
    bus.up = True
    ground.wait_for(lambda: 2 in ground.numbers())


def test_an_unknown_declaration_comes_at_once(board: Board, ground: Ground, key: PrivateKey) -> None:
    board.pinned = key.public
    ground.come()
    first = board.commit(1)
    ground.wait_for(lambda: ground.numbers() == [1])
    ground.acknowledge(first)
    board.settled(0)
    board.commit(2)
    ground.wait_for(lambda: ground.numbers() == [1, 2])
    ground.acknowledge(unknown=(("health", HEALTH.schema),))
    ground.wait_for(lambda: ground.numbers() == [1, 2, 2])
    assert ground.heard[-1].declaration == HEALTH


def test_nobody_else_is_obeyed(
    board: Board, ground: Ground, bus: MemoryBus, caplog: pytest.LogCaptureFixture, key: PrivateKey
) -> None:
    done = board.commit(1)
    board.pinned = PrivateKey.generate().public
    ground.wait_for(lambda: ground.numbers() == [1])
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            ground.acknowledge(done)
            bus.publish(topic(NODE, ACKNOWLEDGE), encode(Acknowledge(node=NODE, stored=(done,))))
            bus.publish(topic(NODE, ACKNOWLEDGE), b"garbage")
        Ground(bus, PrivateKey.generate()).acknowledge(done)
        eventually(lambda: len(caplog.records) == 3)
        board.pinned = key.public
        ground.acknowledge(done, node="another")
        ground.acknowledge(Range(BOOT, "health", -5, 2), Range(BOOT, "health", 1, 2**63))
        last = board.commit(2)
        ground.wait_for(lambda: ground.numbers() == [1, 2])
        ground.acknowledge(last)
        board.settled(1)
    assert board.spool.read(0, 2**40, 1)[0].range == done
    # Once for each stranger's key and once for what is not signed, however often they come.
    assert sum("not pinned as archive" in each.message for each in caplog.records) == 2
    assert len(caplog.records) == 3


def test_a_key_that_took_the_archives_place_counts_at_once(board: Board, ground: Ground, key: PrivateKey) -> None:
    board.pinned = PrivateKey.generate().public
    ground.come()
    done = board.commit(1)
    ground.wait_for(lambda: len(ground.heard) == 1)
    assert not board.publisher.archive_present
    board.pinned = key.public
    assert board.publisher.archive_present
    ground.acknowledge(done)
    board.settled(0)


def test_what_could_not_be_committed_is_shown_only(board: Board, ground: Ground, key: PrivateKey) -> None:
    board.pinned = key.public
    ground.come()
    board.publisher.show([spooled_of(1, 2)])
    ground.wait_for(lambda: ground.numbers() == [1, 2])
    assert board.spool.samples == 0


def test_closing_sends_what_is_waiting_and_ends_soon(board: Board, ground: Ground) -> None:
    for first in range(1, 200):
        board.commit(first)
    begun_s = time.monotonic()
    board.publisher.close()
    assert ground.numbers() == list(range(1, 200))
    assert time.monotonic() - begun_s < 2


def test_a_closed_bus_ends_it_quietly(board: Board, bus: MemoryBus, caplog: pytest.LogCaptureFixture) -> None:
    bus.close()
    board.commit(1)
    board.publisher.close()
    assert not caplog.records


def test_memory_is_not_for_whoever_says_most(board: Board, ground: Ground, key: PrivateKey) -> None:
    board.pinned = key.public
    large, small = board.commit(1), board.commit(2)
    ground.wait_for(lambda: ground.numbers() == [1, 2])
    ground.acknowledge(large, unknown=(("x" * 1_000_000, ""),))
    ground.acknowledge(small, unknown=(("x" * 900_000, ""),))

    def left() -> list[int]:
        board.spool.settle()
        return [each.first for each in board.spool.read(0, board.spool.newest_id, 1_000)]

    eventually(lambda: 2 not in left())
    assert left() == [1]


class SlowBus(MemoryBus):
    """As a link without room: each block waits until it is given up, or finds some."""

    def publish(self, key: str, payload: bytes, urgency: Urgency = Urgency.LIVE) -> None:
        if urgency is not Urgency.COMMAND:
            threading.Event().wait(0.05)
        super().publish(key, payload, urgency)


def test_on_a_slow_link_what_is_live_is_never_late_for_long(tmp_path: Path, key: PrivateKey) -> None:
    bus = SlowBus()
    board, ground = Board(tmp_path, bus), Ground(bus, key)
    begun_s = time.monotonic()
    for first in range(1, 201):
        board.commit(first)
    at = 200
    while not any(number > 200 for number in ground.numbers()):
        at += 1
        board.commit(at)
        threading.Event().wait(0.05)
    assert time.monotonic() - begun_s < 6, "one after the other they take 10 s"
    assert board.spool.samples == at
    board.publisher.close()
    board.spool.close()


def test_on_a_slow_link_it_ends_soon_though_live_blocks_and_backlog_wait(tmp_path: Path, key: PrivateKey) -> None:
    bus = SlowBus()
    board, ground = Board(tmp_path, bus), Ground(bus, key)
    board.pinned = key.public
    for at in range(300):  # of as many runs, which cannot be joined
        board.spool.append([spooled_of(1, 1, boot=f"{at:016x}")], declarations=[HEALTH])
    ground.come()
    for first in range(1, 301):
        board.commit(first)
    begun_s = time.monotonic()
    board.publisher.close()
    assert time.monotonic() - begun_s < 4
    assert board.spool.samples == 600
    board.spool.close()
