"""GVCP as the camera sees it: who may do what, what is answered, and when control is lost."""

import ipaddress
import struct
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.gige import gvcp
from heliograph.gige.bootstrap import Register
from heliograph.gige.device.actions import Actions
from heliograph.gige.device.control import DeviceControl
from heliograph.gige.device.layout import FEATURES_ADDRESS, XML_ADDRESS
from heliograph.gige.device.registers import Cell, RegisterMap
from heliograph.gige.device.state import (
    AddressRefused,
    ControlLost,
    ControlReleased,
    ControlTaken,
    DeviceState,
    StreamClosed,
)
from heliograph.gige.gvcp import AckPacket, Command, CommandPacket, Flag, ForceIp, Status

CONTROLLER = ("10.0.0.1", 50_000)
OTHER = ("10.0.0.2", 50_000)
SAME_HOST = ("10.0.0.1", 50_001)
CCP = Register.CONTROL_CHANNEL_PRIVILEGE
MS = 1_000_000

# `bench` is the control of conftest.py, with its camera; test modules cannot import its class.
Bench = Any


def test_discovery_is_a_copy_of_the_first_248_bytes(bench: Bench) -> None:
    ack = bench.ask(Command.DISCOVERY)
    assert ack.status == 0
    assert len(ack.payload) == 0xF8
    assert ack.payload == bench.registers.read(0, 0xF8, 0)
    assert ack.payload[:8] == bytes.fromhex("00010002 80000001")
    assert ack.payload[0x0A:0x10] == bytes.fromhex("02aabbccddee")
    assert ack.payload[0x24:0x28] == bytes([127, 1, 2, 3])
    assert ack.payload[0x34:0x38] == bytes([255, 0, 0, 0])
    texts = [ack.payload[at : at + 16].split(b"\0")[0] for at in (0x48, 0x68, 0x88, 0xA8, 0xD8, 0xE8)]
    assert texts == [b"Heliograph", b"pattern", b"1.2", b"for tests", b"SN42", b"cam-1"]


def test_broadcast_may_only_ask_who_is_there(bench: Bench) -> None:
    for code, payload, answers in [
        (Command.DISCOVERY, b"", 1),
        (Command.READREG, gvcp.pack_addresses([CCP]), 0),
        (Command.WRITEREG, gvcp.pack_writes([(CCP, 2)]), 0),
    ]:
        bench.control.receive_datagram(CommandPacket(code, 1, payload).pack(), OTHER, 0, broadcast=True)
        assert len(bench.control.datagrams_to_send()) == answers
    assert bench.state.controller is None


MAC = bytes.fromhex("02aabbccddee")


def force_ip(mac: bytes, address: str) -> bytes:
    """Payload of FORCEIP (Wireshark): MAC at 2, address at 20, mask at 36, gateway at 52."""
    packed = [bytes(12) + ipaddress.IPv4Address(each).packed for each in (address, "255.255.255.0", "10.0.0.254")]
    return bytes(2) + mac + b"".join(packed)


def test_force_ip_is_refused_by_the_camera_it_names_and_by_no_other(bench: Bench) -> None:
    assert len(force_ip(MAC, "10.0.0.9")) == 56
    assert bench.ask(Command.FORCEIP, force_ip(MAC, "10.0.0.9")).status == Status.ACCESS_DENIED
    assert bench.control.events() == [
        AddressRefused(CONTROLLER, ForceIp(MAC, "10.0.0.9", "255.255.255.0", "10.0.0.254"))
    ]
    assert bench.ask(Command.FORCEIP, force_ip(MAC, "127.1.2.3")).status == 0, "it has this address"
    assert bench.control.events() == []
    assert bench.ask(Command.FORCEIP, force_ip(MAC, "10.0.0.9")[:-1]).status == Status.INVALID_PARAMETER
    assert bench.send(CommandPacket(Command.FORCEIP, 9, bytes(56)), OTHER) == []
    assert bench.send(CommandPacket(Command.FORCEIP, 9, b""), OTHER) == []


@pytest.mark.parametrize("code", [Command.EVENT, 0x00F0, 0xFFFF])
def test_unknown_command_is_answered(bench: Bench, code: int) -> None:
    (ack,) = bench.send(CommandPacket(code, 5, bytes(12)), OTHER)
    assert (ack.status, ack.command, ack.request_id) == (Status.NOT_IMPLEMENTED, (code + 1) & 0xFFFF, 5)


def test_command_that_wants_no_answer_gets_none_and_works(bench: Bench) -> None:
    assert bench.without_ack(Command.WRITEREG, gvcp.pack_writes([(CCP, 2)])) == []
    assert bench.state.controller == CONTROLLER
    assert bench.without_ack(Command.READREG, gvcp.pack_addresses([FEATURES_ADDRESS])) == []
    bench.run_jobs()
    assert bench.acks(CONTROLLER) == []


@pytest.mark.parametrize(
    ("code", "payload", "status"),
    [
        (Command.READREG, b"", Status.INVALID_PARAMETER),
        (Command.READREG, bytes(3), Status.INVALID_PARAMETER),
        (Command.READREG, gvcp.pack_addresses([0xA02]), Status.BAD_ALIGNMENT),
        (Command.READREG, gvcp.pack_addresses([0x8000]), Status.INVALID_ADDRESS),
        (Command.READMEM, bytes(4), Status.INVALID_PARAMETER),
        (Command.READMEM, gvcp.pack_memory_read(0x200, 0), Status.INVALID_PARAMETER),
        (Command.READMEM, gvcp.pack_memory_read(0x200, 540), Status.INVALID_PARAMETER),
        (Command.READMEM, gvcp.pack_memory_read(0x200, 6), Status.BAD_ALIGNMENT),
        (Command.READMEM, gvcp.pack_memory_read(0x8000, 8), Status.INVALID_ADDRESS),
        (Command.WRITEREG, bytes(4), Status.INVALID_PARAMETER),
        (Command.WRITEREG, gvcp.pack_writes([(Register.VERSION, 1)]), Status.WRITE_PROTECT),
        (Command.WRITEREG, gvcp.pack_writes([(CCP, 0), (Register.HEARTBEAT_TIMEOUT, 1000)]), Status.INVALID_PARAMETER),
        (Command.WRITEMEM, bytes(4), Status.INVALID_PARAMETER),
        (Command.WRITEMEM, gvcp.pack_memory(XML_ADDRESS, b"evil"), Status.WRITE_PROTECT),
        (Command.WRITEMEM, gvcp.pack_memory(Register.USER_DEFINED_NAME, b"\xff\xff\xff\xff"), Status.INVALID_PARAMETER),
    ],
)
def test_refusals_of_the_controller(bench: Bench, code: int, payload: bytes, status: Status) -> None:
    bench.take_control()
    ack = bench.ask(code, payload)
    # A refused write tells how many came before it.
    assert (ack.status, ack.payload) == (status, bytes(4) if code in (Command.WRITEREG, Command.WRITEMEM) else b"")
    assert bench.state.controller == CONTROLLER


def test_control_privilege(bench: Bench) -> None:
    assert bench.read(CCP) == 0
    assert bench.write(CCP, 0) == 0  # nothing to give back is no failure
    bench.take_control()
    assert bench.control.events() == [ControlTaken(CONTROLLER)]
    for client in (OTHER, SAME_HOST):
        assert bench.write(CCP, 2, client) == Status.ACCESS_DENIED
        assert bench.write(CCP, 0, client) == Status.ACCESS_DENIED
        assert bench.write(Register.HEARTBEAT_TIMEOUT, 1000, client) == Status.ACCESS_DENIED
        assert bench.write(FEATURES_ADDRESS, 1, client) == Status.ACCESS_DENIED
        assert bench.read(CCP, client) == 2
        assert bench.read(Register.PRIMARY_APPLICATION_IP, client) == 0x0A000001
        assert bench.read(Register.PRIMARY_APPLICATION_PORT, client) == 50_000
    assert bench.write(CCP, 1) == 0
    assert bench.read(CCP) == 1
    assert bench.write(CCP, 0) == 0
    assert bench.control.events() == [ControlReleased(CONTROLLER), StreamClosed()]
    assert bench.read(Register.PRIMARY_APPLICATION_IP) == 0
    bench.take_control(OTHER)


def test_nobody_writes_without_control(bench: Bench) -> None:
    assert bench.write(Register.STREAM_CHANNEL_PORT, 4000) == Status.ACCESS_DENIED
    assert bench.state.host_port == 0


def test_control_privilege_by_memory_write(bench: Bench) -> None:
    assert bench.ask(Command.WRITEMEM, gvcp.pack_memory(CCP, bytes.fromhex("00000002"))).status == 0
    assert bench.state.controller == CONTROLLER


def test_concatenated_reads_and_writes(bench: Bench) -> None:
    bench.take_control()
    width = bench.ask(Command.READREG, gvcp.pack_addresses([CCP, Register.STREAM_CHANNEL_COUNT, CCP]))
    assert gvcp.unpack_addresses(width.payload) == [2, 1, 2]
    writes = [(Register.HEARTBEAT_TIMEOUT, 1000), (Register.STREAM_CHANNEL_PACKET_DELAY, 5)]
    assert gvcp.unpack_write_done(bench.ask(Command.WRITEREG, gvcp.pack_writes(writes)).payload) == 2
    assert (bench.state.heartbeat_timeout_ms, bench.state.packet_delay_ns) == (1000, 5)
    refused = bench.ask(Command.WRITEREG, gvcp.pack_writes([(Register.STREAM_CHANNEL_PACKET_DELAY, 6), (0x8000, 1)]))
    assert (refused.status, gvcp.unpack_write_done(refused.payload)) == (Status.INVALID_ADDRESS, 1)
    assert bench.state.packet_delay_ns == 6


def test_heartbeat_is_any_command_of_the_controller(bench: Bench) -> None:
    assert bench.control.next_deadline() is None
    bench.take_control()
    assert bench.control.next_deadline() == bench.now_ns + 3000 * MS
    for code, payload in [(Command.DISCOVERY, b""), (0x00F0, b""), (Command.READREG, b"")]:
        bench.now_ns += 2000 * MS
        bench.ask(code, payload)
        bench.control.handle_timer(bench.now_ns + 2999 * MS)
        assert bench.state.controller == CONTROLLER
    bench.read(CCP, OTHER)
    bench.control.handle_timer(bench.now_ns + 3000 * MS)
    assert bench.state.controller is None


def test_silence_takes_control_and_stream_back(bench: Bench) -> None:
    bench.take_control()
    bench.write(Register.HEARTBEAT_TIMEOUT, 500)
    bench.write(Register.STREAM_CHANNEL_PORT, 4000)
    bench.state.parameters_locked = True
    bench.control.events()
    bench.control.handle_timer(bench.now_ns + 500 * MS)
    assert bench.control.events() == [ControlLost(CONTROLLER), StreamClosed()]
    assert bench.state.host_port == 0
    assert not bench.state.parameters_locked
    assert bench.control.next_deadline() is None
    assert bench.read(CCP) == 0


def test_slow_camera_is_no_silence_of_its_client(bench: Bench) -> None:
    bench.take_control()
    command = CommandPacket(Command.READREG, 500, gvcp.pack_addresses([FEATURES_ADDRESS]))
    assert bench.send(command, CONTROLLER) == []
    job = bench.control.next_job()
    for _ in range(5):
        bench.now_ns += 6_900 * MS  # one of two pending acknowledges that ask for 2 s may be lost
        bench.control.handle_timer(bench.now_ns)
        assert bench.state.controller == CONTROLLER
        assert bench.read(CCP, OTHER) == 2  # everybody else is answered meanwhile
        (pending,) = bench.send(command, CONTROLLER)
        assert (pending.command, pending.request_id) == (gvcp.PENDING_ACK, 500)
        assert gvcp.unpack_pending(pending.payload) == 2000
        assert bench.control.next_job() is None
    bench.control.finish(job, bench.control.execute(job.command, job.client, bench.now_ns), bench.now_ns)
    (ack,) = bench.acks(CONTROLLER)
    assert (ack.status, ack.request_id) == (0, 500)
    assert bench.control.next_deadline() == bench.now_ns + 3000 * MS


def test_a_client_killed_while_the_driver_hangs_loses_control(bench: Bench) -> None:
    bench.take_control()
    bench.send(CommandPacket(Command.READREG, 500, gvcp.pack_addresses([FEATURES_ADDRESS])), CONTROLLER)
    job = bench.control.next_job()
    assert bench.control.next_deadline() == bench.now_ns + 7000 * MS
    bench.now_ns += 7000 * MS
    bench.control.handle_timer(bench.now_ns)
    assert bench.state.controller is None
    bench.take_control(OTHER)
    heard_ns, bench.now_ns = bench.now_ns, bench.now_ns + 10 * MS
    bench.control.finish(job, bench.control.execute(job.command, job.client, bench.now_ns), bench.now_ns)
    assert [ack.request_id for ack in bench.acks(CONTROLLER)] == [500]
    assert bench.control.next_deadline() == heard_ns + 3000 * MS, "the answer to another is no sign of life"


def test_repeated_write_is_answered_and_not_done_again() -> None:
    writes: list[bytes] = []
    state = DeviceState()
    cells = [Cell(0x0, 4, lambda now_ns: bytes(4), lambda data, now_ns: writes.append(data))]
    control = DeviceControl(state, RegisterMap(cells), Actions(state.actions, lambda source, time_ns: True))
    take = CommandPacket(Command.WRITEREG, 1, gvcp.pack_writes([(CCP, 2)])).pack()
    control.receive_datagram(take, CONTROLLER, 0)
    write = CommandPacket(Command.WRITEREG, 2, gvcp.pack_writes([(0, 7)])).pack()
    for now_ns in (0, 500 * MS, 1000 * MS):
        control.receive_datagram(write, CONTROLLER, now_ns)
    assert len(writes) == 1
    _, first, *repeats = control.datagrams_to_send()
    assert repeats == [first, first]
    # The same bytes much later are a new command of a client that does not count.
    control.receive_datagram(write, CONTROLLER, 6000 * MS)
    assert len(writes) == 2
    other = CommandPacket(Command.WRITEREG, 2, gvcp.pack_writes([(0, 8)])).pack()
    control.receive_datagram(other, CONTROLLER, 6001 * MS)
    assert writes[2:] == [struct.pack(">I", 8)]


def test_a_write_repeated_after_control_went_to_another_is_refused(bench: Bench) -> None:
    bench.take_control()
    write = CommandPacket(Command.WRITEREG, 500, gvcp.pack_writes([(Register.STREAM_CHANNEL_PACKET_DELAY, 7)]))
    assert [ack.status for ack in bench.send(write, CONTROLLER)] == [0]
    assert bench.write(CCP, 0) == 0
    bench.take_control(OTHER)
    assert [ack.status for ack in bench.send(write, CONTROLLER)] == [Status.ACCESS_DENIED]
    assert bench.write(CCP, 0, OTHER) == 0
    bench.take_control()
    bench.state.packet_delay_ns = 0
    assert [ack.status for ack in bench.send(write, CONTROLLER)] == [0]
    assert bench.state.packet_delay_ns == 7, "control that went and came back begins anew"
    bench.control.handle_timer(bench.now_ns + 3000 * MS)
    assert [ack.status for ack in bench.send(write, CONTROLLER)] == [Status.ACCESS_DENIED]


def test_a_job_of_a_client_that_lost_control_changes_nothing(bench: Bench) -> None:
    bench.take_control()
    address = FEATURES_ADDRESS + 0x100 * bench.features.names().index("Note")
    command = CommandPacket(Command.WRITEMEM, 500, gvcp.pack_memory(address, b"late".ljust(128, b"\0")))
    assert bench.send(command, CONTROLLER) == []
    job = bench.control.next_job()
    bench.state.release_control(ControlLost(CONTROLLER))
    bench.take_control(OTHER)
    assert bench.control.execute(job.command, job.client, bench.now_ns).status == Status.ACCESS_DENIED
    assert bench.camera.features["Note"] == ""


def test_events_of_two_threads_are_all_told() -> None:
    state = DeviceState()
    control = DeviceControl(state, RegisterMap([]), Actions(state.actions, lambda source, time_ns: True))
    count, told = 20_000, 0

    def rename() -> None:
        for number in range(count):
            state.write_user_name(str(number))

    worker = threading.Thread(target=rename)
    worker.start()
    while worker.is_alive():
        told += len(control.events())
    worker.join()
    assert told + len(control.events()) == count


def test_chatter_of_others_makes_no_repeat_new(bench: Bench) -> None:
    bench.take_control()
    command = CommandPacket(Command.READREG, 500, gvcp.pack_addresses([FEATURES_ADDRESS]))
    bench.send(command, CONTROLLER)
    bench.control.next_job()
    for request_id in range(1, 1000):
        chatter = gvcp.pack_writes([(CCP, 2)])
        bench.send(CommandPacket(Command.WRITEREG, request_id, chatter), OTHER)
    (pending,) = bench.send(command, CONTROLLER)
    assert pending.command == gvcp.PENDING_ACK


def test_too_many_waiting_commands_are_told_busy(bench: Bench) -> None:
    statuses = []
    for request_id in range(1, 101):
        command = CommandPacket(Command.READREG, request_id, gvcp.pack_addresses([FEATURES_ADDRESS]))
        statuses += [ack.status for ack in bench.send(command, OTHER)]
    assert statuses == [Status.BUSY] * (100 - 48)
    assert len(bench.run_jobs()) == 48
    assert all(ack.status == 0 for ack in bench.acks(OTHER))


def test_monitors_do_not_keep_the_controller_waiting(bench: Bench) -> None:
    bench.take_control()
    for client, request_ids, busy in ((OTHER, 100, 100 - 48), (CONTROLLER, 16, 0), (CONTROLLER, 17, 1)):
        answers = []
        for request_id in range(1, request_ids + 1):
            command = CommandPacket(Command.READREG, request_id, gvcp.pack_addresses([FEATURES_ADDRESS]))
            answers += [ack.status for ack in bench.send(command, client) if ack.status]
        assert answers == [Status.BUSY] * busy


def test_driver_that_fails_is_an_error_status_and_nothing_more(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(data: bytes, now_ns: int) -> None:
        raise ZeroDivisionError("driver bug")

    bench.take_control()
    failing = DeviceControl(bench.state, RegisterMap([Cell(FEATURES_ADDRESS, 4, write=fail)]), bench.actions)
    command = CommandPacket(Command.WRITEREG, 3, gvcp.pack_writes([(FEATURES_ADDRESS, 1)]))
    assert failing.execute(command, CONTROLLER, 0).status == Status.ERROR
    assert "driver bug" in caplog.text


@given(st.binary(max_size=64))
def test_garbage_is_counted_and_ignored(data: bytes) -> None:
    state = DeviceState()
    control = DeviceControl(state, RegisterMap([]), Actions(state.actions, lambda source, time_ns: True))
    control.receive_datagram(b"\x41" + data, OTHER, 0)
    assert control.rejected_datagrams == 1
    assert control.datagrams_to_send() == []


ADDRESSES = st.one_of(
    st.sampled_from([int(register) for register in Register]),
    st.integers(FEATURES_ADDRESS, FEATURES_ADDRESS + 0x4000),
    st.integers(XML_ADDRESS, XML_ADDRESS + 0x1000),
    st.integers(0, 0xFFFF_FFFF),
)
VALUES = st.one_of(st.integers(0, 4), st.integers(0, 0xFFFF_FFFF))
PAYLOADS = st.one_of(
    st.binary(max_size=80),
    st.lists(ADDRESSES, max_size=4).map(gvcp.pack_addresses),
    st.lists(st.tuples(ADDRESSES, VALUES), max_size=3).map(gvcp.pack_writes),
    st.tuples(ADDRESSES, st.integers(0, 600)).map(lambda pair: gvcp.pack_memory_read(*pair)),
    st.tuples(ADDRESSES, st.binary(max_size=24)).map(lambda pair: gvcp.pack_memory(*pair)),
    st.tuples(ADDRESSES, st.binary(min_size=128, max_size=128)).map(lambda pair: gvcp.pack_memory(*pair)),
    # Keys of 0 are those that a camera has before a client gives it others.
    st.tuples(st.integers(0, 1), st.integers(0, 1), VALUES).map(lambda keys: struct.pack(">III", *keys)),
    st.tuples(st.integers(0, 1), st.integers(0, 1), VALUES, st.integers(0, (1 << 64) - 1)).map(
        lambda keys: struct.pack(">IIIQ", *keys)
    ),
    st.binary(min_size=48, max_size=48).map(lambda rest: bytes(2) + MAC + rest),
)
CODES = st.one_of(st.sampled_from([int(command) for command in Command]), st.integers(0, 0xFFFF))
COMMANDS = st.builds(
    CommandPacket,
    CODES,
    st.integers(0, 0xFFFF),
    PAYLOADS,
    st.integers(0, 255).map(Flag),
)
CLIENTS = st.sampled_from([CONTROLLER, OTHER, ("8.8.8.8", 53), ("127.0.0.1", 65535)])
STEPS = st.one_of(
    st.tuples(CLIENTS, COMMANDS.map(CommandPacket.pack)),
    st.tuples(CLIENTS, st.binary(max_size=64)),
    st.tuples(st.just(CONTROLLER), st.just(CommandPacket(Command.WRITEREG, 1, gvcp.pack_writes([(CCP, 2)])).pack())),
)


@given(st.lists(st.tuples(STEPS, st.booleans(), st.booleans(), st.integers(0, 4000 * MS)), max_size=40))
def test_no_sequence_of_datagrams_breaks_the_camera(
    make_bench: Any, steps: list[tuple[tuple[tuple[str, int], bytes], bool, bool, int]]
) -> None:
    bench = make_bench()
    for (client, data), broadcast, work, wait_ns in steps:
        bench.now_ns += wait_ns
        bench.control.receive_datagram(data, client, bench.now_ns, broadcast=broadcast)
        if work:
            bench.run_jobs()
        bench.control.handle_timer(bench.now_ns)
        # ERROR is what an exception nobody thought of becomes; this camera never fails.
        statuses = {AckPacket.unpack(ack).status for ack, _ in bench.control.datagrams_to_send()}
        assert Status.ERROR not in statuses
        assert (bench.state.controller is None) == (bench.state.privilege == 0)
    bench.run_jobs()
    bench.control.datagrams_to_send()
    assert len(bench.ask(Command.DISCOVERY, client=("10.0.0.9", 1)).payload) == 0xF8


def test_no_flood_grows_the_camera(make_bench: Any) -> None:
    bench = make_bench()
    bench.take_control()
    for register, value in ((Register.ACTION_GROUP_KEY_0, 1), (Register.ACTION_GROUP_MASK_0, 1)):
        assert bench.write(register, value) == 0
    later = struct.pack(">IIIQ", 0, 1, 1, bench.now_ns + 10**15)
    floods = [
        CommandPacket(Command.READREG, 0, gvcp.pack_addresses([FEATURES_ADDRESS])),
        CommandPacket(Command.ACTION, 0, struct.pack(">III", 0, 1, 1)),
        CommandPacket(Command.ACTION, 0, later, Flag.ACK_REQUIRED | Flag.SCHEDULED),
        CommandPacket(Command.WRITEREG, 0, gvcp.pack_writes([(Register.STREAM_CHANNEL_PACKET_DELAY, 1)])),
        CommandPacket(Command.FORCEIP, 0, force_ip(MAC, "10.0.0.9")),
        CommandPacket(Command.PACKETRESEND, 0, bytes(12)),
    ]
    for number in range(2000):
        for flood in floods:
            packed = CommandPacket(flood.command, number + 1, flood.payload, flood.flags).pack()
            bench.control.receive_datagram(packed, ("10.0.0.1", 50_000 if number % 2 else number), bench.now_ns)
        # What the server's loop takes each turn.
        bench.control.datagrams_to_send()
        bench.control.events()
    control = bench.control
    assert len(control._unfinished) <= 64
    assert len(control._jobs) <= 64
    assert len(control._answered) <= 256
    assert len(bench.actions._scheduled) <= 16
