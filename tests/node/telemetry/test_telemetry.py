"""Telemetry as a whole: from a source's sample to an archive on the ground, through what can go wrong between."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np
import pytest

from heliograph.core import SettingError
from heliograph.link.archive import SqliteArchive
from heliograph.link.bus import Bus
from heliograph.link.channel import Channel, Limits, Stream
from heliograph.link.collector import Collector
from heliograph.link.dictionary import Role
from heliograph.link.event import ArchivedEvent, Event, Events, EventsRequest, Severity
from heliograph.link.keys import PrivateKey
from heliograph.link.message import decode, encode
from heliograph.link.telemetry import DROPS, DROPS_STREAM, EVENTS_STREAM, Latest
from heliograph.link.topic import EVENTS, LATEST, topic
from heliograph.link.trust import Pin, Trust
from heliograph.node.outlet import Declare, Emit, Recorder
from heliograph.node.telemetry import Telemetry
from heliograph.node.telemetry.observer import Observer
from heliograph.testing.blocks import BOOT, HEALTH, NODE
from heliograph.testing.bus import connected_buses
from heliograph.testing.disk import disk_full_beyond
from heliograph.testing.memory_bus import MemoryBus

PATIENCE_S = 10.0
EVER = (0, 2**62)
WIDE = Stream(name="wide", channels=tuple(Channel(name=f"c{at}") for at in range(18)))


def eventually(condition: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s
        threading.Event().wait(0.01)


class Bench:
    """One node's telemetry and one ground, which are begun and ended as a test likes."""

    def __init__(self, folder: Path, board: Bus, ground: Bus) -> None:
        self.key = PrivateKey.generate()
        self.trust = Trust([Pin(self.key.public, Role.ARCHIVE, archive=True)], None)
        self.folder = folder
        self._board = board
        self._ground = ground
        self._open = ExitStack()
        self.archive = self._open.enter_context(SqliteArchive(folder / "ground.sqlite"))

    def telemetry(self, boot: str = BOOT, *, max_bytes: int = 50_000_000, trust: Trust | None = None) -> Telemetry:
        made = Telemetry(self.folder / "node", self._board, NODE, boot, trust or self.trust, max_bytes=max_bytes)
        self._open.callback(made.close)
        return made

    def collector(self) -> Collector:
        return self._open.enter_context(Collector(self._ground, self.archive, self.key, [NODE]))

    def numbers(self, stream: str, boot: str = BOOT) -> list[int]:
        return [
            number
            for each in self.archive.samples(NODE, stream, *EVER, 10**6)
            if each.boot == boot
            for number in each.sequences.tolist()
        ]

    def events(self) -> list[ArchivedEvent]:
        return list(self.archive.events(NODE, *EVER, severity=Severity.DIAGNOSTIC))

    def close(self) -> None:
        self._open.close()


@pytest.fixture
def bus() -> MemoryBus:
    return MemoryBus()


@pytest.fixture
def bench(tmp_path: Path, bus: MemoryBus) -> Iterator[Bench]:
    made = Bench(tmp_path, bus, bus)
    yield made
    made.close()


def events_on_board(bus: Bus, **request: object) -> list[Event]:
    ((_, answer),) = bus.ask(topic(NODE, EVENTS), encode(EventsRequest(**request)))  # type: ignore[arg-type]
    return [each.event for each in decode(answer, Events).events]


def test_over_a_real_bus_everything_comes_to_the_archive_and_leaves_the_spool(tmp_path: Path) -> None:
    with connected_buses(2) as (ground, board), closing(Bench(tmp_path, board, ground)) as bench:
        telemetry = bench.telemetry()
        declare: Declare = telemetry.declare
        emit: Emit = telemetry.emit
        health, wide = declare(HEALTH), declare(WIDE)
        for number in range(1, 501):
            health.sample((float(number), number, True), number)
        bench.collector()
        wide.samples(np.arange(10_000), np.zeros(10_000, WIDE.dtype))
        emit(Severity.WARNING, "camera.lost", "cam-1 is gone", camera="cam-1")
        eventually(lambda: telemetry.spooled() == 0 and len(bench.numbers("wide")) == 10_000)
        assert bench.numbers("health") == list(range(1, 501))
        (samples,) = bench.archive.samples(NODE, "health", *EVER, 1_000)
        assert samples.rows["count"].tolist() == samples.boot_times_ns.tolist() == list(range(1, 501))
        assert [each.event.message for each in bench.events()] == ["cam-1 is gone"]
        assert [each.message for each in events_on_board(ground)] == ["cam-1 is gone"]


def test_an_outage_and_a_restart_of_both_ends_lose_nothing(bench: Bench, bus: MemoryBus) -> None:
    telemetry = bench.telemetry("first boot")
    health = telemetry.declare(HEALTH)
    with bench.collector():
        health.sample((1.0, 1, True))
        eventually(lambda: bench.numbers("health", "first boot") == [1])
        bus.up = False
        for number in range(2, 40):
            health.sample((1.0, number, True))
    telemetry.close()
    bus.up = True
    again = bench.telemetry("second boot")
    again.declare(HEALTH).sample((1.0, 1, True))
    bench.collector()
    eventually(lambda: again.spooled() == 0)
    assert bench.numbers("health", "first boot") == list(range(1, 40))
    assert bench.numbers("health", "second boot") == [1]


def test_the_newest_values_and_the_streams_are_told(bench: Bench, bus: MemoryBus) -> None:
    telemetry = bench.telemetry()
    health = telemetry.declare(HEALTH)
    telemetry.declare(WIDE)
    assert telemetry.streams() == (HEALTH, WIDE, DROPS)
    health.sample((1.0, 1, True), 111)
    health.sample((2.5, 2, False), 222)
    found: list[Latest] = []

    def latest() -> bool:
        ((_, answer),) = bus.ask(topic(NODE, LATEST))
        found.append(decode(answer, Latest))
        return bool(found[-1].newest)

    eventually(latest)
    (newest,) = found[-1].newest
    assert (newest.stream, newest.sequence, newest.boot_time_ns) == (HEALTH, 2, 222)
    assert HEALTH.unpack(newest.row) == [(2.5, 2, False)]
    assert found[-1].boot == BOOT
    assert abs(found[-1].boot_time_ns + found[-1].wall_minus_boot_ns - time.time_ns()) < 10**10


def test_events_on_board_outlive_a_restart_and_can_be_searched(bench: Bench, bus: MemoryBus) -> None:
    first = bench.telemetry("first boot")
    first.emit(Severity.WARNING, "camera.lost", "cam-1 is gone")
    first.emit(Severity.ACTIVITY, "camera.back", "cam-1 is there")
    first.close()
    bench.telemetry("second boot")
    assert [each.name for each in events_on_board(bus)] == ["camera.lost", "camera.back"]
    assert [each.name for each in events_on_board(bus, severity=Severity.WARNING)] == ["camera.lost"]
    assert [each.name for each in events_on_board(bus, text="THERE")] == ["camera.back"]
    assert bus.ask(topic(NODE, EVENTS), b"garbage") == []


def test_a_limit_that_is_crossed_is_an_event(bench: Bench, bus: MemoryBus) -> None:
    hot = Stream(name="hot", channels=(Channel(name="cpu", unit="degC", limits=Limits(warning_high=80.0)),))
    bench.telemetry().declare(hot).sample((85.0,))
    eventually(lambda: events_on_board(bus))
    (event,) = events_on_board(bus)
    assert (event.severity, event.name) == (Severity.WARNING, "limit.warning")
    assert event.message == "hot.cpu is 85 degC, beyond 80 degC"


def test_a_defect_in_watching_limits_costs_no_sample(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Observer, "note", fail)
    telemetry = bench.telemetry()
    telemetry.declare(HEALTH).sample((1.0, 2, True))
    bench.collector()

    def stored() -> bool:
        telemetry.emit(Severity.ACTIVITY, "test", "gives the writer another turn")
        return bench.numbers("health") == [1]

    eventually(stored)


def test_a_stream_is_declared_once_and_correctly(bench: Bench) -> None:
    telemetry = bench.telemetry()
    telemetry.declare(HEALTH)
    with pytest.raises(SettingError, match="'health' is declared already"):
        telemetry.declare(HEALTH)
    with pytest.raises(SettingError, match="1 to 64"):
        telemetry.declare(Stream(name="a/b", channels=HEALTH.channels))


def test_samples_that_do_not_fit_are_told_once(bench: Bench, bus: MemoryBus) -> None:
    health = bench.telemetry().declare(HEALTH)
    for _ in range(100):
        health.sample(("word", 1, True))
    health.sample((1.0, 1, True))
    eventually(lambda: events_on_board(bus))
    assert [each.name for each in events_on_board(bus)] == ["telemetry.misfit"]


def test_without_an_archive_it_is_a_history_and_says_so_once(bench: Bench, bus: MemoryBus) -> None:
    telemetry = bench.telemetry(max_bytes=1_000_000, trust=Trust([], None))
    wide = telemetry.declare(WIDE)
    for count in range(1_000, 61_000, 1_000):
        measure(bus, wide, 1_000, count)
    assert telemetry.spooled() < 10_000
    assert [each.name for each in events_on_board(bus)] == ["telemetry.history"]


def measure(bus: Bus, wide: Recorder, samples: int, number: int) -> None:
    """Take samples, and wait until the writer has taken the last of them, whose number is given."""
    wide.samples(np.arange(samples), np.zeros(samples, WIDE.dtype))
    eventually(lambda: newest_number(bus) == number)


def newest_number(bus: Bus) -> int:
    ((_, answer),) = bus.ask(topic(NODE, LATEST))
    return max((each.sequence for each in decode(answer, Latest).newest), default=0)


def test_what_had_to_be_dropped_is_counted_and_the_archive_knows(bench: Bench, bus: MemoryBus) -> None:
    telemetry = bench.telemetry(max_bytes=1_000_000)
    wide = telemetry.declare(WIDE)
    for count in range(1_000, 61_000, 1_000):
        measure(bus, wide, 1_000, count)
    telemetry.emit(Severity.ACTIVITY, "test.over", "that was all")
    eventually(lambda: {"test.over", "telemetry.dropped"} <= {each.name for each in events_on_board(bus)})
    # Though nothing more is measured.
    bench.collector()
    eventually(lambda: bench.numbers(DROPS_STREAM))
    eventually(lambda: telemetry.spooled() == 0)
    dropped = [
        DROPS.unpack(row.tobytes())[0]
        for each in bench.archive.samples(NODE, DROPS_STREAM, *EVER, 1_000)
        for row in each.rows
    ]
    stored = bench.numbers("wide")
    known = {number for _, _, first, count in dropped for number in range(int(first), int(first) + int(count))}
    assert all((boot, stream) == (BOOT, "wide") for boot, stream, _, _ in dropped)
    assert len(dropped) == 1
    assert not known & set(stored)
    assert known | set(stored) == set(range(1, stored[-1] + 1))
    told = [each.name for each in events_on_board(bus)]
    assert told.count("telemetry.dropped") == 1


def test_on_a_full_disk_measuring_goes_on_and_nothing_is_lost_once_there_is_room(bench: Bench, bus: MemoryBus) -> None:
    telemetry = bench.telemetry()
    health = telemetry.declare(HEALTH)
    health.sample((1.0, 1, True))
    eventually(lambda: telemetry.spooled() == 1)
    with disk_full_beyond(4_096):
        for number in range(2, 12):
            health.sample((1.0, number, True))
            eventually(lambda number=number: newest_number(bus) == number)  # type: ignore[misc]
        # Viewers follow all the same.
        assert len([key for key, _, _ in bus.said if key.endswith("/health")]) > 2
        assert telemetry.spooled() == 1
    health.sample((1.0, 12, True))
    eventually(lambda: telemetry.spooled() >= 12)
    bench.collector()
    eventually(lambda: telemetry.spooled() == 0)
    assert bench.numbers("health") == list(range(1, 13))
    names = [each.event.name for each in bench.events()]
    assert names[:2] == ["telemetry.unwritable", "telemetry.written"]


def test_what_a_full_disk_cost_is_told_when_there_is_room(bench: Bench, bus: MemoryBus) -> None:
    telemetry = bench.telemetry(trust=Trust([], None))
    wide = telemetry.declare(WIDE)
    with disk_full_beyond(4_096):
        for count in range(20_000, 260_000, 20_000):
            measure(bus, wide, 20_000, count)
    eventually(lambda: "telemetry.written" in {each.name for each in events_on_board(bus)})
    (event,) = events_on_board(bus, text="telemetry.written")
    assert event.arguments["lost"] > 100_000
    eventually(lambda: telemetry.spooled() + event.arguments["lost"] >= 240_000)
    told = [each.name for each in events_on_board(bus)]
    assert sorted(told) == ["telemetry.dropped", "telemetry.history", "telemetry.unwritable", "telemetry.written"]


def test_a_damaged_spool_is_told_and_a_new_one_begins(bench: Bench, bus: MemoryBus) -> None:
    (bench.folder / "node").mkdir()
    (bench.folder / "node" / "spool.sqlite").write_bytes(b"garbage" * 2_000)
    telemetry = bench.telemetry()
    telemetry.declare(HEALTH).sample((1.0, 1, True))
    eventually(lambda: events_on_board(bus) and telemetry.spooled() >= 2)
    (event,) = events_on_board(bus)
    assert event.name == "telemetry.file"
    assert "spool.sqlite.aside" in event.message


def test_events_tell_why_there_is_no_spool(bench: Bench, bus: MemoryBus) -> None:
    (bench.folder / "node" / "spool.sqlite").mkdir(parents=True)
    bench.telemetry()

    def told() -> list[str]:
        ((_, answer),) = bus.ask(topic(NODE, EVENTS), encode(EventsRequest(severity=Severity.WARNING)))
        return [each.event.name for each in decode(answer, Events).events]

    eventually(lambda: told() == ["telemetry.file", "telemetry.unwritable"])
    (bench.folder / "node" / "spool.sqlite").rmdir()
    bench.collector()
    eventually(lambda: [each.event.name for each in bench.events()][-1:] == ["telemetry.written"])
    assert [each.sequence for each in bench.events()] == [1, 2, 3]


def test_closing_commits_what_was_measured_a_moment_before(bench: Bench) -> None:
    telemetry = bench.telemetry()
    health = telemetry.declare(HEALTH)
    for number in range(100):
        health.sample((1.0, number, True))
    telemetry.emit(Severity.FATAL, "node.ends", "last words")
    telemetry.close()
    again = bench.telemetry("second boot")
    assert again.spooled() == 101


def test_events_are_a_stream_of_their_own(bench: Bench) -> None:
    telemetry = bench.telemetry()
    for number in range(5):
        telemetry.emit(Severity.ACTIVITY, "test.number", str(number), number=number)
    bench.collector()
    eventually(lambda: len(bench.events()) == 5)
    found = bench.events()
    assert [each.event.arguments["number"] for each in found] == list(range(5))
    assert [each.sequence for each in found] == list(range(1, 6))
    assert EVENTS_STREAM not in {each.name for each in telemetry.streams()}
