"""When a row of a picture was exposed.

libcamera's SensorTimestamp is the kernel's: when the first byte of the sensor's first row arrived (bcm2835-unicam.c,
unicam_isr), in CLOCK_MONOTONIC, whatever control_ids_core.yaml says about the start of exposure and CLOCK_BOOTTIME;
picamera2 counts in the same way (picamera2.py, wait_for_timestamp_). A row is read when its exposure ends, so that its
start is one exposure earlier. FrameWallClock is the same moment on the wall.
"""

from __future__ import annotations

import time

from heliograph.cameras.picamera2.mode import Area, SensorMode
from heliograph.cameras.setup import SensorFacts

_STEP_NS = 10_000


def line_time_ns_of(mode: SensorMode, facts: SensorFacts | None) -> int | None:
    """Give the time from row to row where the mode's shortest exposure confirms the shipped figure, else None.

    libcamera does not tell it; the shortest exposure is a whole number of rows.
    """
    told = (mode.width, mode.height, mode.bits, mode.shortest_exposure_us)
    timings = facts.timings if facts else ()
    known = {(each.width, each.height, each.bits, each.shortest_exposure_us): each.line_time_ns for each in timings}
    return known.get(told)


def shutter_delay_ns(mode: SensorMode, facts: SensorFacts | None) -> int | None:
    """Give by how much each row of a mode begins to expose later than the one above; None where it is not known."""
    return 0 if facts and facts.global_shutter else line_time_ns_of(mode, facts)


def exposure_shift_ns(mode: SensorMode, area: Area, exposure_us: float, delay_ns: int | None) -> int:
    """Give what lies between the sensor's timestamp and the start of exposure of the first row of `area`.

    `delay_ns` is from row to row; where it is not known, the rows above count as none.
    """
    rows_above = round((area.y - mode.area.y) / mode.scale)
    return rows_above * (delay_ns or 0) - round(exposure_us * 1e3)


def boottime_ahead_ns() -> int:
    """Give how far CLOCK_BOOTTIME is ahead of CLOCK_MONOTONIC: the time that the machine was asleep, mostly 0."""
    # Read one after the other they are some 0.1 us apart, and more when this thread has to wait in between.
    apart_ns = min(-time.monotonic_ns() + time.clock_gettime_ns(time.CLOCK_BOOTTIME) for _ in range(5))
    return apart_ns // _STEP_NS * _STEP_NS
