"""When what is missing is asked for."""

from __future__ import annotations

from heliograph.link.cfdp.extents import Extents
from heliograph.link.cfdp.holes import NEVER_NS, Holes
from heliograph.link.cfdp.repeats import Repeats

MS = 1_000_000
ROUND_TRIP_NS = 600 * MS


def test_a_hole_is_asked_for_once_it_cannot_only_be_late_and_again_after_a_round_trip() -> None:
    holes, received = Holes(), Extents()
    received.add(20, 30)
    holes.see(0, 20, 0, ROUND_TRIP_NS)
    assert holes.due(received, 1 * MS, ROUND_TRIP_NS, 0) == []
    assert holes.due_ns == ROUND_TRIP_NS // 16
    received.add(5, 10)
    assert holes.due(received, holes.due_ns, ROUND_TRIP_NS, 0) == [(0, 5), (10, 20)]
    asked_ns = ROUND_TRIP_NS // 16
    assert holes.due(received, asked_ns + ROUND_TRIP_NS - 1, ROUND_TRIP_NS, 0) == []
    received.add(0, 5)
    assert holes.due(received, asked_ns + ROUND_TRIP_NS, ROUND_TRIP_NS, 0) == [(10, 20)]
    received.add(10, 20)
    assert holes.due(received, 10**12, ROUND_TRIP_NS, 0) == []
    assert holes.due_ns == NEVER_NS


def test_much_that_was_asked_for_has_time_to_come() -> None:
    holes, received = Holes(), Extents()
    holes.refresh([(0, 1_000_000), (2_000_000, 3_000_000)])
    assert len(holes.due(received, 0, ROUND_TRIP_NS, 1e6)) == 2
    # At a megabyte a second the first has taken a second when it is there, the other two.
    assert holes.due(received, ROUND_TRIP_NS + 999 * MS, ROUND_TRIP_NS, 1e6) == []
    assert holes.due(received, ROUND_TRIP_NS + 1_000 * MS, ROUND_TRIP_NS, 1e6) == [(0, 1_000_000)]


def test_after_an_outage_everything_is_asked_for_at_once() -> None:
    holes, received = Holes(), Extents()
    holes.see(0, 20, 0, ROUND_TRIP_NS)
    holes.due(received, 10**9, ROUND_TRIP_NS, 0)
    holes.refresh([(0, 20), (30, 40)])
    assert holes.due(received, 10**9, ROUND_TRIP_NS, 0) == [(0, 20), (30, 40)]


def test_repeats_never_come_sooner_than_an_answer_can() -> None:
    repeats = Repeats()
    assert [repeats.next_ns(1_500 * MS) for _ in range(3)] == [1_500 * MS] * 3
