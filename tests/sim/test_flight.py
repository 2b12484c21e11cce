"""The simulated flight agrees with itself: what it says of its motion is how it moves."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.sim.flight import Circuit

METRES_A_DEGREE = math.radians(1) * 6_371_000.0


@given(st.floats(0, 3000))
def test_the_speed_is_that_of_the_position(flown_s: float) -> None:
    circuit = Circuit()
    before, now, after = (circuit.at(flown_s + step_s) for step_s in (-0.01, 0, 0.01))
    north = (after.latitude - before.latitude) * METRES_A_DEGREE / 0.02
    east = (after.longitude - before.longitude) * METRES_A_DEGREE * math.cos(math.radians(circuit.latitude)) / 0.02
    assert north == pytest.approx(now.north_m_per_s, abs=0.05)
    assert east == pytest.approx(now.east_m_per_s, abs=0.05)
    assert (after.altitude_m - before.altitude_m) / 0.02 == pytest.approx(-now.down_m_per_s, abs=0.01)


@given(st.floats(0, 3000))
def test_it_looks_where_it_goes(flown_s: float) -> None:
    state = Circuit().at(flown_s)
    course = math.degrees(math.atan2(state.east_m_per_s, state.north_m_per_s)) % 360
    assert math.cos(math.radians(course - state.yaw)) == pytest.approx(1)
    assert state.roll > 0  # it turns to the right
    assert math.copysign(1, state.pitch) == math.copysign(1, -state.down_m_per_s)


def test_pressure_is_that_of_the_standard_atmosphere() -> None:
    assert Circuit(ground_m=0).parked.pressure_hpa == pytest.approx(1013.25)
    assert Circuit(ground_m=1000).parked.pressure_hpa == pytest.approx(898.7, abs=0.3)


def test_the_battery_runs_down_and_is_changed() -> None:
    circuit = Circuit(endurance_s=100)
    assert [round(circuit.at(flown_s).battery) for flown_s in (0, 50, 99, 101)] == [100, 50, 1, 99]
