"""A collector on a real bus: nothing is acknowledged before it is on the disk."""

from __future__ import annotations

import queue
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from heliograph.core import OutputError
from heliograph.link.archive import SqliteArchive
from heliograph.link.bus import Bus, Closable, Urgency
from heliograph.link.collector import Collector
from heliograph.link.dictionary import Dictionary
from heliograph.link.keys import PrivateKey, PublicKey
from heliograph.link.message import encode
from heliograph.link.settings import PORT, LinkSettings
from heliograph.link.signature import unseal
from heliograph.link.telemetry import Acknowledge, Block, Range
from heliograph.link.topic import ACKNOWLEDGE, ALIVE, ANY, BLOCKS, DICTIONARY, collector_topic, topic
from heliograph.link.zenoh import open_bus
from heliograph.testing.blocks import BOOT, HEALTH, NODE, block_of
from heliograph.testing.bus import connected_buses, settle

PATIENCE_S = 10.0
EVER = (0, 2**62)


class Board:
    """The board's end: says blocks, hears what is acknowledged, and whether an archive is there."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.heard: queue.Queue[tuple[PublicKey, Acknowledge]] = queue.Queue()
        self.there: queue.Queue[bool] = queue.Queue()
        self.alive = bus.be_present(topic(NODE, ALIVE))
        self._declared: list[Closable] = [
            bus.subscribe(topic(NODE, ACKNOWLEDGE), lambda _, data: self.heard.put(unseal(data, Acknowledge))),
            bus.watch_presence(collector_topic(NODE, ANY), lambda _, there: self.there.put(there)),
        ]

    def say(self, *blocks: Block) -> None:
        for block in blocks:
            self.bus.publish(topic(NODE, BLOCKS, block.stream), encode(block), Urgency.BACKLOG)

    def acknowledged(self, count: int = 1) -> tuple[Range, ...]:
        """Wait until so many blocks are acknowledged."""
        found: tuple[Range, ...] = ()
        while len(found) < count:
            found += self.heard.get(timeout=PATIENCE_S)[1].stored
        return found


@pytest.fixture
def buses() -> Iterator[list[Bus]]:
    with connected_buses(2) as connected:
        yield connected


@pytest.fixture
def board(buses: list[Bus]) -> Board:
    return Board(buses[1])


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[SqliteArchive]:
    with SqliteArchive(tmp_path / "archive.sqlite") as opened:
        yield opened


@contextmanager
def collecting(buses: list[Bus], archive: SqliteArchive, board: Board, **options: object) -> Iterator[Collector]:
    settle(buses)
    with Collector(buses[0], archive, PrivateKey.generate(), **options) as collector:  # type: ignore[arg-type]
        assert board.there.get(timeout=PATIENCE_S)
        settle(buses)
        yield collector


def numbers(archive: SqliteArchive) -> list[int]:
    return [number for each in archive.samples(NODE, "health", *EVER) for number in each.sequences.tolist()]


def test_what_is_acknowledged_is_stored_and_signed(buses: list[Bus], board: Board, archive: SqliteArchive) -> None:
    key = PrivateKey.generate()
    given: list[Block] = []
    with Collector(buses[0], archive, key, [NODE], on_block=given.append):
        assert board.there.get(timeout=PATIENCE_S)
        settle(buses)
        board.say(block_of(1, 3))
        signer, told = board.heard.get(timeout=PATIENCE_S)
        assert signer == key.public
        assert told == Acknowledge(node=NODE, stored=(Range(BOOT, "health", 1, 3),))
        assert numbers(archive) == [1, 2, 3]
        # One that comes again, as its acknowledgement was lost, is acknowledged again and stored once.
        board.say(block_of(1, 3, declared=False))
        board.acknowledged()
    assert numbers(archive) == [1, 2, 3]
    assert [each.first for each in given] == [1, 1]
    assert not board.there.get(timeout=PATIENCE_S)


def test_nodes_are_found_by_their_presence(buses: list[Bus], board: Board, archive: SqliteArchive) -> None:
    with collecting(buses, archive, board) as collector:
        board.say(block_of(1, 1))
        board.acknowledged()
        board.alive.close()
        assert not board.there.get(timeout=PATIENCE_S)
    assert collector.tally.stored_samples == 1


def test_a_missing_declaration_is_asked_for(buses: list[Bus], board: Board, archive: SqliteArchive) -> None:
    with collecting(buses, archive, board):
        board.say(block_of(1, 1, declared=False))
        _, told = board.heard.get(timeout=PATIENCE_S)
        assert told == Acknowledge(node=NODE, unknown=(("health", HEALTH.schema),))


def test_a_node_that_does_not_heed_us_is_asked_for_its_declarations(
    buses: list[Bus], board: Board, archive: SqliteArchive
) -> None:
    asked = threading.Event()

    def answer(_: str, __: bytes) -> Iterator[bytes]:
        yield encode(Dictionary(commands=(), streams=(HEALTH,)))
        asked.set()

    buses[1].answer(topic(NODE, DICTIONARY), answer)
    with collecting(buses, archive, board):
        board.say(block_of(1, 1, declared=False))
        board.heard.get(timeout=PATIENCE_S)
        assert asked.wait(PATIENCE_S)
        board.say(block_of(2, 1, declared=False))
        assert board.acknowledged() == (Range(BOOT, "health", 2, 1),)


class FullAtTimes(SqliteArchive):
    """Has no room while told so, and notes whether it was through before anything was acknowledged."""

    full = False

    def store(self, blocks: Sequence[Block], ground_minus_boot_ns: Mapping[tuple[str, str], int] | None = None) -> None:
        if self.full:
            raise OutputError("no room")
        super().store(blocks, ground_minus_boot_ns)


def test_while_the_disk_is_full_nothing_is_acknowledged_and_nothing_lost(
    buses: list[Bus], board: Board, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with FullAtTimes(tmp_path / "full.sqlite") as archive, collecting(buses, archive, board):
        archive.full = True
        board.say(block_of(1, 3), block_of(4, 3))
        assert not board.there.get(timeout=PATIENCE_S)
        assert board.heard.empty()
        archive.full = False
        assert {each.first for each in board.acknowledged(2)} == {1, 4}
        assert board.there.get(timeout=PATIENCE_S)
        assert numbers(archive) == [1, 2, 3, 4, 5, 6]
    assert [record.levelname for record in caplog.records if "no room" in record.message] == ["ERROR"]


class Slow(SqliteArchive):
    """Waits with each commit until it may."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.began, self.may = threading.Event(), threading.Event()
        self.commits: list[list[int]] = []

    def store(self, blocks: Sequence[Block], ground_minus_boot_ns: Mapping[tuple[str, str], int] | None = None) -> None:
        self.commits.append([each.first for each in blocks])
        self.began.set()
        self.may.wait(PATIENCE_S)


def test_live_blocks_and_backlog_take_turns(buses: list[Bus], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("heliograph.link.collector._COMMIT_BYTES", 1)
    with Slow(tmp_path / "slow.sqlite") as archive, Collector(buses[0], archive, PrivateKey.generate(), [NODE]) as it:
        for first, live in ((1, False), (2, False), (3, False), (11, True), (12, True), (13, True)):
            it._take(topic(NODE, BLOCKS, "health"), encode(block_of(first, 1, live=live)))
            archive.began.wait(PATIENCE_S)
        archive.may.set()
    assert archive.commits == [[1], [11], [2], [12], [3], [13]]


def test_it_ends_while_the_disk_is_full(buses: list[Bus], board: Board, tmp_path: Path) -> None:
    with FullAtTimes(tmp_path / "full.sqlite") as archive:
        with collecting(buses, archive, board):
            archive.full = True
            board.say(block_of(1, 3))
            assert not board.there.get(timeout=PATIENCE_S)
            begin_s = time.monotonic()
        assert time.monotonic() - begin_s < 5
        assert board.heard.empty()


def test_what_finds_no_room_in_memory_is_dropped_and_counted(
    buses: list[Bus], board: Board, archive: SqliteArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    block = block_of(1, 3)
    monkeypatch.setattr("heliograph.link.collector._QUEUE_BYTES", len(encode(block)) + 200)
    with collecting(buses, archive, board) as collector:
        board.say(block_of(1, 1000), block)
        assert board.acknowledged() == (Range(BOOT, "health", 1, 3),)
        assert collector.tally.dropped_blocks == 1


def test_a_viewer_that_fails_does_not_stop_the_collecting(
    buses: list[Bus], board: Board, archive: SqliteArchive, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(block: Block) -> None:
        raise ValueError(block.first)

    with collecting(buses, archive, board, on_block=fail):
        board.say(block_of(1, 1))
        board.acknowledged()
        board.say(block_of(2, 1))
        board.acknowledged()
    assert numbers(archive) == [1, 2]
    assert "could not be" in caplog.text


def test_a_bus_that_was_closed_first_does_no_harm(archive: SqliteArchive) -> None:
    with connected_buses(2) as (ground, _):
        collector = Collector(ground, archive, PrivateKey.generate(), [NODE])
        ground.close()
        collector.close()


def test_killed_at_random_points_it_has_everything_that_it_acknowledged(tmp_path: Path, address: str) -> None:
    """A board sends until all is acknowledged, while the ground is killed (SIGKILL) at random points of its work."""
    endpoint, file = f"tcp/{address}:{PORT}", tmp_path / "archive.sqlite"
    PrivateKey.generate().write(tmp_path / "key")
    bus = open_bus(LinkSettings(mode="router", listen=(endpoint,)))
    rng = random.Random(4)
    acknowledged: set[tuple[int, int]] = set()
    came = threading.Event()

    def hear(_: str, data: bytes) -> None:
        acknowledged.update((each.first, each.count) for each in unseal(data, Acknowledge)[1].stored)
        came.set()

    board = Board(bus)
    bus.subscribe(topic(NODE, ACKNOWLEDGE), hear)
    blocks = [block_of(1 + 20 * at, 20) for at in range(400)]
    try:
        for last in (False, False, False, False, True):
            command = [
                sys.executable,
                "-m",
                "heliograph.testing.collecting",
                endpoint,
                str(file),
                str(tmp_path / "key"),
            ]
            with subprocess.Popen(command, stderr=subprocess.DEVNULL) as ground:
                try:
                    while not board.there.get(timeout=PATIENCE_S):
                        pass
                    deadline_s = time.monotonic() + (20 if last else rng.uniform(0, 0.1))
                    while len(acknowledged) < len(blocks) and time.monotonic() < deadline_s:
                        came.clear()
                        waiting = [each for each in blocks if (each.first, each.count) not in acknowledged]
                        board.say(*rng.sample(waiting, min(10, len(waiting))))
                        came.wait(0.2)
                finally:
                    ground.kill()
            with SqliteArchive(file, read_only=True) as archive:
                there = set(numbers(archive))
            promised = {n for first, count in acknowledged for n in range(first, first + count)}
            assert promised <= there
    finally:
        bus.close()
    with SqliteArchive(file) as archive:
        assert numbers(archive) == list(range(1, 8001))
        assert archive.gaps(NODE, BOOT, "health") == []
        assert all((each.rows["count"] == each.sequences).all() for each in archive.samples(NODE, "health", *EVER))
