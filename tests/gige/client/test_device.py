"""Control of a camera over real sockets: losses, lies, other clients, heartbeat."""

import itertools
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from heliograph.core import (
    CameraBusyError,
    CameraLostError,
    CameraNotFoundError,
    RemoteProtocolError,
    RemoteStatusError,
)
from heliograph.gige import gvcp
from heliograph.gige.bootstrap import Register
from heliograph.gige.client.device import GigeDevice
from heliograph.gige.device.layout import XML_ADDRESS
from heliograph.gige.device.server import GigeDeviceServer
from heliograph.gige.gvcp import PENDING_ACK, AckPacket, Command, CommandPacket, Status
from heliograph.testing.camera import PatternCamera

Scripted = Any  # conftest.py's, which test modules cannot import
WaitFor = Callable[[Callable[[], object]], None]
CCP = Register.CONTROL_CHANNEL_PRIVILEGE


def test_registers_and_memory_of_our_own_camera(address: str) -> None:
    with GigeDeviceServer(PatternCamera(), address, "cam-1"), GigeDevice.open(address) as device:
        assert device.own_address == "127.0.0.1"
        assert device.read_register(Register.STREAM_CHANNEL_COUNT) == 1
        assert device.read_memory(Register.USER_DEFINED_NAME, 16).rstrip(b"\0") == b"cam-1"
        device.write_memory(Register.USER_DEFINED_NAME, b"cam-2".ljust(16, b"\0"))
        # More than two packets, and not a whole number of words.
        assert device.read_memory(XML_ADDRESS, 1401) == device.read_memory(XML_ADDRESS, 1404)[:1401]
        assert device.read_memory(Register.USER_DEFINED_NAME, 5) == b"cam-2"
        with pytest.raises(RemoteStatusError, match="no register there") as caught:
            device.read_register(0x8000)
        assert caught.value.status == Status.INVALID_ADDRESS


def test_control_is_taken_refused_to_others_by_name_and_given_back(address: str) -> None:
    with GigeDeviceServer(PatternCamera(), address):
        with GigeDevice.open(address) as device:
            port = device.read_register(Register.PRIMARY_APPLICATION_PORT)
            with pytest.raises(CameraBusyError, match=rf"{address} is controlled by 127\.0\.0\.1:{port}: close"):
                GigeDevice.open(address)
            with GigeDevice.open(address, control=False) as monitor:
                assert monitor.read_register(CCP) == 2
                with pytest.raises(RemoteStatusError, match="another client controls it"):
                    monitor.write_register(Register.HEARTBEAT_TIMEOUT, 1000)
        with GigeDevice.open(address):
            pass


def test_a_camera_that_answers_no_second_client_is_busy_and_not_absent(scripted: Scripted) -> None:
    # Aravis' fake camera: reads are answered, writes of others are not.
    scripted.set(CCP, 2)
    scripted.script = lambda command: [] if command.command == Command.WRITEREG else None
    with pytest.raises(CameraBusyError, match="controlled by another client, which it does not name"):
        GigeDevice.open(scripted.address)
    assert scripted.count(Command.WRITEREG) == 0


def test_exclusive_access_refuses_even_reads(scripted: Scripted) -> None:
    scripted.script = lambda command: [scripted.refusal(command, Status.ACCESS_DENIED).pack()]
    with pytest.raises(CameraBusyError, match="controlled by another client"):
        GigeDevice.open(scripted.address)


@pytest.mark.usefixtures("impatient")
def test_nobody_at_the_address(address: str) -> None:
    with pytest.raises(CameraNotFoundError, match=f"no camera answers at {address}"):
        GigeDevice.open(address)


@pytest.mark.usefixtures("impatient")
def test_lost_acknowledges_are_asked_for_again_under_the_same_id(scripted: Scripted) -> None:
    with GigeDevice.open(scripted.address, control=False) as device:
        scripted.commands.clear()
        scripted.script = lambda command: None if scripted.count(Command.READREG) > 3 else []
        assert device.read_register(Register.STREAM_CHANNEL_COUNT) == 1
        assert scripted.count(Command.READREG) == 4
        assert len({command.request_id for _, command in scripted.commands}) == 1


def test_late_and_repeated_acknowledges_are_not_taken_for_others(scripted: Scripted) -> None:
    earlier: list[bytes] = []

    def all_so_far_newest_last(command: CommandPacket) -> list[bytes]:
        answer = scripted.honest(command).pack()
        earlier.append(answer)
        return [*earlier, answer]

    with GigeDevice.open(scripted.address, control=False) as device:
        scripted.script = all_so_far_newest_last
        for number in range(50):
            scripted.set(0x1000, number)
            assert device.read_register(0x1000) == number


def test_garbage_and_wrong_ids_before_the_answer(scripted: Scripted) -> None:
    def lies(command: CommandPacket) -> list[bytes]:
        truth = scripted.honest(command)
        spoofed = [AckPacket(0, truth.command, truth.request_id ^ bit, b"\xff" * 4).pack() for bit in (1, 0x8000)]
        return [b"", b"\xff" * 600, command.pack(), truth.pack()[:9], *spoofed, truth.pack()]

    with GigeDevice.open(scripted.address, control=False) as device:
        scripted.script = lies
        scripted.set(0x1000, 0x1234)
        assert [device.read_register(0x1000) for _ in range(20)] == [0x1234] * 20


def test_answers_from_elsewhere_never_arrive(scripted: Scripted) -> None:
    with (
        GigeDevice.open(scripted.address, control=False) as device,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger,
    ):
        (client,) = scripted.clients
        stranger.bind((scripted.address, 0))

        def after_a_stranger(command: CommandPacket) -> list[bytes] | None:
            forged = AckPacket(0, command.command + 1, command.request_id, b"\xff" * 4)
            stranger.sendto(forged.pack(), client)
            return None

        scripted.script = after_a_stranger
        scripted.set(0x1000, 7)
        assert device.read_register(0x1000) == 7


def test_pending_acknowledges_are_honoured(scripted: Scripted, impatient: None) -> None:
    start_s = time.monotonic()

    def slowly(command: CommandPacket) -> list[bytes] | None:
        if time.monotonic() > start_s + 0.4:
            return None
        if len(scripted.commands) > 1:
            return [AckPacket(0, PENDING_ACK, command.request_id, gvcp.pack_write_done(100)).pack()]
        return []

    scripted.script = slowly
    with GigeDevice.open(scripted.address, control=False):
        assert time.monotonic() - start_s >= 0.4
    # 60 ms for the first answer, then 160 ms for each "100 ms more": asked often would mean it was not waited for.
    assert len(scripted.commands) <= 6


@pytest.mark.usefixtures("impatient")
def test_a_flood_of_garbage_neither_hangs_nor_makes_a_storm(scripted: Scripted) -> None:
    with GigeDevice.open(scripted.address, control=False) as device:
        (client,) = scripted.clients
        scripted.commands.clear()
        scripted.script = lambda command: []
        ended = threading.Event()

        def flood() -> None:
            while not ended.is_set():
                scripted.socket.sendto(b"\0" * 8, client)

        flooding = threading.Thread(target=flood)
        flooding.start()
        start_s = time.monotonic()
        try:
            with pytest.raises(CameraLostError, match="does not answer"):
                device.read_register(0)
        finally:
            ended.set()
            flooding.join()
        assert time.monotonic() - start_s < 5
        assert scripted.count(Command.READREG) <= 5
        # Who asks next need not wait.
        assert device.lost is not None
        with pytest.raises(CameraLostError, match=scripted.address):
            device.read_register(0)


class AlwaysReady:
    """A poller of a socket that is never empty."""

    def poll(self, wait_ms: float) -> list[tuple[int, int]]:
        return [(0, 1)]


@pytest.mark.usefixtures("impatient")
def test_a_flood_that_never_pauses_keeps_nobody_from_giving_up(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    with GigeDevice.open(scripted.address, control=False) as device:
        monkeypatch.setattr(device, "_poller", AlwaysReady())
        monkeypatch.setattr(device, "_receive", lambda: b"garbage!")
        with pytest.raises(CameraLostError, match="does not answer"):
            device.read_register(0)


@pytest.mark.parametrize(
    "answer",
    [
        lambda address, count: gvcp.pack_memory(address, bytes(count - 4)),
        lambda address, count: gvcp.pack_memory(address, bytes(count + 4)),
        lambda address, count: gvcp.pack_memory(address + 4, bytes(count)),
        lambda address, count: b"\0\0",
    ],
)
def test_memory_that_was_not_asked_for_breaks_the_protocol(scripted: Scripted, answer: Callable[..., bytes]) -> None:
    def wrong(command: CommandPacket) -> list[bytes]:
        payload = answer(*gvcp.unpack_memory_read(command.payload))
        return [AckPacket(0, Command.READMEM + 1, command.request_id, payload).pack()]

    with GigeDevice.open(scripted.address, control=False) as device:
        scripted.script = wrong
        with pytest.raises(RemoteProtocolError):
            device.read_memory(0x200, 512)


def test_ids_are_never_0(scripted: Scripted) -> None:
    with GigeDevice.open(scripted.address, control=False) as device:
        device._request_id = 0xFFFE
        for _ in range(3):
            device.read_register(0)
    assert [command.request_id for _, command in scripted.commands[-3:]] == [0xFFFF, 1, 2]


def test_heartbeats_come_three_times_in_the_timeout(scripted: Scripted, wait_for: WaitFor) -> None:
    scripted.set(Register.HEARTBEAT_TIMEOUT, 600)
    with GigeDevice.open(scripted.address):
        wait_for(lambda: len(beats(scripted)) >= 5)
    times = beats(scripted)
    # The first read of the privilege comes before control is taken, the second right after that write.
    pauses = [later - earlier for earlier, later in itertools.pairwise(times[1:])]
    assert 0.15 < min(pauses) < 0.4


def beats(scripted: Scripted) -> list[float]:
    asked = gvcp.pack_addresses([CCP])
    return [at_s for at_s, command in scripted.commands if command.payload == asked]


def test_heartbeats_follow_a_timeout_that_is_shortened_later(scripted: Scripted, wait_for: WaitFor) -> None:
    with GigeDevice.open(scripted.address) as device:
        device.write_register(Register.HEARTBEAT_TIMEOUT, 300)
        changed_s = time.monotonic()
        wait_for(lambda: len(beats(scripted)) >= 5)
    # The first heartbeat comes at once, then one in 0.1 s; at the old timeout of 30 s it would be one in 1 s.
    assert beats(scripted)[4] - changed_s < 1.5


def test_writes_of_other_registers_make_no_heartbeats(scripted: Scripted) -> None:
    with GigeDevice.open(scripted.address) as device:
        before = len(beats(scripted))
        start_s = time.monotonic()
        for value in range(100):
            device.write_register(0x1000, value)
            device.write_memory(0x1004, bytes(4))
        # One a second is due.
        assert len(beats(scripted)) - before <= 1 + (time.monotonic() - start_s)


def test_a_check_says_whether_the_camera_is_there_and_ours(scripted: Scripted) -> None:
    with GigeDevice.open(scripted.address) as device:
        device.check()
        scripted.script = lambda command: [scripted.refusal(command, Status.BUSY).pack()]
        device.check()
        scripted.script = lambda command: None
        scripted.set(CCP, 0)
        with pytest.raises(CameraLostError, match="took control back"):
            device.check()
    with GigeDevice.open(scripted.address, control=False) as monitor:
        monitor.check()


def test_a_heartbeat_timeout_of_0_makes_no_storm(scripted: Scripted, wait_for: WaitFor) -> None:
    scripted.set(Register.HEARTBEAT_TIMEOUT, 0)
    start_s = time.monotonic()
    with GigeDevice.open(scripted.address):
        # One before control is taken, one right after it, perhaps one that its write wakes, then one in 100 ms.
        wait_for(lambda: len(beats(scripted)) >= 6)
    assert time.monotonic() - start_s > 0.25


@pytest.mark.parametrize("taken", ["back", "by another"])
def test_control_that_was_lost_is_noticed(scripted: Scripted, wait_for: WaitFor, taken: str) -> None:
    scripted.set(Register.HEARTBEAT_TIMEOUT, 300)
    scripted.set(Register.PRIMARY_APPLICATION_IP, 0x7F000001)
    scripted.set(Register.PRIMARY_APPLICATION_PORT, 40_000)
    with GigeDevice.open(scripted.address) as device:
        wait_for(lambda: len(beats(scripted)) >= 3)
        assert device.lost is None
        if taken == "back":
            scripted.set(CCP, 0)
        else:
            scripted.set(Register.PRIMARY_APPLICATION_PORT, 40_001)
        wait_for(lambda: device.lost)
        with pytest.raises(CameraLostError, match="took control back"):
            device.read_register(0)
    # Control that is somebody else's is not given back.
    assert scripted.count(Command.WRITEREG) == 1


def test_a_camera_that_is_busy_at_a_heartbeat_is_not_lost(scripted: Scripted, wait_for: WaitFor) -> None:
    scripted.set(Register.HEARTBEAT_TIMEOUT, 300)
    with GigeDevice.open(scripted.address) as device:
        scripted.script = lambda command: [scripted.refusal(command, Status.BUSY).pack()]
        before = len(scripted.commands)
        wait_for(lambda: len(scripted.commands) >= before + 3)
        scripted.script = lambda command: None
        assert device.lost is None
        device.read_register(0)


@pytest.mark.usefixtures("impatient")
def test_a_camera_that_vanishes_is_noticed_by_the_heartbeat(scripted: Scripted, wait_for: WaitFor) -> None:
    scripted.set(Register.HEARTBEAT_TIMEOUT, 300)
    with GigeDevice.open(scripted.address) as device:
        scripted.script = lambda command: []
        wait_for(lambda: device.lost)
        with pytest.raises(CameraLostError, match="does not answer any more"):
            device.read_register(0)


def test_close_gives_control_back_once_and_ends_the_heartbeat(scripted: Scripted) -> None:
    device = GigeDevice.open(scripted.address)
    assert scripted.get(CCP) == 2
    device.close()
    device.close()
    assert scripted.get(CCP) == 0
    assert scripted.count(Command.WRITEREG) == 2
    assert not [thread for thread in threading.enumerate() if scripted.address in thread.name]
    with pytest.raises(CameraLostError, match="is closed"):
        device.read_register(0)


def test_a_monitor_writes_nothing(scripted: Scripted) -> None:
    with GigeDevice.open(scripted.address, control=False) as device:
        assert not device.control
    assert scripted.count(Command.WRITEREG) == 0


HOG = """
import sys, threading, time
from heliograph.gige.client.device import GigeDevice
from heliograph.gige.bootstrap import Register
ended = threading.Event()
def hog():
    while not ended.is_set():
        sum(range(1000))
with GigeDevice.open(sys.argv[1]) as device:
    device.write_register(Register.HEARTBEAT_TIMEOUT, 1500)
    for _ in range(3):
        threading.Thread(target=hog).start()
    end_s = time.monotonic() + 4
    while time.monotonic() < end_s:
        sum(range(1000))
    ended.set()
    assert device.lost is None, device.lost
    device.write_register(Register.HEARTBEAT_TIMEOUT, 3000)
"""


def test_control_survives_threads_that_hog_the_interpreter(address: str) -> None:
    client = [sys.executable, "-c", HOG, address]
    camera = [sys.executable, "-m", "heliograph.testing.beside", address, "cam-1", "--"]
    done = subprocess.run([*camera, *client], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
