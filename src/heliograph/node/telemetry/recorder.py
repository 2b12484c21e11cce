"""Takes the samples of a stream as its source gives them, until the writer takes all of them at once."""

from __future__ import annotations

import struct
import threading
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from heliograph.core import SettingError
from heliograph.link.channel import Stream, Value, pack_text
from heliograph.link.intake import FAR_NS
from heliograph.link.spooled import MESSAGE_BYTES

_CODES = {"float64": "d", "float32": "f", "int64": "q", "int32": "i", "uint8": "B", "bool": "?"}
_TIME_BYTES = 8
_ROOM_BYTES = 8 * 1024 * 1024
"""What a stream may hold while the disk is slow: 2.7 s of 20 000 samples/s with 18 doubles."""


@dataclass(frozen=True, slots=True)
class Taken:
    """Samples out of a recorder, and how many after them it had no room for."""

    first: int
    count: int
    times: bytes
    rows: bytes
    lost: int


class StreamRecorder:
    """The `Recorder` of one stream; `wake` is called for the first sample after each `take`, `hurry` when many wait.

    A sample whose values do not fit the channels, or whose time cannot be, is not taken, and told to `misfit`: a
    source's slip must not end it, and an archive refuses the block of a time that cannot be.
    """

    def __init__(
        self,
        stream: Stream,
        *,
        wake: Callable[[], None],
        hurry: Callable[[], None],
        misfit: Callable[[Stream, str], None],
    ) -> None:
        self.stream = stream
        self._wake = wake
        self._hurry = hurry
        self._misfit = misfit
        codes = [f"{each.size_bytes}s" if each.type == "text" else _CODES[each.type] for each in stream.channels]
        self._pack = struct.Struct("<" + "".join(codes)).pack
        self._texts = {at: each.size_bytes for at, each in enumerate(stream.channels) if each.type == "text"}
        sample_bytes = stream.dtype.itemsize + _TIME_BYTES
        self._room = max(_ROOM_BYTES // sample_bytes, 1)
        self._many = max(MESSAGE_BYTES // sample_bytes, 1)
        self._lock = threading.Lock()
        self._next = 1
        self._times = array("q")
        self._rows = bytearray()
        self._lost = 0

    def sample(self, values: tuple[Value, ...], boot_time_ns: int | None = None) -> None:
        """Take one sample, in the order of the stream's channels; of now unless a time is given."""
        try:
            time_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) if boot_time_ns is None else _checked(boot_time_ns)
            row = self._pack(*(values if not self._texts else self._with_texts(values)))
        except (struct.error, OverflowError, TypeError, ValueError) as error:
            self._misfit(self.stream, str(error))
            return
        with self._lock:
            waiting = len(self._times)
            if waiting >= self._room:
                self._lost += 1
                return
            self._times.append(time_ns)
            self._rows += row
        if not waiting:
            self._wake()
        elif waiting == self._many:
            self._hurry()

    def samples(self, boot_times_ns: npt.NDArray[np.int64], rows: npt.NDArray[Any]) -> None:
        """Take many samples: times of shape (n,), rows of `Stream.dtype`, shape (n,); else raises `SettingError`."""
        if rows.dtype != self.stream.dtype or rows.ndim != 1 or boot_times_ns.shape != rows.shape:
            raise SettingError(
                f"stream {self.stream.name!r}: give times of shape (n,) and rows of its dtype, shape (n,);"
                f" these are {boot_times_ns.shape}, and {rows.dtype} of shape {rows.shape}"
            )
        if boot_times_ns.dtype != np.int64 or (
            len(rows) and not 0 <= boot_times_ns.min() <= boot_times_ns.max() < FAR_NS
        ):
            raise SettingError(f"stream {self.stream.name!r}: times are int64, CLOCK_BOOTTIME in nanoseconds")
        with self._lock:
            waiting = len(self._times)
            # Once some are lost, the numbers of those that follow are lost with them until the writer comes.
            room = 0 if self._lost else self._room - waiting
            kept = min(len(rows), room)
            self._times.frombytes(boot_times_ns[:kept].tobytes())
            self._rows += rows[:kept].tobytes()
            self._lost += len(rows) - kept
        if len(rows):
            self._wake()
        if waiting < self._many <= waiting + kept:
            self._hurry()

    def take(self) -> Taken | None:
        """Give what was taken since the last time, with its numbers."""
        with self._lock:
            times, rows, lost = self._times, self._rows, self._lost
            if not times and not lost:
                return None
            first = self._next
            self._next += len(times) + lost
            self._times, self._rows, self._lost = array("q"), bytearray(), 0
        return Taken(first, len(times), np.asarray(times, "<i8").tobytes(), bytes(rows), lost)

    def _with_texts(self, values: tuple[Value, ...]) -> list[Value | bytes]:
        return [pack_text(each, self._texts[at]) if at in self._texts else each for at, each in enumerate(values)]


def _checked(boot_time_ns: int) -> int:
    if not 0 <= (time_ns := int(boot_time_ns)) < FAR_NS:
        raise ValueError(f"{time_ns} is no time of CLOCK_BOOTTIME in nanoseconds")
    return time_ns
