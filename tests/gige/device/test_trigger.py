"""Which frames answer triggers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.gige.device.trigger import MOST_TRIGGERS, TriggerGate


@given(
    triggers_ns=st.lists(st.integers(0, 1000), max_size=MOST_TRIGGERS),
    delay_ns=st.integers(0, 100),
    period_ns=st.integers(1, 200),
)
def test_each_trigger_gives_one_frame_that_starts_at_its_time_or_after(
    triggers_ns: list[int], delay_ns: int, period_ns: int
) -> None:
    gate = TriggerGate("Action0", delay_ns)
    assert all(gate.trigger("Action0", time_ns) for time_ns in triggers_ns)
    passed = [start_ns for start_ns in range(0, 1200 + MOST_TRIGGERS * period_ns, period_ns) if gate.passes(start_ns)]
    # One after the other, each takes the first frame that is left for it.
    expected, next_ns = [], 0
    for time_ns in sorted(triggers_ns):
        next_ns = max(next_ns, -(-(time_ns + delay_ns) // period_ns) * period_ns)
        expected.append(next_ns)
        next_ns += period_ns
    assert passed == expected


def test_no_more_than_32_wait_and_those_of_other_sources_do_not_count() -> None:
    gate = TriggerGate("Software")
    for time_ns in range(MOST_TRIGGERS):
        assert gate.trigger("Action0", 0)
        assert gate.trigger("Software", time_ns)
    assert gate.trigger("Action1", 0)
    assert not gate.trigger("Software", 0)
    assert gate.passes(0)
    assert gate.trigger("Software", 0)
    assert not gate.trigger("Software", 0)


@pytest.mark.parametrize("source", ["Action0", "Action1", "Line0"])
def test_other_sources_trigger_nothing(source: str) -> None:
    gate = TriggerGate("Software")
    gate.trigger(source, 0)
    assert not gate.passes(1_000_000)
