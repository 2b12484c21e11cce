"""How fast to send: a given rate, or what the path turns out to carry."""

from __future__ import annotations

from collections import deque

from heliograph.link.cfdp.contact import Report

_S = 1_000_000_000
# Of the whole endpoint, a timer of a millisecond and a busy machine included.
_BURST_NS = 4_000_000
_BURST_DATAGRAMS = 8
# A round is at least this, or a path inside one machine would be judged by its scheduler.
_SHORTEST_ROUND_NS = 20_000_000
_ROUNDS_REMEMBERED = 10
_ROUND_TRIP_REMEMBERED_NS = 10 * _S
_START_GAIN = 2.89
_START_FULL_ROUNDS = 3
# So much is not lost at random on a link that is of any use: the queue at the narrowest place overflows.
_START_LOST = 0.15
# One round above what the path gave, one below to drain what that queued, six as it is.
_GAINS = (1.25, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
_FIRST_WINDOW_DATAGRAMS = 10
_LEAST_WINDOW_DATAGRAMS = 8
# Where the other end is a millisecond away or less, it may be that long until it has a processor.
_NEAR_NS, _NEAR_WINDOW_DATAGRAMS = 1_000_000, 32


class TokenBucket:
    """Lets datagrams go at a rate.

    >>> bucket = TokenBucket(rate_bytes_per_s=1000, burst_bytes=100)
    >>> bucket.take(100, now_ns=0), bucket.ready_ns(now_ns=0)
    (None, 1000001)
    """

    def __init__(self, rate_bytes_per_s: float, burst_bytes: float) -> None:
        self.rate_bytes_per_s = rate_bytes_per_s
        self.burst_bytes = burst_bytes
        self._tokens = burst_bytes
        self._at_ns: int | None = None

    def ready_ns(self, now_ns: int) -> int:
        """Give when the next datagram may go; `now_ns` or before when it may go now."""
        self._fill(now_ns)
        if self._tokens > 0:
            return now_ns
        return now_ns + 1 + int((1 - self._tokens) / self.rate_bytes_per_s * _S)

    def take(self, size_bytes: int, now_ns: int) -> None:
        """Let a datagram go; the bucket may owe for it."""
        self._fill(now_ns)
        self._tokens -= size_bytes

    def _fill(self, now_ns: int) -> None:
        if self._at_ns is not None:
            self._tokens += max(0, now_ns - self._at_ns) * self.rate_bytes_per_s / _S
            self._tokens = min(self._tokens, self.burst_bytes)
        self._at_ns = now_ns


class Pace:
    """Learns from reports what a path carries: the most that came through lately, and the shortest round trip.

    After the published idea of BBR (Cardwell et al., ACM Queue 14(5), 2016): a loss is no sign of a full path, so it
    holds on a radio link that loses at random; and a queue is not filled beyond one round trip's worth.
    """

    def __init__(self, datagram_bytes: int) -> None:
        self.datagram_bytes = datagram_bytes
        self._delivered: deque[tuple[int, int, int]] = deque()
        self._rates: deque[tuple[int, float]] = deque()
        self._round_trips: deque[tuple[int, float]] = deque()
        self._starting = True
        self._full_rounds = 0
        self._best = 0.0
        self._round = 0
        self._round_end_ns = 0.0
        self.limited = False
        """Set by who sends: there was more to send than was let go in this round."""
        self._was_limited = False
        self._room_bytes = 0

    @property
    def bandwidth_bytes_per_s(self) -> float:
        """The most that came through over the last rounds; 0 while unknown."""
        return self._rates[0][1] if self._rates else 0.0

    @property
    def rate_bytes_per_s(self) -> float | None:
        """What to send at; None while nothing is known."""
        if not self._rates:
            return None
        return self.bandwidth_bytes_per_s * (_START_GAIN if self._starting else _GAINS[self._round % len(_GAINS)])

    @property
    def burst_bytes(self) -> float:
        """What may go at once."""
        least = _BURST_DATAGRAMS * self.datagram_bytes
        return max(least, (self.rate_bytes_per_s or 0.0) * _BURST_NS / _S)

    @property
    def window_bytes(self) -> float:
        """What may be on its way."""
        if not self._rates:
            return _FIRST_WINDOW_DATAGRAMS * min(self.datagram_bytes, 1 << 14)
        gain = _START_GAIN if self._starting else 2.0
        near = self._shortest_ns < _NEAR_NS
        least = (_NEAR_WINDOW_DATAGRAMS if near else _LEAST_WINDOW_DATAGRAMS) * self.datagram_bytes
        # On a path inside one machine the socket at its end is all the queue there is.
        least = min(least, max(self._room_bytes // 2, self.datagram_bytes))
        return max(least, gain * self.bandwidth_bytes_per_s * self._shortest_ns / _S)

    def interrupt(self) -> None:
        """Forget when what came: the path was cut."""
        self._delivered.clear()

    def note(self, report: Report, now_ns: int) -> None:
        """Learn from a report."""
        self._room_bytes = report.room_bytes
        round_trip_ns = max(1, now_ns - report.stamp_ns)
        _keep_most(self._round_trips, now_ns, -round_trip_ns, _ROUND_TRIP_REMEMBERED_NS)
        round_ns = max(self._shortest_ns, _SHORTEST_ROUND_NS)
        if self._delivered and report.received_bytes < self._delivered[-1][1]:
            self._delivered.clear()  # the other end started anew
        self._delivered.append((report.received_ns, report.received_bytes, report.sent_bytes))
        self._measure(now_ns, round_ns)
        if now_ns >= self._round_end_ns:
            self._round_end_ns = now_ns + round_ns
            self._end_round()

    def _measure(self, now_ns: int, round_ns: float) -> None:
        """Take the rate over about half a round, by the receiver's clock: reports may be late, data was not."""
        newest_ns, newest_bytes, newest_sent_bytes = self._delivered[-1]
        while len(self._delivered) > 2 and self._delivered[1][0] <= newest_ns - round_ns // 2:
            self._delivered.popleft()
        oldest_ns, oldest_bytes, oldest_sent_bytes = self._delivered[0]
        if newest_ns - oldest_ns >= round_ns // 2 and newest_bytes > oldest_bytes:
            rate = (newest_bytes - oldest_bytes) * _S / (newest_ns - oldest_ns)
            lost = 1 - (newest_bytes - oldest_bytes) / max(1, newest_sent_bytes - oldest_sent_bytes)
            if self._starting and lost > _START_LOST:
                self._steady()
            # With little to send, little comes through: that says nothing about the path.
            if rate > self.bandwidth_bytes_per_s or self.limited or self._was_limited:
                _keep_most(self._rates, now_ns, rate, _ROUNDS_REMEMBERED * round_ns)

    def _end_round(self) -> None:
        self._round += 1
        if self._starting and self._rates and self.limited:
            if self.bandwidth_bytes_per_s > 1.25 * self._best:
                self._best = self.bandwidth_bytes_per_s
                self._full_rounds = 0
            else:
                self._full_rounds += 1
            if self._full_rounds >= _START_FULL_ROUNDS:
                self._steady()
        self._was_limited, self.limited = self.limited, False

    def _steady(self) -> None:
        """End the start, with a round that drains the queue that it made."""
        self._starting, self._round = False, 1

    @property
    def _shortest_ns(self) -> float:
        return -self._round_trips[0][1]


def _keep_most(values: deque[tuple[int, float]], now_ns: int, value: float, remembered_ns: float) -> None:
    """Add a value to those that can still become the greatest of the last `remembered_ns`; that is the first one."""
    while values and values[-1][1] <= value:
        values.pop()
    values.append((now_ns, value))
    while values[0][0] < now_ns - remembered_ns:
        values.popleft()
