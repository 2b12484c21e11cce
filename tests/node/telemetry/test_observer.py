"""The newest values, and limits that become events."""

from __future__ import annotations

from heliograph.link.channel import Channel, Limits, Stream
from heliograph.link.event import Severity
from heliograph.node.telemetry.observer import Observer
from heliograph.node.telemetry.recorder import StreamRecorder
from heliograph.testing.outlet import Heard

POWER = Stream(
    name="power",
    channels=(
        Channel(name="volts", unit="V", limits=Limits(alarm_low=4.0, warning_low=4.5)),
        Channel(name="note", type="text", size_bytes=8),
    ),
)


def shown(observer: Observer, recorder: StreamRecorder, *samples: tuple[float, float]) -> None:
    for at_s, volts in samples:
        recorder.sample((volts, "mains"), int(at_s * 1e9))
    taken = recorder.take()
    assert taken is not None
    observer.note(POWER, taken)


def recorder_of(stream: Stream) -> StreamRecorder:
    return StreamRecorder(stream, wake=lambda: None, hurry=lambda: None, misfit=lambda *_: None)


def test_the_newest_sample_is_the_last_one() -> None:
    observer, recorder = Observer(Heard().emit), recorder_of(POWER)
    assert not observer.newest
    shown(observer, recorder, (1, 5.0), (2, 5.1))
    shown(observer, recorder, (3, 5.2))
    (newest,) = observer.newest
    assert (newest.stream, newest.sequence, newest.boot_time_ns) == (POWER, 3, 3_000_000_000)
    assert POWER.unpack(newest.row) == [(5.2, "mains")]


def test_each_change_of_a_limit_is_one_event() -> None:
    heard = Heard()
    observer, recorder = Observer(heard.emit), recorder_of(POWER)
    shown(observer, recorder, (1, 5.0), (2, 4.4), (3, 4.4))
    shown(observer, recorder, (4, 3.9), (4.5, 5.0), (5, 3.9))
    shown(observer, recorder, (6, 5.0), (7, 5.0), (8, 5.0))
    assert [(severity, name) for severity, name, _, _ in heard.events] == [
        (Severity.WARNING, "limit.warning"),
        (Severity.ALARM, "limit.alarm"),
        (Severity.ACTIVITY, "limit.normal"),
    ]
    assert [message for _, _, message, _ in heard.events] == [
        "power.volts is 4.4 V, beyond 4.5 V",
        "power.volts is 3.9 V, beyond 4 V",
        "power.volts is 5 V, within its limits again",
    ]
    assert heard.events[1][3] == {
        "stream": "power",
        "channel": "volts",
        "value": 3.9,
        "unit": "V",
        "limit": 4.0,
        "former": "warning",
        "at_boot_ns": 4_000_000_000,
    }
