"""The node's clocks: the one that never steps, and how far the one for people is from it."""

from __future__ import annotations

import ctypes
import time

from heliograph.link.intake import FAR_NS

_TIME_ERROR = 5
_STA_UNSYNC = 0x40
_TIMEX_BYTES = 256  # more than struct timex has on any machine
_STATUS_OFFSET = 4 * ctypes.sizeof(ctypes.c_long) + ctypes.sizeof(ctypes.c_long)


def boot_now_ns() -> int:
    """Give CLOCK_BOOTTIME."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def wall_minus_boot_ns() -> int:
    """Give what the wall clock says more than CLOCK_BOOTTIME; no more than an archive takes, were it 2165."""
    before_ns, wall_ns, after_ns = boot_now_ns(), time.time_ns(), boot_now_ns()
    return min(wall_ns - (before_ns + after_ns) // 2, FAR_NS - 1)


def clock_synchronised() -> bool:
    """Tell whether NTP or PTP holds the wall clock, as the kernel sees it: adjtimex(2) with nothing to adjust."""
    timex = ctypes.create_string_buffer(_TIMEX_BYTES)
    state = ctypes.CDLL(None).adjtimex(timex)
    # struct timex: modes (padded to a long), offset, freq, maxerror, esterror, status.
    status = ctypes.c_int.from_buffer(timex, _STATUS_OFFSET).value
    return 0 <= state < _TIME_ERROR and not status & _STA_UNSYNC
