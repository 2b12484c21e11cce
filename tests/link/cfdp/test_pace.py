"""How fast data goes: a bucket's rate, and a path's that has to be found out."""

from __future__ import annotations

import pytest

from heliograph.link.cfdp.contact import Report
from heliograph.link.cfdp.pace import Pace, TokenBucket

S = 1_000_000_000
MS = 1_000_000


@pytest.mark.parametrize("datagram_bytes", [1_400, 60_000])
def test_a_bucket_keeps_its_rate(datagram_bytes: int) -> None:
    bucket, now_ns, taken = TokenBucket(2_500_000, 4 * datagram_bytes), 0, 0
    while now_ns < 10 * S:
        now_ns = max(now_ns, bucket.ready_ns(now_ns))
        bucket.take(datagram_bytes, now_ns)
        taken += datagram_bytes
    assert 25_000_000 <= taken <= 25_000_000 + 6 * datagram_bytes


def feed(pace: Pace, rate_bytes_per_s: float, seconds: float, start_ns: int, round_trip_ns: int, lost: float) -> None:
    """Report every 50 ms what arrives at a rate, at a sender that has always more than it may send."""
    for step in range(int(seconds * 20)):
        now_ns = start_ns + step * 50 * MS
        received = int(rate_bytes_per_s * now_ns / S)
        sent = int(received / (1 - lost))
        pace.limited = True
        pace.note(Report(2, now_ns - round_trip_ns, sent, received, now_ns, 1 << 20), now_ns)


def test_it_finds_what_comes_through_and_keeps_to_it() -> None:
    pace = Pace(1_400)
    assert pace.rate_bytes_per_s is None
    feed(pace, 1e6, 10, S, 200 * MS, lost=0.02)
    assert pace.bandwidth_bytes_per_s == pytest.approx(1e6, rel=0.01)
    # No growth over some rounds: the start is over, and what is on its way is two round trips' worth.
    assert pace.rate_bytes_per_s is not None
    assert 0.7e6 < pace.rate_bytes_per_s < 1.3e6
    assert pace.window_bytes == pytest.approx(400_000, rel=0.02)


def test_a_queue_that_overflows_ends_the_start_at_once() -> None:
    pace = Pace(1_400)
    feed(pace, 1e6, 0.5, S, 200 * MS, lost=0.5)
    assert pace.rate_bytes_per_s is not None
    assert pace.rate_bytes_per_s <= 1.25e6


def test_it_forgets_a_rate_that_the_path_has_no_longer() -> None:
    pace = Pace(1_400)
    feed(pace, 4e6, 10, S, 200 * MS, lost=0.02)
    pace.interrupt()
    feed(pace, 1e6, 10, 100 * S, 200 * MS, lost=0.02)
    assert pace.bandwidth_bytes_per_s == pytest.approx(1e6, rel=0.01)
