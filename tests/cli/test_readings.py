"""Values as people and programs read them."""

from __future__ import annotations

import json
from math import inf, nan

import pytest

from heliograph.cli.readings import json_lines, lines, readings
from heliograph.link.channel import Channel, Limits, Stream, Value
from heliograph.link.intake import Samples, samples_of
from heliograph.testing.blocks import block_of

LIMITS = Limits(alarm_low=-10.0, warning_low=0.0, warning_high=80.0, alarm_high=90.0)
STREAM = Stream(
    name="engine",
    channels=(Channel(name="t", limits=LIMITS), Channel(name="note", type="text", size_bytes=20)),
    stale_after_s=2.0,
)


def samples(*values: tuple[Value, ...]) -> Samples:
    return samples_of(block_of(1, len(values), STREAM, rows=STREAM.pack(list(values)).tobytes()), STREAM)


@pytest.mark.parametrize(
    ("value", "state"),
    [(-11.0, "alarm"), (-1.0, "warning"), (80.0, ""), (80.5, "warning"), (91.0, "alarm"), (nan, "")],
)
def test_limits_are_told_in_words(value: float, state: str) -> None:
    temperature, note = readings(samples((1.0, "before"), (value, "x")), age_s=1.0)
    assert temperature.row()["state"] == state
    assert bool(temperature.style) is bool(state)
    assert (note.row()["state"], note.style) == ("", "")


def test_what_is_too_old_is_stale_whatever_it_says() -> None:
    temperature, _ = readings(samples((91.0, "x")), age_s=2.5)
    assert (temperature.row()["state"], temperature.style) == ("alarm, stale", "dim")
    assert temperature.facts()["stale"] is True


def test_words_are_told_apart() -> None:
    told = [line.split(" ", 4)[-1] for line in lines(samples((0.5, "two words"), (nan, ""), (1e6, 'a"b')))]
    assert told == ['note="two words"', 'note=""', r'note="a\"b"']


@pytest.mark.parametrize("value", [nan, inf, -inf])
def test_json_has_null_for_what_is_no_number(value: float) -> None:
    (line,) = json_lines(samples((value, "x")))
    assert json.loads(line)["values"] == {"t": None, "note": "x"}
    assert readings(samples((value, "x")), 0.0)[0].facts()["value"] is None


def test_a_table_has_a_dash_for_what_was_not_measured() -> None:
    assert readings(samples((nan, "x")), 0.0)[0].row()["value"] == "-"
