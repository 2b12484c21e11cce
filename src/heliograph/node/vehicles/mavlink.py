"""A vehicle that speaks MAVLink: what it measures becomes telemetry, arming is COMMAND_LONG and its acknowledgement.

Messages and numbers are those of MAVLink's common dialect (mavlink.io/en/messages/common.html), parsed by pymavlink.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pymavlink import mavutil
from pymavlink.dialects.v20 import common as mavlink

from heliograph.core import AddressError, CommandFailedError, HeliographError
from heliograph.link.channel import Value
from heliograph.link.event import Severity
from heliograph.node.outlet import Declare, Emit
from heliograph.node.vehicles.connection import Connection, open_connection
from heliograph.node.vehicles.vehicle import streams_of

_log = logging.getLogger(__name__)

_READ_S = 0.1
_HEARTBEAT_S = 1.0
_REOPEN_S = 1.0
_REPEAT_S = 1.0
# mavlink.io/en/services/heartbeat.html: a component counts as lost after four or five missing heartbeats.
_LOST_S = 5.0

_WANTED_HZ = {
    mavlink.MAVLINK_MSG_ID_ATTITUDE: 20,
    mavlink.MAVLINK_MSG_ID_GLOBAL_POSITION_INT: 5,
    mavlink.MAVLINK_MSG_ID_SCALED_PRESSURE: 1,
    mavlink.MAVLINK_MSG_ID_SYS_STATUS: 1,
}
_NAN = float("nan")
_RESULTS = {
    mavlink.MAV_RESULT_TEMPORARILY_REJECTED: "it refuses for now",
    mavlink.MAV_RESULT_DENIED: "it refuses",
    mavlink.MAV_RESULT_UNSUPPORTED: "it does not know the command",
    mavlink.MAV_RESULT_FAILED: "it tried and failed",
}


@dataclass(slots=True)
class _Target:
    """The autopilot that was heard first."""

    system: int
    component: int
    heard_s: float
    lost: bool = False


class MavlinkVehicle:
    """Listens to an autopilot at `where` (see `open_connection`) and opens it anew when it is lost.

    >>> vehicle = MavlinkVehicle("drone", "udp:127.0.0.1:14550", declare, emit)  # doctest: +SKIP
    >>> vehicle.start()                                                        # doctest: +SKIP
    """

    def __init__(self, name: str, where: str, declare: Declare, emit: Emit) -> None:
        self._name = name
        self._where = where
        self._emit = emit
        self._recorders = {short: declare(stream) for short, stream in streams_of(name).items()}
        self._coder = mavlink.MAVLink(None, srcSystem=1, srcComponent=mavlink.MAV_COMP_ID_ONBOARD_COMPUTER)
        self._coder.robust_parsing = True
        self._sending = threading.Lock()
        self._connection: Connection | None = None
        self._trouble = ""
        self._target: _Target | None = None
        self._said = ""
        self._asking = threading.Lock()
        self._results: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"heliograph-mavlink-{name}", daemon=True)

    def start(self) -> None:
        """Begin to listen. Raises `SettingError` and `AddressError`; a vehicle that is not there yet is waited for."""
        self._open()
        self._thread.start()

    def arm(self, armed: bool, timeout_s: float) -> None:
        """Send MAV_CMD_COMPONENT_ARM_DISARM until it is acknowledged. Raises `CommandFailedError` otherwise."""
        with self._asking:
            target = self._target
            if target is None or target.lost:
                raise CommandFailedError(f"{self._name} is not heard at {self._where}")
            while not self._results.empty():
                self._results.get_nowait()
            result = self._ask(target, armed, time.monotonic() + timeout_s)
        if result is None:
            waited = "before the node ended" if self._closing.is_set() else f"within {timeout_s:g} s"
            raise CommandFailedError(f"{self._name} did not acknowledge {waited}: whether it obeyed is open")
        if result != mavlink.MAV_RESULT_ACCEPTED:
            said = f"; it said: {self._said}" if self._said else ""
            raise CommandFailedError(f"{self._name}: {_RESULTS.get(result, f'result {result}')}{said}")
        self._emit(Severity.WARNING, "vehicle.armed", f"{self._name} is {'armed' if armed else 'disarmed'}")

    def close(self) -> None:
        """End."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()
        if self._connection is not None:
            self._connection.close()

    def _ask(self, target: _Target, armed: bool, deadline_s: float) -> int | None:
        result: int | None = None
        confirmation = 0
        while (left_s := deadline_s - time.monotonic()) > 0 and not self._closing.is_set():
            if result != mavlink.MAV_RESULT_IN_PROGRESS:
                self._send(
                    self._coder.command_long_encode(
                        target.system, target.component, mavlink.MAV_CMD_COMPONENT_ARM_DISARM, confirmation,
                        float(armed), 0, 0, 0, 0, 0, 0,
                    )
                )  # fmt: skip
                confirmation += 1
            with suppress(queue.Empty):
                result = self._results.get(timeout=min(_REPEAT_S, left_s))
                if result != mavlink.MAV_RESULT_IN_PROGRESS:
                    return result
        return None

    def _open(self) -> None:
        try:
            self._connection = open_connection(self._where)
            self._trouble = ""
        except AddressError:
            raise
        except ConnectionError as error:
            # Once, though it is tried every second for as long as it takes.
            if self._trouble != str(error):
                self._trouble = str(error)
                _log.warning("%s: %s; it is tried again every second", self._name, error)

    def _run(self) -> None:
        beaten_s = 0.0
        while not self._closing.is_set():
            self._watch_silence(time.monotonic())
            if self._connection is None:
                self._closing.wait(_REOPEN_S)
                self._open()
                continue
            try:
                data = self._connection.read(_READ_S)
            except ConnectionError as error:
                _log.warning("%s: %s; opening it anew", self._name, error)
                self._connection.close()
                self._connection = None
                continue
            for message in self._coder.parse_buffer(data) or () if data else ():
                self._take(message)
            now_s = time.monotonic()
            if now_s - beaten_s >= _HEARTBEAT_S:
                beaten_s = now_s
                self._beat()

    def _beat(self) -> None:
        self._send(
            self._coder.heartbeat_encode(
                mavlink.MAV_TYPE_ONBOARD_CONTROLLER, mavlink.MAV_AUTOPILOT_INVALID, 0, 0, mavlink.MAV_STATE_ACTIVE
            )
        )

    def _watch_silence(self, now_s: float) -> None:
        """Also where the line itself is gone."""
        target = self._target
        if target is not None and not target.lost and now_s - target.heard_s > _LOST_S:
            target.lost = True
            self._emit(Severity.ALARM, "vehicle.lost", f"{self._name} has not been heard for {_LOST_S:g} s")

    def _take(self, message: Any) -> None:
        kind = message.get_type()
        if kind == "HEARTBEAT":
            self._hear(message)
        target = self._target
        if target is None or message.get_srcSystem() != target.system:
            return
        if kind == "COMMAND_ACK":
            if message.command == mavlink.MAV_CMD_COMPONENT_ARM_DISARM:
                self._results.put(message.result)
        elif kind == "STATUSTEXT":
            self._said = message.text
            severity = Severity.ALARM if message.severity <= 3 else Severity.ACTIVITY
            severity = Severity.WARNING if message.severity == 4 else severity
            self._emit(severity, "vehicle.said", f"{self._name}: {message.text}", mavlink_severity=message.severity)
        elif (sample := sample_of(message)) is not None:
            self._recorders[sample[0]].sample(sample[1])

    def _hear(self, heartbeat: Any) -> None:
        if heartbeat.autopilot == mavlink.MAV_AUTOPILOT_INVALID:
            return  # a ground station, a gimbal, a camera
        now_s = time.monotonic()
        target = self._target
        if target is None:
            target = self._target = _Target(heartbeat.get_srcSystem(), heartbeat.get_srcComponent(), now_s, lost=True)
            self._coder.srcSystem = target.system
        if heartbeat.get_srcSystem() != target.system:
            return
        target.heard_s = now_s
        if target.lost:
            target.lost = False
            self._emit(Severity.ACTIVITY, "vehicle.found", f"{self._name} is heard as system {target.system}")
            self._ask_for_messages(target)
        armed = bool(heartbeat.base_mode & mavlink.MAV_MODE_FLAG_SAFETY_ARMED)
        self._recorders["state"].sample((armed, mavutil.mode_string_v10(heartbeat)))

    def _ask_for_messages(self, target: _Target) -> None:
        """A serial line is silent but for heartbeats until somebody asks."""
        for message_id, rate_hz in _WANTED_HZ.items():
            self._send(
                self._coder.command_long_encode(
                    target.system, target.component, mavlink.MAV_CMD_SET_MESSAGE_INTERVAL, 0,
                    message_id, 1e6 / rate_hz, 0, 0, 0, 0, 0,
                )
            )  # fmt: skip

    def _send(self, message: Any) -> None:
        with self._sending:
            connection = self._connection
            if connection is not None:
                with suppress(HeliographError):  # the thread that reads finds out and opens it anew
                    connection.write(message.pack(self._coder))


def sample_of(message: Any) -> tuple[str, tuple[Value, ...]] | None:
    """Give the stream's short name and the values of a message, in our units; None for one that is not kept."""
    match message.get_type():
        case "ATTITUDE":
            degrees = (_degrees(message.roll), _degrees(message.pitch), _degrees(message.yaw) % 360)
            return "attitude", degrees
        case "GLOBAL_POSITION_INT":
            speeds = (message.vx / 100, message.vy / 100, message.vz / 100)
            heading = _NAN if message.hdg == 65_535 else message.hdg / 100
            return "position", (message.lat / 1e7, message.lon / 1e7, message.alt / 1000, *speeds, heading)
        case "SCALED_PRESSURE":
            return "air", (message.press_abs, message.temperature / 100)
        case "SYS_STATUS":
            remaining = _NAN if message.battery_remaining < 0 else float(message.battery_remaining)
            voltage = _NAN if message.voltage_battery == 65_535 else message.voltage_battery / 1000
            current = _NAN if message.current_battery < 0 else message.current_battery / 100
            return "battery", (remaining, voltage, current)
    return None


def _degrees(radians: float) -> float:
    return radians * 57.29577951308232
