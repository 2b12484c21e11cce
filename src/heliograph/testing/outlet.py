"""Where a part of a node puts samples and events in a test, which reads them there."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import numpy.typing as npt

from heliograph.link.channel import Stream, Value
from heliograph.link.event import Severity


class HeardStream:
    """Keeps the samples of one stream."""

    def __init__(self, stream: Stream, changed: threading.Condition) -> None:
        self.stream = stream
        self.values: list[tuple[Value, ...]] = []
        self._changed = changed

    def sample(self, values: tuple[Value, ...], boot_time_ns: int | None = None) -> None:
        """Keep one; it must fit the declaration."""
        del boot_time_ns
        self.stream.pack([values])
        with self._changed:
            self.values.append(values)
            self._changed.notify_all()

    def samples(self, boot_times_ns: npt.NDArray[np.int64], rows: npt.NDArray[Any]) -> None:
        """Keep many."""
        for row in rows.tolist():
            self.sample(tuple(row), int(boot_times_ns[0]))


class Heard:
    """Keeps what is declared, sampled and emitted, and waits for it.

    >>> heard = Heard()
    >>> heard.emit(Severity.WARNING, "vehicle.lost", "drone is gone")
    >>> heard.wait_for(lambda: "vehicle.lost" in heard.event_names)
    """

    def __init__(self) -> None:
        self.streams: dict[str, HeardStream] = {}
        self.events: list[tuple[Severity, str, str, dict[str, Any]]] = []
        self._changed = threading.Condition(threading.RLock())

    @property
    def event_names(self) -> list[str]:
        """Names of the events so far."""
        return [event[1] for event in self.events]

    def declare(self, stream: Stream) -> HeardStream:
        """Make a stream known."""
        return self.streams.setdefault(stream.name, HeardStream(stream, self._changed))

    def emit(self, severity: Severity, name: str, message: str, **arguments: Any) -> None:
        """Keep an event."""
        with self._changed:
            self.events.append((severity, name, message, arguments))
            self._changed.notify_all()

    def wait_for(self, condition: Any, timeout_s: float = 10.0) -> None:
        """Wait until a condition is true, which is looked at whenever something comes."""
        with self._changed:
            if not self._changed.wait_for(condition, timeout_s):
                raise TimeoutError(f"not within {timeout_s:g} s; streams {list(self.streams)}, events {self.events}")
