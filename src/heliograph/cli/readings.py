"""Values of channels as people and programs read them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import isfinite
from typing import Any

import msgspec
import numpy as np

from heliograph.cli.moment import ago, local_time
from heliograph.cli.terminal import shown
from heliograph.link.channel import Channel, Value
from heliograph.link.intake import Samples
from heliograph.link.limits import LimitState, states_of

_STYLES = {LimitState.ALARM: "bold red", LimitState.WARNING: "yellow", LimitState.NORMAL: ""}


@dataclass(frozen=True, slots=True)
class Reading:
    """The newest value of a channel."""

    stream: str
    channel: Channel
    value: Value
    wall_time_ns: int
    age_s: float
    stale: bool
    """Older than its stream should ever be."""
    state: LimitState

    @property
    def style(self) -> str:
        """How rich should show it; the state is told in words too."""
        return "dim" if self.stale else _STYLES[self.state]

    def row(self) -> dict[str, Any]:
        """Give what a table for people shows."""
        state = "" if self.state is LimitState.NORMAL else self.state.name.lower()
        return {
            "channel": f"{self.stream}.{self.channel.name}",
            "value": in_words(self.value) if self.value == self.value else "-",
            "unit": self.channel.unit,
            "age": ago(self.age_s),
            "state": ", ".join(each for each in (state, "stale" if self.stale else "") if each),
        }

    def facts(self) -> dict[str, Any]:
        """Give what a program reads."""
        return {
            "stream": self.stream,
            "channel": self.channel.name,
            "value": None
            if isinstance(self.value, float) and not isfinite(self.value)
            else self.value,  # as JSON wants
            "unit": self.channel.unit,
            "time": local_time(self.wall_time_ns),
            "age_s": round(self.age_s, 3),
            "stale": self.stale,
            "state": self.state.name.lower(),
        }


def readings(samples: Samples, age_s: float) -> list[Reading]:
    """Give what each channel of a stream said last."""
    (values,) = samples.stream.unpack(samples.rows[-1:].tobytes())
    stale_after_s = samples.stream.stale_after_s
    return [
        Reading(
            stream=samples.stream.name,
            channel=channel,
            value=value,
            wall_time_ns=int(samples.wall_times_ns[-1]),
            age_s=age_s,
            stale=0 < stale_after_s < age_s,
            state=_state(channel, value),
        )
        for channel, value in zip(samples.stream.channels, values, strict=True)
    ]


def lines(samples: Samples) -> Iterator[str]:
    """Give a line for each sample: time, stream, and NAME=VALUE of each channel."""
    names = [shown(channel.name) for channel in samples.stream.channels]
    stream = shown(samples.stream.name)
    for time_ns, values in _each(samples):
        told = " ".join(f"{name}={_word(value)}" for name, value in zip(names, values, strict=True))
        yield f"{local_time(time_ns)} {stream} {told}"


def json_lines(samples: Samples) -> Iterator[str]:
    """Give a JSON object for each sample, with its number and times."""
    names = [channel.name for channel in samples.stream.channels]
    numbers, boot_times_ns = samples.sequences.tolist(), samples.boot_times_ns.tolist()
    for at, (time_ns, values) in enumerate(_each(samples)):
        told = {"time": local_time(time_ns), "stream": samples.stream.name, "boot": samples.boot}
        # msgspec makes null of what is no number, as JSON wants it.
        yield msgspec.json.encode(
            told
            | {"sequence": numbers[at], "boot_time_ns": boot_times_ns[at], "wall_time_ns": time_ns}
            | {"values": dict(zip(names, values, strict=True))}
        ).decode()


def in_words(value: Value) -> str:
    """Give a value as people read it; a degree of latitude in 7 digits is right to a metre.

    >>> in_words(0.1 + 0.2), in_words(True), in_words(12345678), in_words("ok")
    ('0.3', 'true', '12345678', 'ok')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.7g}" if isinstance(value, float) else str(value)


def _word(value: Value) -> str:
    if isinstance(value, str):
        text = shown(value)
        return text if text and " " not in text and '"' not in text else json.dumps(text, ensure_ascii=False)
    return in_words(value)


def _each(samples: Samples) -> Iterable[tuple[int, tuple[Value, ...]]]:
    return zip(samples.wall_times_ns.tolist(), samples.stream.unpack(samples.rows.tobytes()), strict=True)


def _state(channel: Channel, value: Value) -> LimitState:
    if channel.limits is None or isinstance(value, str):
        return LimitState.NORMAL
    return LimitState(int(states_of(np.array([value], float), channel.limits)[0]))
