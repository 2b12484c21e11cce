"""Events are taken from anybody, whatever their arguments are."""

from __future__ import annotations

import enum
import logging
from pathlib import Path

import msgspec
import numpy as np
import pytest

from heliograph.link.event import Event, Severity
from heliograph.link.spooled import BLOCK_BYTES
from heliograph.node.telemetry.emitter import Emitter
from heliograph.node.telemetry.recorder import Taken


class Colour(enum.Enum):
    RED = "red"


def events(taken: Taken | None) -> list[Event]:
    assert taken is not None
    found = msgspec.msgpack.decode(taken.rows, type=list[Event])
    assert len(found) == taken.count == len(taken.times) // 8
    assert [each.boot_time_ns for each in found] == np.frombuffer(taken.times, "<i8").tolist()
    return found


def emitter() -> Emitter:
    return Emitter(lambda: None)


def test_an_event_is_numbered_and_wakes_the_writer() -> None:
    wakes: list[None] = []
    made = Emitter(lambda: wakes.append(None))
    made.emit(Severity.WARNING, "camera.lost", "cam-1 is gone", camera="cam-1", seconds=1.5)
    made.emit(Severity.ACTIVITY, "camera.back", "cam-1 is there")
    taken = made.take()
    first, second = events(taken)
    assert (first.name, first.severity, first.arguments) == (
        "camera.lost",
        Severity.WARNING,
        {"camera": "cam-1", "seconds": 1.5},
    )
    assert second.message == "cam-1 is there"
    assert taken is not None
    assert taken.first == 1
    assert len(wakes) == 2
    assert made.take() is None


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Path("a/b"), "a/b"),
        (Colour.RED, "red"),
        (np.int64(3), 3),
        (np.float32(1.5), 1.5),
        ((1, 2), [1, 2]),
        ({"a": {"b": None}}, {"a": {"b": None}}),
    ],
)
def test_arguments_become_plain(value: object, plain: object) -> None:
    made = emitter()
    made.emit(Severity.ACTIVITY, "a", "b", value=value)
    assert events(made.take())[0].arguments == {"value": plain}


class Unspeakable:
    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize("value", [2**70, "\ud800", "x" * 100_000, Unspeakable()])
def test_arguments_that_cannot_travel_are_named_and_the_event_remains(value: object) -> None:
    made = emitter()
    made.emit(Severity.ACTIVITY, "a", "still said", value=value)
    (event,) = events(made.take())
    assert event.message == "still said"
    assert "arguments" in event.arguments["omitted"]


def test_names_of_files_that_are_no_text_do_not_hurt() -> None:
    made = emitter()
    made.emit(Severity.ACTIVITY, "file.lost", "the file \udcff is gone" + "x" * 5_000)
    (event,) = events(made.take())
    assert event.message.startswith("the file ? is gone")
    assert len(event.message) == 1_000


def test_a_message_holds_no_more_than_it_may_and_the_rest_comes_next() -> None:
    made = emitter()
    for number in range(500):
        made.emit(Severity.ACTIVITY, "a", f"{number:05}" + "x" * 990)
    found: list[Event] = []
    while taken := made.take():
        assert taken.first == len(found) + 1
        assert len(taken.rows) < BLOCK_BYTES + 2_000
        found += events(taken)
    assert [int(each.message[:5]) for each in found] == list(range(500))


def test_a_flood_is_bounded_and_its_losses_have_numbers() -> None:
    made = emitter()
    logging.disable(logging.CRITICAL)
    try:
        for _ in range(10_050):
            made.emit(Severity.DIAGNOSTIC, "a", "b")
    finally:
        logging.disable(logging.NOTSET)
    count = lost = 0
    while taken := made.take():
        count, lost = count + taken.count, lost + taken.lost
    assert (count, lost) == (10_000, 50)
    made.emit(Severity.DIAGNOSTIC, "a", "b")
    after = made.take()
    assert after is not None
    assert after.first == 10_051


def test_people_at_the_board_read_it_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        emitter().emit(Severity.ALARM, "power.low", "5 V is 4.1 V")
    assert [(each.levelname, each.message) for each in caplog.records] == [("ERROR", "power.low: 5 V is 4.1 V")]
