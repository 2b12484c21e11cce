"""Registers that change: what they take and what follows from it."""

from collections import deque

import pytest

from heliograph.core import RemoteStatusError
from heliograph.gige.bootstrap import ControlPrivilege, PacketSizeBit
from heliograph.gige.device.state import ControlReleased, ControlTaken, DeviceState, ProbeRequested, StreamClosed
from heliograph.gige.gvcp import Status

CLIENT = ("10.0.0.1", 50_000)
FIRE = PacketSizeBit.FIRE_TEST_PACKET


@pytest.mark.parametrize("size_bytes", [0, 572, 577, 1498, 16_405, 16_408, 65_535])
def test_packet_sizes_that_are_refused(size_bytes: int) -> None:
    state = DeviceState(largest_packet_bytes=16_404)
    with pytest.raises(RemoteStatusError, match="in steps of 4") as error:
        state.write_packet_size(size_bytes | FIRE)
    assert error.value.status == Status.INVALID_PARAMETER
    assert (state.packet_size_bytes, state.events) == (1500, deque())


def test_test_packet_needs_somewhere_to_go() -> None:
    state = DeviceState()
    state.write_packet_size(1500 | FIRE)
    state.write_host_port(4000)
    state.write_packet_size(1500 | FIRE)
    assert not state.events
    state.write_destination(0x0A000001)
    state.write_packet_size(9000 | FIRE)
    assert list(state.events) == [ProbeRequested(("10.0.0.1", 4000), 8972)]
    assert state.read_packet_size() == PacketSizeBit.DO_NOT_FRAGMENT | 9000


def test_what_is_fixed_while_frames_stream() -> None:
    state = DeviceState(host_port=4000, destination="10.0.0.1", acquiring=True)
    for write, value in [
        (state.write_host_port, 4001),
        (state.write_destination, 0x0A000002),
        (state.write_packet_size, 9000),
        (state.write_packet_delay, 10),
    ]:
        with pytest.raises(RemoteStatusError) as error:
            write(value)
        assert error.value.status == Status.ACCESS_DENIED
    # Writing what is there already is how clients set one bit of a register.
    state.write_host_port(4000)
    state.write_destination(0x0A000001)
    state.write_packet_size(1500 | FIRE)
    state.write_packet_delay(0)
    state.write_host_port(0)
    assert not state.streaming
    assert state.events[-1] == StreamClosed()
    state.write_packet_size(9000)


@pytest.mark.parametrize("timeout_ms", [0, 499, 600_001])
def test_heartbeat_timeouts_that_are_refused(timeout_ms: int) -> None:
    with pytest.raises(RemoteStatusError):
        DeviceState().write_heartbeat_timeout(timeout_ms)


def test_control_comes_and_goes_once() -> None:
    state = DeviceState()
    state.take_control(CLIENT, ControlPrivilege.CONTROL)
    state.take_control(CLIENT, ControlPrivilege.EXCLUSIVE)
    assert list(state.events) == [ControlTaken(CLIENT)]
    state.release_control(ControlReleased(CLIENT))
    assert (state.controller, state.privilege) == (None, ControlPrivilege.NONE)
