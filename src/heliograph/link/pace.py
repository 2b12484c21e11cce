"""How much backlog may be on its way, and for how long: learnt from the delay of acknowledgements. Sans-IO."""

from __future__ import annotations

_FIRST_TIMEOUT_NS = 3_000_000_000
_LEAST_TIMEOUT_NS = 500_000_000
_MOST_TIMEOUT_NS = 30_000_000_000
_LEAST_WINDOW_BYTES = 64 * 1024
_FIRST_WINDOW_BYTES = 512 * 1024
_MOST_WINDOW_BYTES = 8 * 1024 * 1024
_LEAST_QUEUE_NS = 20_000_000
_QUEUE_SHARE = 0.25
"""What backlog may add to the delay of acknowledgements, and so to live samples: this share of it, or the least."""


class Pace:
    """The window follows the delay as LEDBAT's does (RFC 6817), the timeout is that of RFC 6298.

    >>> pace = Pace()
    >>> pace.note_delay(5_000_000, size_bytes=400_000, busy=True)
    >>> pace.window_bytes > 800_000, pace.timeout_ns
    (True, 500000000)
    """

    def __init__(self) -> None:
        self.window_bytes = _FIRST_WINDOW_BYTES
        self.timeout_ns = _FIRST_TIMEOUT_NS
        self._slowed_ns = -1
        self._delay_ns = 0.0
        self._deviation_ns = 0.0
        self._least_delay_ns = 0.0

    def note_delay(self, delay_ns: int, size_bytes: int, *, busy: bool) -> None:
        """Learn from an acknowledgement; `busy` when the window was in use, for only then it is known to be safe."""
        if not self._delay_ns:
            self._delay_ns = self._least_delay_ns = delay_ns
            self._deviation_ns = delay_ns / 2
        self._deviation_ns += (abs(delay_ns - self._delay_ns) - self._deviation_ns) / 4
        self._delay_ns += (delay_ns - self._delay_ns) / 8
        timeout_ns = int(self._delay_ns + 4 * self._deviation_ns)
        self.timeout_ns = min(max(timeout_ns, _LEAST_TIMEOUT_NS), _MOST_TIMEOUT_NS)
        # The least delay forgets slowly, since the way to the archive may change.
        self._least_delay_ns = min(delay_ns, self._least_delay_ns + (delay_ns - self._least_delay_ns) / 1_024)
        queue_ns = max(_LEAST_QUEUE_NS, _QUEUE_SHARE * self._least_delay_ns)
        spare = 1 - (delay_ns - self._least_delay_ns) / queue_ns
        if busy or spare < 0:
            window_bytes = self.window_bytes + int(size_bytes * max(spare, -0.5))
            self.window_bytes = min(max(window_bytes, _LEAST_WINDOW_BYTES), _MOST_WINDOW_BYTES)

    def note_loss(self, sent_ns: int, now_ns: int) -> None:
        """Slow down, once for all that were sent before: they were lost together."""
        if sent_ns >= self._slowed_ns:
            self._slowed_ns = now_ns
            self.timeout_ns = min(2 * self.timeout_ns, _MOST_TIMEOUT_NS)
            self.window_bytes = max(self.window_bytes // 2, _LEAST_WINDOW_BYTES)
