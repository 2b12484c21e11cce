"""The machine's own health as telemetry: processor, memory, disk, temperature, throttling."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from heliograph.link.channel import Channel, Limits, Stream, Value
from heliograph.link.event import Severity
from heliograph.node.outlet import Declare, Emit

_log = logging.getLogger(__name__)

_THROTTLED = Path("/sys/devices/platform/soc/soc:firmware/get_throttled")
"""A Raspberry Pi's firmware tells here, in hexadecimal, what `vcgencmd get_throttled` prints."""
# Bits of the Raspberry Pi documentation, "vcgencmd": 0 to 3 are now, 16 to 19 since the start.
_THROTTLING = {0: "under-voltage", 1: "frequency capped", 2: "throttled", 3: "soft temperature limit"}
_PROCESSOR_SENSORS = ("cpu_thermal", "coretemp", "k10temp", "soc_thermal", "cpu-thermal", "acpitz")

STREAM = Stream(
    name="health",
    description="The machine that the node runs on.",
    channels=(
        Channel(name="cpu", unit="%", description="Of all cores together."),
        Channel(name="load", description="Processes that ran or waited, averaged over a minute."),
        Channel(name="memory", unit="%", limits=Limits(warning_high=90.0, alarm_high=97.0)),
        Channel(name="memory_available", type="int64", unit="bytes"),
        Channel(name="disk", unit="%", limits=Limits(warning_high=90.0, alarm_high=98.0), description="Of the state."),
        Channel(name="disk_free", type="int64", unit="bytes"),
        Channel(
            name="temperature",
            unit="degC",
            limits=Limits(warning_high=80.0, alarm_high=90.0),
            description="Of the processor; NaN where the machine does not tell.",
        ),
        Channel(name="throttled", type="bool", description="Whether the firmware holds the processor back now."),
        Channel(name="node_cpu", unit="%", description="Of one core, by the node and its children."),
        Channel(name="node_memory", type="int64", unit="bytes", description="Resident, of the node."),
        Channel(name="uptime", unit="s", description="Of the machine."),
    ),
    stale_after_s=10.0,
)


class Health:
    """Samples the machine's health until closed.

    >>> with Health(declare, emit, Path("state"), interval_s=1.0):              # doctest: +SKIP
    ...     input("Enter ends it ")

    `folder` is on the disk whose room is watched. A change of what the firmware throttles is an event.
    """

    def __init__(
        self, declare: Declare, emit: Emit, folder: Path, *, interval_s: float = 1.0, throttled: Path = _THROTTLED
    ) -> None:
        self._recorder = declare(STREAM)
        self._emit = emit
        self._folder = folder
        self._interval_s = interval_s
        self._throttled = throttled
        self._process = psutil.Process()
        self._held_back = 0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heliograph-health", daemon=True)

    def __enter__(self) -> Health:
        # The first readings of both only begin the interval that the next ones are of.
        psutil.cpu_percent()
        self._used_s = self._processor_s()
        self._used_at_s = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._closing.set()
        self._thread.join()

    def _run(self) -> None:
        failing = ""
        while not self._closing.wait(self._interval_s):
            try:
                self._recorder.sample(self._measure())
                failing = ""
            # A disk that is unmounted, a sensor that goes: they may come back.
            except OSError as error:
                if str(error) != failing:
                    _log.warning("the machine's health is not sampled: %s", error)
                failing = str(error)

    def _measure(self) -> tuple[Value, ...]:
        memory = psutil.virtual_memory()
        disk = psutil.disk_usage(str(self._folder))
        return (
            psutil.cpu_percent(),
            os.getloadavg()[0],
            memory.percent,
            memory.available,
            disk.percent,
            disk.free,
            temperature_c(psutil.sensors_temperatures()),
            self._watch_throttling(),
            self._node_percent(),
            self._process.memory_info().rss,
            time.clock_gettime_ns(time.CLOCK_BOOTTIME) / 1e9,
        )

    def _node_percent(self) -> float:
        used_s, now_s = self._processor_s(), time.monotonic()
        percent = 100 * (used_s - self._used_s) / max(now_s - self._used_at_s, 1e-3)
        self._used_s, self._used_at_s = used_s, now_s
        # A child that ended took its time with it.
        return max(percent, 0.0)

    def _processor_s(self) -> float:
        used = self._process.cpu_times()
        return float(used.user + used.system + used.children_user + used.children_system)

    def _watch_throttling(self) -> bool:
        try:
            now = int(self._throttled.read_text(), 16) & 0xF
        except (OSError, ValueError):
            return False
        if now != self._held_back:
            self._held_back = now
            reasons = [text for bit, text in _THROTTLING.items() if now >> bit & 1]
            severity = Severity.WARNING if now else Severity.ACTIVITY
            told = f"the firmware holds the processor back: {', '.join(reasons)}" if now else "nothing is held back now"
            self._emit(severity, "health.throttling", told, reasons=reasons)
        return now != 0


def temperature_c(sensors: dict[str, Sequence[psutil._common.shwtemp]]) -> float:
    """Give the processor's temperature out of what psutil finds, NaN when there is none."""
    names = [name for name in _PROCESSOR_SENSORS if sensors.get(name)] or [name for name in sensors if sensors[name]]
    return float(sensors[names[0]][0].current) if names else float("nan")
