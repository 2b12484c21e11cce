from itertools import pairwise

from heliograph.sim.thermal import Thermometer


def test_a_sensor_warms_up_and_then_follows_the_room() -> None:
    cold, warm = (Thermometer(1, since_ns=5).celsius(5 + s * 10**9) for s in (0, 1_800))
    assert 18 < cold < 28
    assert 15 < warm - cold < 23


def test_neither_jumps_nor_stands_still() -> None:
    thermometer = Thermometer(2, 0)
    degrees = [thermometer.celsius(s * 10**9) for s in range(0, 7_200, 10)]
    steps = [abs(later - earlier) for earlier, later in pairwise(degrees)]
    assert max(steps) < 1
    assert max(degrees[360:]) - min(degrees[360:]) > 1


def test_rooms_differ() -> None:
    assert len({Thermometer(seed, 0).celsius(0) for seed in range(5)}) > 1
