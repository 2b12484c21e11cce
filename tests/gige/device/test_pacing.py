"""Rates that pacing gives, in a time of its own: a busy machine cannot disturb them."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.gige.device.pacing import Pacer

PACKETS = 10_000


def duration_ns(pacer: Pacer, batch: int, late_ns: list[int]) -> int:
    """Send packets of 1500 bytes in batches; who sleeps wakes late by these times, again and again."""
    start_ns = now_ns = 10**12
    lateness = itertools.cycle(late_ns)
    for _ in range(0, PACKETS, batch):
        if wait_ns := pacer.wait_ns(now_ns):
            now_ns += wait_ns + next(lateness)
        pacer.sent(batch, batch * 1472, now_ns)
    return now_ns + pacer.wait_ns(now_ns) - start_ns


late = st.lists(st.integers(0, 400_000), min_size=1, max_size=10)


@given(limit=st.integers(1_000_000, 1_250_000_000), batch=st.sampled_from([1, 20, 40]), late_ns=late)
def test_throughput_limit_is_kept_to_one_percent(limit: int, batch: int, late_ns: list[int]) -> None:
    rate = PACKETS * 1500 / duration_ns(Pacer(0, limit, 1500), batch, late_ns) * 1e9
    # Ever so late, and still at the limit: what 40 packets take is made up for, and may come on top at the start.
    whole_ns = PACKETS * 1500e9 / limit
    most = limit * whole_ns / (whole_ns - max(500_000, 40 * 1500e9 / limit))
    assert 0.99 * limit <= rate <= 1.001 * most


@given(delay_ns=st.integers(1_000, 1_000_000), batch=st.sampled_from([1, 20, 40]), late_ns=late)
def test_packet_delay_is_kept_to_one_percent(delay_ns: int, batch: int, late_ns: list[int]) -> None:
    took_ns = duration_ns(Pacer(delay_ns, None, 1500), batch, late_ns)
    assert (PACKETS - 40) * delay_ns - 1_000_000 <= took_ns <= 1.01 * PACKETS * delay_ns + 1_000_000


def test_delay_and_limit_add_up() -> None:
    took_ns = duration_ns(Pacer(1_000, 1_500_000_000, 1500), 20, [0])
    assert took_ns == pytest.approx(PACKETS * 2_000, abs=1_000_000)


def test_without_delay_or_limit_nothing_waits() -> None:
    assert duration_ns(Pacer(0, None, 1500), 20, [0]) == 0
    assert Pacer(0, None, 1500).batch_packets(44, 1500) == 44


@pytest.mark.parametrize(
    ("delay_ns", "limit", "packets"),
    [(0, 125_000_000, 41), (0, 1_250_000_000, 44), (0, 30_000_000, 10), (0, 1_000_000, 1), (100_000, None, 5)],
)
def test_half_a_millisecond_leaves_at_once(delay_ns: int, limit: int | None, packets: int) -> None:
    assert Pacer(delay_ns, limit, 1500).batch_packets(44, 1500) == packets


def test_a_machine_that_stands_still_for_a_while_catches_up_at_low_rates() -> None:
    # 5 ms, once in three batches of 3 ms each.
    took_ns = duration_ns(Pacer(0, 10_000_000, 1500), 20, [5_000_000, 0, 0])
    assert took_ns == pytest.approx(PACKETS * 150_000, rel=0.01)


def test_a_long_pause_is_not_made_up_for() -> None:
    pacer = Pacer(0, 1_000_000, 1500)
    pacer.sent(1, 1472, 0)
    now_ns = 10**12
    for _ in range(10):
        pacer.sent(10, 14_720, now_ns)
    assert pacer.wait_ns(now_ns) == 10 * 15_000_000 - 10_000_000


def test_a_longer_catch_up_keeps_a_full_link_full_on_a_machine_that_stands_still_now_and_then() -> None:
    late_ns = [3_000_000] + [0] * 40
    kept_ns = duration_ns(Pacer(0, 125_000_000, 1500, catch_up_ns=4_000_000), 40, late_ns)
    lost_ns = duration_ns(Pacer(0, 125_000_000, 1500), 40, late_ns)
    # The first 4 ms come at once.
    assert kept_ns == pytest.approx(PACKETS * 12_000 - 4_000_000, rel=0.01)
    assert lost_ns > 1.1 * kept_ns
