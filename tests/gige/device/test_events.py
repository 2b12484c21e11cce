"""Events on the message channel: who gets them, how often they are repeated, and what is dropped."""

from __future__ import annotations

from typing import Any

import pytest

from heliograph.gige.bootstrap import Register
from heliograph.gige.device.events import EVENT_IDS, MessageChannel, MessageRoute
from heliograph.gige.gvcp import AckPacket, Command, CommandPacket, Flag, Status

CLIENT = ("10.0.0.1", 6000)
MS = 1_000_000

Bench = Any  # conftest.py's, which test modules cannot import


def channel(**settings: int) -> tuple[MessageChannel, MessageRoute]:
    route = MessageRoute(port=6000, destination="10.0.0.1", wanted={"FrameStart", "ExposureEnd"})
    for name, value in settings.items():
        setattr(route, name, value)
    return MessageChannel(route), route


def ack(request_id: int, command: int = Command.EVENT + 1, status: int = 0) -> bytes:
    return AckPacket(status, command, request_id).pack()


def sent(messages: MessageChannel, now_ns: int = 0) -> list[CommandPacket]:
    datagrams = messages.datagrams_to_send(now_ns)
    assert {to for _, to in datagrams} <= {CLIENT}
    return [CommandPacket.unpack(data) for data, _ in datagrams]


@pytest.mark.parametrize(("extended", "payload"), [(False, "00109002000000070000000000000005"), (True, None)])
def test_an_event_tells_what_frame_and_when(extended: bool, payload: str | None) -> None:
    messages, _ = channel()
    assert messages.notify("ExposureEnd", 7, 5, extended=extended)
    (command,) = sent(messages)
    assert command.command == Command.EVENT
    assert command.flags == Flag.ACK_REQUIRED | (Flag.EXTENDED if extended else Flag.NONE)
    assert command.payload == bytes.fromhex(payload or "0018900200000000" + "0000000000000007" + "0000000000000005")


def test_nobody_listening_costs_nothing() -> None:
    messages, route = channel()
    assert not messages.notify("ActionLate", 0, 0), "not asked for"
    route.close()
    assert not messages.notify("FrameStart", 1, 0)
    assert sent(messages) == []
    assert messages.next_deadline() is None


def test_an_event_is_repeated_until_it_is_acknowledged() -> None:
    messages, _ = channel(timeout_ms=100, retries=3)
    for block_id in (1, 2):
        messages.notify("FrameStart", block_id, 0)
    first, second = sent(messages, now_ns=0)
    assert messages.next_deadline() == 100 * MS
    for stranger, data in [
        (("10.0.0.2", 6000), ack(first.request_id)),
        (CLIENT, ack(first.request_id, Command.READREG + 1)),
        (CLIENT, b"\0\0\0"),
        (CLIENT, ack(12345)),
    ]:
        messages.receive_datagram(data, stranger)
    messages.receive_datagram(ack(second.request_id, status=Status.NOT_IMPLEMENTED), CLIENT)
    messages.handle_timer(99 * MS)
    assert sent(messages) == []
    for turn in (1, 2, 3):
        messages.handle_timer(turn * 100 * MS)
        assert sent(messages) == [first]
    assert messages.dropped_events == 0
    messages.handle_timer(400 * MS)
    assert sent(messages) == []
    assert messages.dropped_events == 1
    assert messages.next_deadline() is None


def test_without_a_timeout_no_acknowledge_is_asked_for() -> None:
    messages, _ = channel(timeout_ms=0)
    messages.notify("FrameStart", 1, 0)
    (command,) = sent(messages)
    assert not command.ack_required
    assert messages.next_deadline() is None


def test_a_client_that_is_gone_fills_no_memory() -> None:
    messages, route = channel()
    for number in range(1000):
        messages.notify("FrameStart", number & 0xFFFF, number)
        messages.datagrams_to_send(number)
    assert len(messages._waiting) == 64
    for number in range(1000):
        messages.notify("FrameStart", number & 0xFFFF, number)
    assert len(messages._new) == 64
    assert messages.dropped_events == 1000 - 64 + 1000 - 64
    route.close()
    messages.handle_timer(0)
    assert messages.next_deadline() is None
    assert messages.datagrams_to_send(0) == []


@pytest.mark.parametrize(("block_id", "time_ns"), [(70_000, 5), (1, -1), (1, 1 << 64)])
def test_what_no_message_has_room_for_is_dropped_and_nothing_else(block_id: int, time_ns: int) -> None:
    messages, _ = channel()
    for event in ((1, 1), (block_id, time_ns), (2, 2)):
        messages.notify("FrameStart", *event)
    assert len(sent(messages)) == 2
    assert messages.dropped_events == 1


def test_what_is_wanted_is_chosen_by_features_and_where_it_goes_by_registers(bench: Bench) -> None:
    bench.take_control()
    features, route = bench.features, bench.state.messages
    assert list(features.describe("EventSelector").entries) == list(EVENT_IDS)
    for event in EVENT_IDS:
        features["EventSelector"] = event
        assert features["EventNotification"] == "Off"
    features["EventSelector"] = "ExposureEnd"
    features["EventNotification"] = "On"
    features["EventSelector"] = "FrameStart"
    assert features["EventNotification"] == "Off"
    assert route.wanted == {"ExposureEnd"}
    assert bench.write(Register.MESSAGE_CHANNEL_PORT, 6000) == 0
    assert bench.write(Register.MESSAGE_CHANNEL_DESTINATION, 0x0A000001) == 0
    assert bench.write(Register.MESSAGE_CHANNEL_TIMEOUT, 50) == 0
    assert bench.write(Register.MESSAGE_CHANNEL_RETRIES, 1) == 0
    assert (route.port, route.destination, route.timeout_ms, route.retries) == (6000, "10.0.0.1", 50, 1)
    for register, value, status in [
        (Register.MESSAGE_CHANNEL_TIMEOUT, 60_001, Status.INVALID_PARAMETER),
        (Register.MESSAGE_CHANNEL_RETRIES, 101, Status.INVALID_PARAMETER),
        (Register.MESSAGE_CHANNEL_DESTINATION, 0x08080808, Status.ACCESS_DENIED),
    ]:
        assert bench.write(register, value) == status
    assert (route.destination, route.timeout_ms, route.retries) == ("10.0.0.1", 50, 1)
    assert bench.write(Register.CONTROL_CHANNEL_PRIVILEGE, 0) == 0
    assert not route.wants("ExposureEnd"), "it was told to who had control"
