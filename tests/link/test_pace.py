"""The window grows while acknowledgements come as fast as ever, and shrinks when they wait in a queue."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from heliograph.link.pace import Pace

MS = 1_000_000


def test_the_window_doubles_while_there_is_no_queue_and_has_an_end() -> None:
    pace = Pace()
    first_bytes = pace.window_bytes
    for _ in range(first_bytes // 10_000):
        pace.note_delay(20 * MS, 10_000, busy=True)
    assert pace.window_bytes > 1.9 * first_bytes
    for _ in range(10_000):
        pace.note_delay(20 * MS, 10_000, busy=True)
    assert pace.window_bytes == 8 * 1024 * 1024


def test_a_window_that_is_not_used_does_not_grow() -> None:
    pace = Pace()
    first_bytes = pace.window_bytes
    pace.note_delay(20 * MS, 10_000, busy=False)
    assert pace.window_bytes == first_bytes


def test_a_queue_makes_it_shrink_but_not_to_nothing() -> None:
    pace = Pace()
    pace.note_delay(20 * MS, 10_000, busy=True)
    for _ in range(500):
        pace.note_delay(200 * MS, 10_000, busy=True)
    assert pace.window_bytes == 64 * 1024


def test_a_longer_way_is_got_used_to() -> None:
    pace = Pace()
    for delay_ms in [20] * 10 + [600] * 8_000:
        pace.note_delay(delay_ms * MS, 10_000, busy=True)
    assert pace.window_bytes > 1024 * 1024


def test_what_was_lost_together_slows_down_once() -> None:
    pace = Pace()
    pace.note_delay(1_000 * MS, 1, busy=False)
    before_ns, before_bytes = pace.timeout_ns, pace.window_bytes
    for sent_ns in range(5):
        pace.note_loss(sent_ns, now_ns=10)
    assert (pace.timeout_ns, pace.window_bytes) == (2 * before_ns, before_bytes // 2)
    pace.note_loss(10, now_ns=20)
    assert pace.timeout_ns == 4 * before_ns


@given(st.lists(st.tuples(st.integers(1, 100_000 * MS), st.integers(1, 1 << 20), st.booleans(), st.booleans())))
def test_both_stay_within_their_bounds(events: list[tuple[int, int, bool, bool]]) -> None:
    pace = Pace()
    for at, (delay_ns, size_bytes, busy, lost) in enumerate(events):
        if lost:
            pace.note_loss(at, at)
        else:
            pace.note_delay(delay_ns, size_bytes, busy=busy)
        assert 64 * 1024 <= pace.window_bytes <= 8 * 1024 * 1024
        assert 500 * MS <= pace.timeout_ns <= 30_000 * MS
