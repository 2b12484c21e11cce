"""Streams: values are packed and come back as they were, and a declaration's name changes with anything in it."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.link.channel import TYPES, Channel, Limits, Stream, pack_text

VALUES = {
    "float64": st.floats(allow_nan=False),
    "float32": st.floats(width=32, allow_nan=False),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "uint8": st.integers(0, 255),
    "bool": st.booleans(),
    "text": st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6),
}


@given(st.lists(st.sampled_from([*TYPES, "text"]), min_size=1, max_size=12), st.data())
def test_values_come_back_as_they_were(types: list[str], data: st.DataObject) -> None:
    channels = [
        Channel(name=f"c{at}", type=each, size_bytes=24 if each == "text" else 0) for at, each in enumerate(types)
    ]
    stream = Stream(name="any", channels=tuple(channels))
    samples = data.draw(st.lists(st.tuples(*(VALUES[each] for each in types)), min_size=1, max_size=5))
    packed = stream.pack(samples)
    assert packed.dtype.itemsize == sum(24 if each == "text" else np.dtype(TYPES[each]).itemsize for each in types), (
        "there are no gaps in memory"
    )
    assert stream.unpack(packed.tobytes()) == samples


@given(st.text(), st.integers(1, 12))
def test_a_text_is_cut_where_a_character_ends(text: str, size_bytes: int) -> None:
    packed = pack_text(text, size_bytes)
    assert len(packed) <= size_bytes
    whole = text.encode("utf-8", "replace").decode()
    assert whole.startswith(packed.decode())
    if len(whole.encode()) <= size_bytes:
        assert packed.decode() == whole


@pytest.mark.parametrize(
    "values", [("word", 1), (1.0, 2**40), (1.0,), (1.0, 2, 3)], ids=["word", "large", "few", "many"]
)
def test_a_value_that_does_not_fit_is_refused(values: tuple[object, ...]) -> None:
    stream = Stream(name="any", channels=(Channel(name="a"), Channel(name="b", type="int32")))
    with pytest.raises((ValueError, OverflowError, TypeError)):
        stream.pack([values])  # type: ignore[list-item]


def test_no_number_is_a_value_too() -> None:
    stream = Stream(name="any", channels=(Channel(name="a"),))
    ((value,),) = stream.unpack(stream.pack([(math.nan,)]).tobytes())
    assert isinstance(value, float)
    assert math.isnan(value)


def test_bytes_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match="size"):
        Stream(name="any", channels=(Channel(name="a"),)).unpack(bytes(9))


def test_the_schema_changes_with_anything_and_with_nothing_else() -> None:
    stream = Stream(name="power", channels=(Channel(name="volts", unit="V", limits=Limits(alarm_high=5.0)),))
    others = [
        msgspec.structs.replace(stream, name="other"),
        msgspec.structs.replace(stream, stale_after_s=2.0),
        msgspec.structs.replace(stream, channels=(Channel(name="volts", unit="mV", limits=Limits(alarm_high=5.0)),)),
        msgspec.structs.replace(stream, channels=(Channel(name="volts", unit="V", limits=Limits(alarm_low=5.0)),)),
        msgspec.structs.replace(stream, channels=(*stream.channels, Channel(name="amperes", unit="A"))),
    ]
    assert len({each.schema for each in [stream, *others]}) == 6
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(stream), type=Stream)
    assert again == stream
    # A node that was brought up to date must not name a declaration anew: archives know it by this name.
    assert again.schema == stream.schema == "5166c7b67e2022e6"


def test_a_declaration_keeps_its_name_on_its_way_though_its_numbers_were_written_whole() -> None:
    limits = Limits(warning_low=0, warning_high=80)
    stream = Stream(name="health", channels=(Channel(name="temperature", limits=limits),), stale_after_s=5)
    for _ in range(2):
        came = msgspec.msgpack.decode(msgspec.msgpack.encode(stream), type=Stream)
        assert came.schema == stream.schema
        stream = came
