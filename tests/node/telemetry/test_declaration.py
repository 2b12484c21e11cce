"""Streams that cannot be spooled or archived are refused with what is wrong."""

from __future__ import annotations

import pytest

from heliograph.core import SettingError
from heliograph.link.channel import Channel, Limits, Stream
from heliograph.node.telemetry.declaration import check_declaration

VOLTS = Channel(name="volts")


@pytest.mark.parametrize(
    ("stream", "reason"),
    [
        (Stream(name="", channels=(VOLTS,)), "1 to 64"),
        (Stream(name="a/b", channels=(VOLTS,)), "1 to 64"),
        (Stream(name="*", channels=(VOLTS,)), "1 to 64"),
        (Stream(name="a" * 65, channels=(VOLTS,)), "1 to 64"),
        (Stream(name="Größe", channels=(VOLTS,)), "1 to 64"),
        (Stream(name="a\n", channels=(VOLTS,)), "1 to 64"),
        (Stream(name="events", channels=(VOLTS,)), "node's own"),
        (Stream(name="spool", channels=(VOLTS,)), "node's own"),
        (Stream(name="power", channels=()), "0 channels"),
        (Stream(name="power", channels=tuple(Channel(name=str(at)) for at in range(201))), "201 channels"),
        (Stream(name="power", channels=(VOLTS, VOLTS)), "'volts' is declared twice"),
        (Stream(name="power", channels=(Channel(name=""),)), "needs a name"),
        (Stream(name="power", channels=(Channel(name="a", type="double"),)), "'double' is none of float64"),
        (Stream(name="power", channels=(Channel(name="a", type="text"),)), "size_bytes from 1"),
        (Stream(name="power", channels=(Channel(name="a", type="text", size_bytes=5_000),)), "to 4096"),
        (Stream(name="power", channels=(Channel(name="a", size_bytes=8),)), "for texts"),
        (
            Stream(
                name="power",
                channels=(Channel(name="a", type="text", size_bytes=8, limits=Limits(alarm_low=1)),),
            ),
            "no limits",
        ),
        (
            Stream(name="power", channels=(Channel(name="a", limits=Limits(warning_high=5, alarm_high=4)),)),
            "must rise",
        ),
        (
            Stream(
                name="power", channels=tuple(Channel(name=str(at), type="text", size_bytes=4096) for at in range(7))
            ),
            "28672 bytes, at most 24576",
        ),
        (Stream(name="power", channels=(Channel(name="a\udcff"),)), "cannot be told to anybody"),
        (Stream(name="power", channels=(Channel(name="a", unit="\udcff"),)), "cannot be told to anybody"),
        (Stream(name="power", channels=(VOLTS,), stale_after_s="soon"), "cannot be told to anybody"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_is_refused_in_one_line(stream: Stream, reason: str) -> None:
    with pytest.raises(SettingError, match=reason) as raised:
        check_declaration(stream)
    assert "\n" not in str(raised.value)


def test_what_can_be_is_taken() -> None:
    limits = Limits(alarm_low=1, warning_low=1, warning_high=5, alarm_high=6)
    check_declaration(Stream(name="drone-1.flight_2", channels=(Channel(name="any thing", limits=limits),)))
