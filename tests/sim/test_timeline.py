import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.sim.timeline import Timeline

timelines = st.builds(
    Timeline,
    start_ns=st.integers(0, 10**18),
    period_ns=st.floats(1e5, 1e10),
    drift_ppm=st.floats(-1000, 1000),
)


@given(timelines, st.integers(1, 10**6), st.integers(-2, 10**9))
def test_the_newest_frame_has_begun_and_the_next_has_not(timeline: Timeline, frame_id: int, later_ns: int) -> None:
    time_ns = timeline.exposure_start_ns(frame_id) + later_ns
    newest = timeline.newest_id(time_ns)
    assert timeline.exposure_start_ns(newest) <= time_ns < timeline.exposure_start_ns(newest + 1)


@given(timelines, st.integers(1, 10**6))
def test_a_frame_is_newest_from_its_first_ns(timeline: Timeline, frame_id: int) -> None:
    start_ns = timeline.exposure_start_ns(frame_id)
    assert timeline.newest_id(start_ns) == frame_id
    assert timeline.newest_id(start_ns - 1) == frame_id - 1


@pytest.mark.parametrize(("drift_ppm", "wanted_ns"), [(0, 1_000_000_000), (50, 1_000_050_000), (-50, 999_950_000)])
def test_drift_adds_up(drift_ppm: float, wanted_ns: int) -> None:
    timeline = Timeline(0, 1e6, drift_ppm)
    assert timeline.exposure_start_ns(1001) == wanted_ns


def test_a_new_period_counts_from_the_frame_it_was_set_at() -> None:
    timeline = Timeline(100, 1e6, 10.0).retimed(5, 2e6)
    assert timeline.exposure_start_ns(5) == 100 + 4_000_040
    assert timeline.exposure_start_ns(6) == 100 + 4_000_040 + 2_000_020
