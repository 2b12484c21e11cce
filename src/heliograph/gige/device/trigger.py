"""Which frames of a free-running sensor answer a trigger. Sans-IO."""

from __future__ import annotations

import heapq
import threading

MOST_TRIGGERS = 32
"""Triggers that may wait for their frame."""


class TriggerGate:
    """Lets one frame pass for each trigger: the first, no other's yet, whose exposure starts at its time or after.

    >>> gate = TriggerGate("Software")
    >>> gate.trigger("Software", time_ns=1_000)
    True
    >>> [gate.passes(start_ns) for start_ns in (900, 1_100, 1_300)]
    [False, True, False]

    The sensor runs on, so a frame comes up to a period after its trigger. Times may lie in the future; several threads
    may use it.
    """

    def __init__(self, source: str, delay_ns: int = 0) -> None:
        self._source = source
        self._delay_ns = delay_ns
        self._waiting_ns: list[int] = []
        self._lock = threading.Lock()

    def trigger(self, source: str, time_ns: int) -> bool:
        """Take a trigger; one of another source is nothing to us. False when `MOST_TRIGGERS` wait already."""
        if source != self._source:
            return True
        with self._lock:
            if len(self._waiting_ns) >= MOST_TRIGGERS:
                return False
            heapq.heappush(self._waiting_ns, time_ns + self._delay_ns)
            return True

    def passes(self, start_ns: int) -> bool:
        """Tell whether a frame whose exposure started then answers a trigger; frames come in order."""
        with self._lock:
            if not self._waiting_ns or self._waiting_ns[0] > start_ns:
                return False
            heapq.heappop(self._waiting_ns)
            return True
