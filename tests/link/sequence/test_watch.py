from collections.abc import Iterator
from threading import Thread
from typing import Any

import msgspec
import numpy as np

from heliograph.link.bus import Bus
from heliograph.link.event import ArchivedEvent, Event, Events, EventsRequest, Severity
from heliograph.link.message import decode, encode
from heliograph.link.sequence.watch import RunWatch
from heliograph.link.telemetry import Block
from heliograph.link.topic import BLOCKS, EVENTS, topic
from heliograph.testing.bus import connected_buses, settle

NODE, BOOT = "9f86d081884c7d65", "00112233aabbccdd"


class Board:
    """A node that tells events, some of which the link loses, and has them all in its archive."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._told: list[Event] = []
        self.asked: list[EventsRequest] = []
        bus.answer(topic(NODE, EVENTS), self._answer)

    def tell(self, name: str, *, run: str = "r1", lost: bool = False, **told: Any) -> None:
        event = Event(
            boot_time_ns=0,
            severity=Severity.COMMAND,
            name=name,
            message=f"sequence flight {name}",
            arguments={"run": run, **told},
        )
        self._told.append(event)
        block = Block(
            node=NODE,
            boot=BOOT,
            stream="events",
            schema="",
            first=len(self._told),
            count=1,
            times=np.zeros(1, "<i8").tobytes(),
            rows=msgspec.msgpack.encode([event]),
            wall_minus_boot_ns=0,
        )
        if not lost:
            self._bus.publish(topic(NODE, BLOCKS, "events"), encode(block))

    def _answer(self, _: str, question: bytes) -> Iterator[bytes]:
        self.asked.append(decode(question, EventsRequest))
        archived = (
            ArchivedEvent(boot=BOOT, sequence=number, wall_time_ns=0, event=event)
            for number, event in enumerate(self._told, 1)
        )
        yield encode(Events(events=tuple(archived)))


def test_a_run_is_told_once_in_order_with_what_the_link_lost() -> None:
    with connected_buses(2) as (ground, bus), RunWatch(ground, NODE) as watch:
        board = Board(bus)
        settle([ground, bus])
        board.tell("sequence.started")
        board.tell("sequence.step", step=1)
        board.tell("sequence.completed", run="r2")
        board.tell("sequence.step", step=2, lost=True)
        board.tell("sequence.completed")
        told = [(each.event.name, each.event.arguments.get("step")) for each in watch.steps("r1", "flight")]
        assert told == [
            ("sequence.started", None),
            ("sequence.step", 1),
            ("sequence.step", 2),
            ("sequence.completed", None),
        ]
        assert watch.end == "completed"
        assert board.asked == [EventsRequest(limit=1000, text="sequence flight")]


def test_an_end_that_the_link_lost_is_found_in_the_archive() -> None:
    with connected_buses(2) as (ground, bus), RunWatch(ground, NODE) as watch:
        board = Board(bus)
        settle([ground, bus])
        board.tell("sequence.started")
        board.tell("sequence.failed", lost=True)
        told: list[str] = []
        thread = Thread(
            target=lambda: told.extend(each.event.name for each in watch.steps("r1", "flight")), daemon=True
        )
        thread.start()
        thread.join(20)
        assert told == ["sequence.started", "sequence.failed"]
        assert watch.end == "failed"
