"""Action commands: whom they concern, when they fire, and what is answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.core import RemoteStatusError
from heliograph.gige.bootstrap import GvcpCapability, GvcpConfiguration, Register
from heliograph.gige.device.actions import QUEUE_SIZE, ActionKeys, Actions
from heliograph.gige.device.state import ActionLate
from heliograph.gige.gvcp import AckPacket, ActionCommand, Command, CommandPacket, Status

CONTROLLER = ("10.0.0.1", 50_000)
OTHER = ("10.0.0.2", 50_000)
MS = 1_000_000
FIRE = ActionCommand(device_key=7, group_key=5, group_mask=0b010)
U32 = st.integers(0, 3)

Bench = Any  # conftest.py's, which test modules cannot import


def at(time_ns: int) -> ActionCommand:
    return ActionCommand(FIRE.device_key, FIRE.group_key, FIRE.group_mask, time_ns)


def with_keys(bench: Bench) -> Bench:
    """Have Action0 listen to `FIRE`, and Action1 to the same group with another bit."""
    bench.take_control()
    for register, value in (
        (Register.ACTION_DEVICE_KEY, 7),
        (Register.ACTION_GROUP_KEY_0, 5),
        (Register.ACTION_GROUP_MASK_0, 0b011),
        (Register.ACTION_GROUP_KEY_0 + 0x10, 5),
        (Register.ACTION_GROUP_MASK_0 + 0x10, 0b100),
    ):
        assert bench.write(register, value) == 0
    return bench


def status(bench: Bench, command: ActionCommand, request_id: int = 9, client: tuple[str, int] = OTHER) -> int:
    bench.control.receive_datagram(command.pack(request_id), client, bench.now_ns)
    ((data, to),) = bench.control.datagrams_to_send()
    ack = AckPacket.unpack(data)
    assert (to, ack.command, ack.request_id) == (client, Command.ACTION + 1, request_id)
    return ack.status


def taker(fired: list[tuple[str, int]]) -> Callable[[str, int], bool]:
    """Give what takes every trigger and remembers it."""

    def take(source: str, time_ns: int) -> bool:
        fired.append((source, time_ns))
        return True

    return take


@given(U32, st.tuples(U32, U32), st.tuples(U32, U32), st.builds(ActionCommand, U32, U32, U32))
def test_an_action_fires_where_keys_are_equal_and_masks_meet(
    device_key: int, groups: tuple[int, int], masks: tuple[int, int], command: ActionCommand
) -> None:
    fired: list[tuple[str, int]] = []
    actions = Actions(ActionKeys(device_key, [*groups], [*masks]), taker(fired))
    expected = [
        (f"Action{signal}", 1)
        for signal in (0, 1)
        if command.device_key == device_key
        and command.group_key == groups[signal]
        and command.group_mask & masks[signal]
    ]
    assert actions.concerns(command) == bool(expected)
    if expected:
        actions.receive(command, now_ns=1)
    else:
        with pytest.raises(RemoteStatusError) as error:
            actions.receive(command, now_ns=1)
        assert error.value.status == Status.INVALID_PARAMETER
    assert fired == expected


def test_a_scheduled_action_is_told_shortly_before_its_time_with_its_time() -> None:
    fired: list[tuple[str, int]] = []
    keys = ActionKeys(7, [5, 5], [0b011, 0b110])
    actions = Actions(keys, taker(fired))
    actions.receive(at(900 * MS), now_ns=0)
    actions.receive(at(500 * MS), now_ns=0)
    assert actions.next_deadline() == 480 * MS
    assert actions.handle_timer(479 * MS) == []
    assert fired == []
    actions.handle_timer(480 * MS)
    assert fired == [("Action0", 500 * MS), ("Action1", 500 * MS)]
    actions.handle_timer(2000 * MS)
    assert fired[2:] == [("Action0", 900 * MS), ("Action1", 900 * MS)]
    assert actions.next_deadline() is None


def test_a_trigger_that_finds_no_room_at_its_time_is_told() -> None:
    actions = Actions(ActionKeys(7, [5, 0], [0b010, 0]), lambda source, time_ns: False)
    actions.receive(at(5), now_ns=0)
    assert actions.handle_timer(5) == ["Action0"]


def test_the_queue_is_bounded_and_late_is_late() -> None:
    actions = Actions(ActionKeys(7, [5, 0], [0b010, 0]), lambda source, time_ns: True)
    for number in range(QUEUE_SIZE):
        actions.receive(at(10**18 + number), now_ns=0)
    for command, now_ns, expected in [(at(5), 0, Status.OVERFLOW), (at(5), 6, Status.ACTION_LATE)]:
        with pytest.raises(RemoteStatusError) as error:
            actions.receive(command, now_ns)
        assert error.value.status == expected
    actions.clear()
    actions.receive(at(5), now_ns=0)


def test_a_command_fires_once_however_often_it_comes(bench: Bench) -> None:
    with_keys(bench)
    for client in (OTHER, OTHER, CONTROLLER):
        assert status(bench, FIRE, client=client) == 0
    assert bench.stream.calls == [("Action0", bench.now_ns)] * 2, "the same id of another client is another command"
    assert status(bench, FIRE, request_id=10) == 0
    assert len(bench.stream.calls) == 3


def test_what_is_answered(bench: Bench) -> None:
    assert status(bench, FIRE) == Status.ACCESS_DENIED, "nobody has control"
    with_keys(bench)
    bench.control.events()
    assert status(bench, ActionCommand(8, 5, 2)) == Status.INVALID_PARAMETER
    assert status(bench, at(bench.now_ns - 1)) == Status.ACTION_LATE
    assert bench.control.events() == [ActionLate(bench.now_ns)]
    bench.stream.takes_triggers = False
    assert status(bench, FIRE) == Status.OVERFLOW
    assert bench.ask(Command.ACTION, bytes(11), OTHER).status == Status.INVALID_PARAMETER
    bench.stream.takes_triggers = True
    assert status(bench, FIRE, request_id=77) == 0


def test_a_broadcast_is_answered_by_those_it_concerns(bench: Bench) -> None:
    def broadcast(command: bytes) -> int:
        bench.control.receive_datagram(command, OTHER, bench.now_ns, broadcast=True)
        return len(bench.control.datagrams_to_send())

    assert broadcast(FIRE.pack(1)) == 0, "nobody has control"
    with_keys(bench)
    assert broadcast(ActionCommand(8, 5, 2).pack(2)) == 0
    assert broadcast(CommandPacket(Command.ACTION, 3, bytes(5)).pack()) == 0
    assert bench.stream.calls == []
    assert broadcast(FIRE.pack(4)) == 1
    assert bench.stream.calls == [("Action0", bench.now_ns)]


def test_scheduled_actions_end_with_control_unless_they_are_unconditional(bench: Bench) -> None:
    with_keys(bench)
    assert status(bench, at(bench.now_ns + 1000 * MS)) == 0
    assert bench.control.next_deadline() == bench.now_ns + 980 * MS
    assert bench.write(Register.CONTROL_CHANNEL_PRIVILEGE, 0) == 0
    assert bench.control.next_deadline() is None
    bench.take_control()
    unconditional = GvcpConfiguration.UNCONDITIONAL_ACTION | bench.read(Register.GVCP_CONFIGURATION)
    assert bench.write(Register.GVCP_CONFIGURATION, unconditional) == 0
    assert bench.read(Register.GVCP_CONFIGURATION) == unconditional
    assert bench.write(Register.CONTROL_CHANNEL_PRIVILEGE, 0) == 0
    assert status(bench, at(bench.now_ns + 1000 * MS), request_id=10) == 0
    bench.control.handle_timer(bench.now_ns + 1000 * MS)
    assert bench.stream.calls == [("Action0", bench.now_ns + 1000 * MS)]


def test_registers_and_features_are_two_views(bench: Bench) -> None:
    with_keys(bench)
    assert bench.read(Register.ACTION_SIGNAL_COUNT) == 2
    assert bench.read(Register.SCHEDULED_ACTION_QUEUE_SIZE) == bench.features["ActionQueueSize"] == QUEUE_SIZE
    capability = GvcpCapability(bench.read(Register.GVCP_CAPABILITY))
    assert GvcpCapability.ACTION | GvcpCapability.SCHEDULED_ACTION | GvcpCapability.UNCONDITIONAL_ACTION in capability
    bench.features["ActionSelector"] = 1
    assert (bench.features["ActionGroupKey"], bench.features["ActionGroupMask"]) == (5, 0b100)
    bench.features["ActionGroupMask"] = 0xFFFF_FFFF
    assert bench.read(Register.ACTION_GROUP_MASK_0 + 0x10) == 0xFFFF_FFFF
    assert bench.read(Register.ACTION_GROUP_MASK_0) == 0b011
    bench.features["ActionDeviceKey"] = 9
    assert bench.state.actions.device_key == 9
    ack = bench.ask(Command.READREG, Register.ACTION_DEVICE_KEY.to_bytes(4, "big"))
    assert ack.status == Status.ACCESS_DENIED, "a key that can be read is none"
