from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.core import SettingError
from heliograph.payload.schedule import SlotGrid, parse_start_at

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    ["2026-11-21T12:00:00Z", "2026-11-21T12:00:00", "2026-11-21 13:00+01:00", str(NOON.timestamp()), "1795262400"],
)
def test_start_times_people_write(text: str) -> None:
    assert parse_start_at(text) == NOON


def test_time_without_an_offset_is_utc_wherever_the_machine_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert parse_start_at("2026-11-21T12:00:00") == NOON
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("text", ["", "noon", "12:00", "2026-13-01", "nan", "1e300", "inf"])
def test_start_times_nobody_understands(text: str) -> None:
    with pytest.raises(SettingError, match="start time"):
        parse_start_at(text)


@given(st.integers(1, 10**10), st.lists(st.integers(0, 3 * 10**10), min_size=1, max_size=50), st.integers(0, 10**15))
def test_slots_stay_on_the_grid_and_are_never_late_by_a_whole_interval(
    interval_ns: int, works_ns: list[int], start_ns: int
) -> None:
    grid = SlotGrid(start_ns, interval_ns)
    now_ns, last_ns = start_ns, start_ns - 1
    for taken, work_ns in enumerate(works_ns, start=1):
        due_ns = grid.next_due_ns(now_ns)
        assert (due_ns - start_ns) % interval_ns == 0
        assert due_ns > last_ns
        assert due_ns > now_ns - interval_ns
        assert taken + grid.skipped == (due_ns - start_ns) // interval_ns + 1
        last_ns, now_ns = due_ns, max(now_ns, due_ns) + work_ns


def test_quick_camera_misses_no_slot() -> None:
    grid = SlotGrid(1_000, 500)
    assert [grid.next_due_ns(1_000 + k * 500 - 20) for k in range(4)] == [1_000, 1_500, 2_000, 2_500]
    assert grid.skipped == 0
