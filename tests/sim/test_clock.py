import time

from heliograph.core import Clock
from heliograph.sim.clock import BoottimeClock, ManualClock


def test_manual_clock_never_goes_back() -> None:
    clock = ManualClock(100)
    clock.sleep_until_ns(50)
    assert clock.now_ns() == 100
    clock.sleep_until_ns(150)
    clock.advance(7)
    assert clock.now_ns() == 157
    assert clock.source is Clock.SIM


def test_boottime_clock_wakes_at_the_time_and_not_before() -> None:
    clock = BoottimeClock()
    wake_ns = clock.now_ns() + 5_000_000
    clock.sleep_until_ns(wake_ns)
    assert clock.now_ns() >= wake_ns
    assert abs(clock.now_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)) < 1_000_000_000
    assert clock.source is Clock.BOOTTIME
