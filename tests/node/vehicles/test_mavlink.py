"""A vehicle that speaks MAVLink, imitated by pymavlink at the other end of real sockets and of a real serial line."""

import math
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pymavlink.dialects.v20 import common as mavlink

from heliograph.core import AddressError, CommandFailedError, LinkLostError, SettingError
from heliograph.link.event import Severity
from heliograph.node.vehicles.connection import open_connection
from heliograph.node.vehicles.mavlink import MavlinkVehicle
from heliograph.testing.outlet import Heard

ARM = mavlink.MAV_CMD_COMPONENT_ARM_DISARM


class Autopilot:
    """Sends what it is told to, answers commands by `answer`, and remembers what it was asked."""

    def __init__(self, send: Callable[[bytes], object], receive: Callable[[], bytes]) -> None:
        self._send, self._receive = send, receive
        self._coder = mavlink.MAVLink(None, srcSystem=42, srcComponent=mavlink.MAV_COMP_ID_AUTOPILOT1)
        self._coder.robust_parsing = True
        self.asked: list[Any] = []
        self.answer: Callable[[Any], list[int]] = lambda message: [mavlink.MAV_RESULT_ACCEPTED]
        self.armed = False
        self.ended = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def say(self, message: Any) -> None:
        self._send(message.pack(self._coder))

    def beat(self) -> None:
        base_mode = mavlink.MAV_MODE_FLAG_CUSTOM_MODE_ENABLED | (self.armed << 7)
        self.say(
            mavlink.MAVLink_heartbeat_message(
                mavlink.MAV_TYPE_QUADROTOR,
                mavlink.MAV_AUTOPILOT_ARDUPILOTMEGA,
                base_mode,
                4,
                mavlink.MAV_STATE_ACTIVE,
                3,
            )
        )

    def end(self) -> None:
        self.ended = True
        self._thread.join()

    def _run(self) -> None:
        while not self.ended:
            try:
                data = self._receive()
            except (TimeoutError, BlockingIOError):
                continue
            except OSError:
                return
            for message in self._coder.parse_buffer(data) or ():
                if message.get_type() != "COMMAND_LONG":
                    continue
                self.asked.append(message)
                if message.command == ARM:
                    for result in self.answer(message):
                        self.armed = message.param1 == 1 and result == mavlink.MAV_RESULT_ACCEPTED
                        self.say(mavlink.MAVLink_command_ack_message(ARM, result))


@pytest.fixture
def heard() -> Heard:
    return Heard()


def free_port(kind: socket.SocketKind = socket.SOCK_DGRAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def flying(heard: Heard) -> Iterator[tuple[MavlinkVehicle, Autopilot]]:
    port = free_port()
    vehicle = MavlinkVehicle("drone", f"udp:127.0.0.1:{port}", heard.declare, heard.emit)
    vehicle.start()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.settimeout(0.1)
        autopilot = Autopilot(lambda data: own.sendto(data, ("127.0.0.1", port)), lambda: own.recv(65536))
        autopilot.beat()
        heard.wait_for(lambda: "vehicle.found" in heard.event_names)
        yield vehicle, autopilot
        autopilot.end()
    vehicle.close()


def test_messages_become_samples_in_our_units(flying: tuple[MavlinkVehicle, Autopilot], heard: Heard) -> None:
    _, autopilot = flying
    autopilot.say(mavlink.MAVLink_attitude_message(0, math.pi / 6, -math.pi / 12, -math.pi / 2, 0, 0, 0))
    autopilot.say(
        mavlink.MAVLink_global_position_int_message(0, 473977000, 85456000, 548000, 60000, 1200, -300, 50, 27000)
    )
    autopilot.say(mavlink.MAVLink_scaled_pressure_message(0, 955.5, 0.0, 1850))
    autopilot.say(mavlink.MAVLink_sys_status_message(0, 0, 0, 0, 12600, 1550, 83, 0, 0, 0, 0, 0, 0))
    heard.wait_for(lambda: bool(heard.streams["drone.battery"].values))
    last = {name: stream.values[-1] for name, stream in heard.streams.items() if stream.values}
    assert last["drone.attitude"] == pytest.approx((30, -15, 270), abs=1e-4)
    assert last["drone.position"] == pytest.approx((47.3977, 8.5456, 548, 12, -3, 0.5, 270))
    assert last["drone.air"] == pytest.approx((955.5, 18.5))
    assert last["drone.battery"] == pytest.approx((83, 12.6, 15.5))
    assert last["drone.state"] == (False, "GUIDED")


def test_an_unknown_value_is_no_number(flying: tuple[MavlinkVehicle, Autopilot], heard: Heard) -> None:
    _, autopilot = flying
    autopilot.say(mavlink.MAVLink_global_position_int_message(0, 0, 0, 0, 0, 0, 0, 0, 65535))
    autopilot.say(mavlink.MAVLink_sys_status_message(0, 0, 0, 0, 65535, -1, -1, 0, 0, 0, 0, 0, 0))
    heard.wait_for(lambda: bool(heard.streams["drone.battery"].values))
    assert all(math.isnan(float(value)) for value in heard.streams["drone.battery"].values[-1])
    assert math.isnan(float(heard.streams["drone.position"].values[-1][-1]))


def test_arming_waits_for_the_acknowledgement(flying: tuple[MavlinkVehicle, Autopilot], heard: Heard) -> None:
    vehicle, autopilot = flying
    vehicle.arm(True, 5)
    assert autopilot.armed
    request = autopilot.asked[-1]
    assert (request.command, request.param1, request.target_system) == (ARM, 1, 42)
    vehicle.arm(False, 5)
    assert autopilot.asked[-1].param1 == 0
    assert heard.event_names.count("vehicle.armed") == 2


def test_a_refusal_is_told_with_what_the_vehicle_said(flying: tuple[MavlinkVehicle, Autopilot], heard: Heard) -> None:
    vehicle, autopilot = flying
    autopilot.say(mavlink.MAVLink_statustext_message(mavlink.MAV_SEVERITY_CRITICAL, b"PreArm: no GPS fix"))
    heard.wait_for(lambda: "vehicle.said" in heard.event_names)
    autopilot.answer = lambda message: [mavlink.MAV_RESULT_DENIED]
    with pytest.raises(CommandFailedError, match="drone: it refuses; it said: PreArm: no GPS fix"):
        vehicle.arm(True, 5)
    assert heard.events[-1][0] is Severity.ALARM


def test_a_lost_request_is_repeated_as_the_same_command(flying: tuple[MavlinkVehicle, Autopilot]) -> None:
    vehicle, autopilot = flying
    autopilot.answer = lambda message: [] if message.confirmation == 0 else [mavlink.MAV_RESULT_ACCEPTED]
    vehicle.arm(True, 5)
    assert [message.confirmation for message in autopilot.asked if message.command == ARM] == [0, 1]


def test_work_in_progress_is_waited_for(flying: tuple[MavlinkVehicle, Autopilot]) -> None:
    vehicle, autopilot = flying
    autopilot.answer = lambda message: [mavlink.MAV_RESULT_IN_PROGRESS, mavlink.MAV_RESULT_ACCEPTED]
    vehicle.arm(True, 5)


def test_silence_is_told(flying: tuple[MavlinkVehicle, Autopilot]) -> None:
    vehicle, autopilot = flying
    autopilot.answer = lambda message: []
    with pytest.raises(CommandFailedError, match=r"did not acknowledge within 0\.5 s"):
        vehicle.arm(True, 0.5)


def test_nobody_waits_for_the_vehicle_of_a_node_that_ends(flying: tuple[MavlinkVehicle, Autopilot]) -> None:
    vehicle, autopilot = flying
    autopilot.answer = lambda message: []
    ending = threading.Timer(0.2, vehicle.close)
    ending.start()
    began_s = time.monotonic()
    with pytest.raises(CommandFailedError, match="before the node ended"):
        vehicle.arm(True, 60)
    assert time.monotonic() - began_s < 5
    ending.join()


def test_a_vehicle_that_was_never_heard_cannot_be_armed(heard: Heard) -> None:
    vehicle = MavlinkVehicle("drone", f"udp:127.0.0.1:{free_port()}", heard.declare, heard.emit)
    vehicle.start()
    with pytest.raises(CommandFailedError, match="not heard"):
        vehicle.arm(True, 1)
    vehicle.close()


def test_rates_are_asked_for(flying: tuple[MavlinkVehicle, Autopilot]) -> None:
    _, autopilot = flying
    deadline_s = time.monotonic() + 10
    while len(autopilot.asked) < 4:
        assert time.monotonic() < deadline_s
        autopilot.beat()
        time.sleep(0.01)
    rates = {message.param1: message.param2 for message in autopilot.asked}
    assert rates[mavlink.MAVLINK_MSG_ID_ATTITUDE] == 50_000


def test_others_on_the_line_are_not_the_vehicle(flying: tuple[MavlinkVehicle, Autopilot], heard: Heard) -> None:
    _, autopilot = flying
    other = mavlink.MAVLink(None, srcSystem=7, srcComponent=1)
    autopilot._send(b"noise" + mavlink.MAVLink_attitude_message(0, 1, 1, 1, 0, 0, 0).pack(other))
    autopilot.say(mavlink.MAVLink_scaled_pressure_message(0, 955.5, 0.0, 1850))
    heard.wait_for(lambda: bool(heard.streams["drone.air"].values))
    assert not heard.streams["drone.attitude"].values


def test_a_server_of_tcp_that_goes_is_opened_anew(heard: Heard) -> None:
    port = free_port(socket.SOCK_STREAM)
    vehicle = MavlinkVehicle("drone", f"tcp:127.0.0.1:{port}", heard.declare, heard.emit)
    vehicle.start()  # nobody is there yet
    states = heard.streams["drone.state"].values
    try:
        for count in (1, 2):
            with socket.create_server(("127.0.0.1", port)) as server:
                server.settimeout(10)
                peer, _ = server.accept()
                with peer:
                    peer.settimeout(0.1)
                    autopilot = Autopilot(peer.sendall, lambda peer=peer: peer.recv(65536))  # type: ignore[misc]
                    autopilot.beat()
                    heard.wait_for(lambda count=count: len(states) == count)
                    autopilot.end()
    finally:
        vehicle.close()


def test_a_vehicle_whose_line_is_gone_is_lost_and_found_again(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("heliograph.node.vehicles.mavlink._LOST_S", 0.2)
    port = free_port(socket.SOCK_STREAM)
    vehicle = MavlinkVehicle("drone", f"tcp:127.0.0.1:{port}", heard.declare, heard.emit)
    vehicle.start()
    try:
        for turn in (1, 2):
            with socket.create_server(("127.0.0.1", port)) as server:
                server.settimeout(10)
                peer, _ = server.accept()
                with peer:
                    peer.settimeout(0.1)
                    autopilot = Autopilot(peer.sendall, lambda peer=peer: peer.recv(65536))  # type: ignore[misc]
                    autopilot.beat()
                    heard.wait_for(lambda turn=turn: heard.event_names.count("vehicle.found") == turn)
                    autopilot.end()
            heard.wait_for(lambda turn=turn: heard.event_names.count("vehicle.lost") == turn)
            with pytest.raises(CommandFailedError, match="is not heard"):
                vehicle.arm(True, 0.5)
    finally:
        vehicle.close()


def test_a_serial_line_is_read_and_written(heard: Heard) -> None:
    master, line = os.openpty()
    device = os.ttyname(line)
    vehicle = MavlinkVehicle("drone", f"serial:{device}:115200", heard.declare, heard.emit)
    vehicle.start()
    os.set_blocking(master, False)
    autopilot = Autopilot(lambda data: os.write(master, data), lambda: os.read(master, 4096))
    try:
        autopilot.beat()
        heard.wait_for(lambda: "vehicle.found" in heard.event_names)
        vehicle.arm(True, 5)
        assert autopilot.armed
    finally:
        autopilot.end()
        vehicle.close()
        os.close(master)
        os.close(line)


@pytest.mark.parametrize(
    "where",
    [
        "",
        "udp",
        "udp:127.0.0.1",
        "udp:127.0.0.1:x",
        "udp::14550",
        "tcp:h:70000",
        "serial:",
        "serial:/dev/x:fast",
        "http://x",
    ],
)
def test_what_is_no_connection_is_told(where: str) -> None:
    with pytest.raises(SettingError, match="udp:127"):
        open_connection(where)


def test_a_port_in_use_and_a_line_that_is_not_there_are_told(heard: Heard) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        vehicle = MavlinkVehicle("drone", f"udp:127.0.0.1:{taken.getsockname()[1]}", heard.declare, heard.emit)
        with pytest.raises(AddressError, match="choose another"):
            vehicle.start()
        vehicle.close()
    with pytest.raises(LinkLostError, match="/dev/nothing"):
        open_connection("serial:/dev/nothing")
