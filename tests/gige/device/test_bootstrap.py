"""Bootstrap registers of our camera."""

from typing import Any

import pytest

from heliograph.core import RemoteStatusError
from heliograph.gige import gvcp
from heliograph.gige.bootstrap import GvcpCapability, Register
from heliograph.gige.device.bootstrap import TIMESTAMP
from heliograph.gige.gvcp import Command, Status

Bench = Any  # conftest.py's, which test modules cannot import


def number(bench: Bench, address: int, length: int = 4) -> int:
    return int.from_bytes(bench.registers.read(address, length, now_ns=123_456_789_012), "big")


@pytest.mark.parametrize(
    ("register", "value"),
    [
        (Register.VERSION, 0x00010002),
        (Register.DEVICE_MODE, 0x80000001),
        (Register.MAC_HIGH, 0x02AA),
        (Register.MAC_LOW, 0xBBCCDDEE),
        (Register.CURRENT_IP, 0x7F010203),
        (Register.INTERFACE_COUNT, 1),
        (Register.STREAM_CHANNEL_COUNT, 1),
        (Register.HEARTBEAT_TIMEOUT, 3000),
        (Register.TIMESTAMP_FREQUENCY_HIGH, 0),
        (Register.TIMESTAMP_FREQUENCY_LOW, 1_000_000_000),
        (Register.STREAM_CHANNEL_PACKET_SIZE, 0x400005DC),
    ],
)
def test_values_from_the_start(bench: Bench, register: Register, value: int) -> None:
    assert number(bench, register) == value


def test_nothing_is_promised_that_does_not_exist(bench: Bench) -> None:
    capability = GvcpCapability(number(bench, Register.GVCP_CAPABILITY))
    for missing in (GvcpCapability.EVENTDATA, GvcpCapability.HEARTBEAT_DISABLE, GvcpCapability.TEST_DATA):
        assert missing not in capability
    assert GvcpCapability.WRITEMEM | GvcpCapability.CONCATENATION | GvcpCapability.PENDING_ACK in capability


def test_clock_and_latch(bench: Bench) -> None:
    assert number(bench, TIMESTAMP, 8) == 123_456_789_012
    bench.registers.write(Register.TIMESTAMP_CONTROL, b"\0\0\0\2", now_ns=0x1_2345_6789)
    assert number(bench, Register.TIMESTAMP_LATCHED_HIGH) == 1
    assert number(bench, Register.TIMESTAMP_LATCHED_LOW) == 0x23456789
    with pytest.raises(RemoteStatusError, match="cannot be reset"):
        bench.registers.write(Register.TIMESTAMP_CONTROL, b"\0\0\0\1", now_ns=0)


@pytest.mark.parametrize("value", [0, 0x40])
def test_stream_has_no_options(bench: Bench, value: int) -> None:
    # 0x40 is what Aravis writes when it opens a camera: multipart payloads.
    data = value.to_bytes(4, "big")
    if not value:
        bench.registers.write(Register.STREAM_CHANNEL_CONFIGURATION, data, now_ns=0)
        return
    with pytest.raises(RemoteStatusError) as error:
        bench.registers.write(Register.STREAM_CHANNEL_CONFIGURATION, data, now_ns=0)
    assert error.value.status == Status.INVALID_PARAMETER


def test_name_may_fill_its_register(bench: Bench) -> None:
    bench.registers.write(Register.USER_DEFINED_NAME, b"sixteen--letters", now_ns=0)
    assert bench.state.user_name == "sixteen--letters"


@pytest.mark.parametrize("name", [b"north\x1b[2J", b"a\nb"])
def test_a_name_that_would_move_a_cursor_is_refused(bench: Bench, name: bytes) -> None:
    bench.take_control()
    payload = gvcp.pack_memory(Register.USER_DEFINED_NAME, name.ljust(16, b"\0"))
    assert bench.ask(Command.WRITEMEM, payload).status == Status.INVALID_PARAMETER
    assert bench.state.user_name == "cam-1"
