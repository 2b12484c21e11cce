"""The camera on real sockets of loopback."""

import errno
import os
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from heliograph.core import AddressError, Frame, SettingError
from heliograph.gige import gvcp
from heliograph.gige.bootstrap import PacketSizeBit, Register
from heliograph.gige.device.layout import FEATURES_ADDRESS
from heliograph.gige.device.sender import StreamSender
from heliograph.gige.device.server import GigeDeviceServer
from heliograph.gige.gvcp import AckPacket, Command, CommandPacket
from heliograph.testing.camera import PatternCamera

CCP = Register.CONTROL_CHANNEL_PRIVILEGE


class Client:
    """A socket that asks one camera and waits for the answer."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(5)
        self._camera = (address, gvcp.PORT)
        self._request_id = 0

    def send(self, code: int, payload: bytes, request_id: int = 0) -> int:
        self._request_id = request_id or self._request_id + 1
        self.socket.sendto(CommandPacket(code, self._request_id, payload).pack(), self._camera)
        return self._request_id

    def receive(self) -> AckPacket:
        data, sender = self.socket.recvfrom(2048)
        assert sender == self._camera
        return AckPacket.unpack(data)

    def read(self, address: int) -> int:
        request_id = self.send(Command.READREG, gvcp.pack_addresses([address]))
        ack = self.receive()
        assert (ack.status, ack.request_id) == (0, request_id)
        return gvcp.unpack_addresses(ack.payload)[0]

    def write(self, *writes: tuple[int, int]) -> list[int]:
        statuses = []
        for write in writes:
            self.send(Command.WRITEREG, gvcp.pack_writes([write]))
            statuses.append(self.receive().status)
        return statuses


@pytest.fixture
def camera() -> PatternCamera:
    return PatternCamera()


@pytest.fixture
def server(camera: PatternCamera, address: str) -> Iterator[GigeDeviceServer]:
    with GigeDeviceServer(camera, address, "cam-1") as server:
        yield server


@pytest.fixture
def client(server: GigeDeviceServer) -> Iterator[Client]:
    client = Client(server.address)
    yield client
    client.socket.close()


@pytest.fixture
def receiver() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5)
        yield receiver


def until(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    """Wait for something that another thread does."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline_s:
            raise TimeoutError
        time.sleep(0.005)


def feature_address(server: GigeDeviceServer, name: str) -> int:
    """Find a feature's register: they lie in the order of the features."""
    return FEATURES_ADDRESS + 0x100 * server._features.names().index(name)


def open_stream(client: Client, receiver: socket.socket) -> None:
    port = receiver.getsockname()[1]
    assert client.write(
        (CCP, 2), (Register.STREAM_CHANNEL_DESTINATION, 0x7F000001), (Register.STREAM_CHANNEL_PORT, port)
    ) == [0, 0, 0]


@pytest.mark.usefixtures("server")
def test_answers_discovery_at_its_address(client: Client, address: str) -> None:
    client.send(Command.DISCOVERY, b"", 0xFFFF)
    ack = client.receive()
    assert socket.inet_ntoa(ack.payload[0x24:0x28]) == address
    mac = ack.payload[0x0A:0x10]
    assert mac[0] & 0x03 == 0x02  # locally administered, not a group
    assert ack.payload[0xE8:].rstrip(b"\0") == b"cam-1"


@pytest.mark.usefixtures("server")
def test_answers_a_broadcast_on_loopback_with_its_own_address(address: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as anyone:
        anyone.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        anyone.bind(("127.0.0.1", 0))
        anyone.settimeout(5)
        anyone.sendto(CommandPacket(Command.DISCOVERY, 0xFFFF).pack(), ("127.255.255.255", gvcp.PORT))
        # Other tests serve cameras at the same time; ours has to be among those that answer.
        deadline_s = time.monotonic() + 10
        senders = set()
        while (address, gvcp.PORT) not in senders and time.monotonic() < deadline_s:
            senders.add(anyone.recvfrom(2048)[1])
        assert (address, gvcp.PORT) in senders


def test_the_same_camera_has_the_same_identity_again(camera: PatternCamera, address: str) -> None:
    first, again = (GigeDeviceServer(camera, address).identity for _ in range(2))
    assert first == again
    assert GigeDeviceServer(camera, "127.9.9.9").identity.mac != first.mac
    assert GigeDeviceServer(camera, address).name == "pattern"


def test_port_in_use_says_so(server: GigeDeviceServer, camera: PatternCamera) -> None:
    with pytest.raises(AddressError, match=f"port 3956 of {server.address} is in use by another camera"):
        GigeDeviceServer(camera, server.address).start()


@pytest.mark.parametrize("bad", ["203.0.113.7", "0.0.0.0", "127.255.255.255", "localhost"])
def test_address_that_is_not_ours_says_which_are(camera: PatternCamera, bad: str) -> None:
    with pytest.raises(AddressError, match=r"127\.0\.0\.1 \(lo\)"):
        GigeDeviceServer(camera, bad)


def test_name_that_does_not_fit(camera: PatternCamera, address: str) -> None:
    with pytest.raises(SettingError, match="at most 16 bytes"):
        GigeDeviceServer(camera, address, "a-name-of-17-bytes")


def test_closes_without_a_trace_and_starts_again(camera: PatternCamera, address: str) -> None:
    server = GigeDeviceServer(camera, address)
    for _ in range(2):
        server.start()
        client = Client(address)
        # Whoever had control before the camera was closed has it no more.
        assert client.read(CCP) == 0
        assert client.write((CCP, 2)) == [0]
        client.socket.close()
        server.close()
        server.close()
        assert not [thread for thread in threading.enumerate() if address in thread.name]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind((address, gvcp.PORT))


def test_closing_ends_the_stream(camera: PatternCamera, address: str, receiver: socket.socket) -> None:
    with GigeDeviceServer(camera, address) as server:
        client = Client(address)
        open_stream(client, receiver)
        assert client.write((feature_address(server, "AcquisitionStart"), 1)) == [0]
        receiver.recv(2048)
        client.socket.close()
    assert not camera.running
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("heliograph")]


def test_streams_from_start_to_stop(
    server: GigeDeviceServer, client: Client, camera: PatternCamera, receiver: socket.socket
) -> None:
    start, stop = (feature_address(server, name) for name in ("AcquisitionStart", "AcquisitionStop"))
    locked, width = (feature_address(server, name) for name in ("TLParamsLocked", "Width"))
    open_stream(client, receiver)
    assert client.read(locked) == 0
    assert client.write((start, 1), (start, 1)) == [0, 0]
    assert camera.starts == 1
    assert client.read(locked) == 1
    leader, sender = receiver.recvfrom(2048)
    assert sender == (server.address, client.read(Register.STREAM_CHANNEL_SOURCE_PORT))
    assert struct.unpack_from(">HHI", leader) == (0, 1, 0x0100_0000)
    assert struct.unpack_from(">III", leader, 20) == (0x01080001, 640, 480)
    # What decides the shape of frames, or where they go, is fixed while they come.
    refused = [(width, 160), (Register.STREAM_CHANNEL_PACKET_SIZE, 576), (Register.STREAM_CHANNEL_DESTINATION, 1)]
    assert client.write(*refused) == [gvcp.Status.ACCESS_DENIED] * 3
    assert client.write((stop, 1), (width, 160)) == [0, 0]
    assert not camera.running
    assert client.read(locked) == 0


def test_start_without_a_destination_is_refused(
    server: GigeDeviceServer, client: Client, camera: PatternCamera
) -> None:
    start = feature_address(server, "AcquisitionStart")
    assert client.write((CCP, 2), (start, 1)) == [0, gvcp.Status.ACCESS_DENIED]
    assert not camera.running


@pytest.mark.parametrize("register", [CCP, Register.STREAM_CHANNEL_PORT])
def test_stream_ends_with_control_and_with_its_port(
    server: GigeDeviceServer, client: Client, camera: PatternCamera, receiver: socket.socket, register: Register
) -> None:
    open_stream(client, receiver)
    assert client.write((feature_address(server, "AcquisitionStart"), 1)) == [0]
    assert camera.running
    assert client.write((register, 0)) == [0]
    until(lambda: not camera.running)
    assert client.read(Register.STREAM_CHANNEL_PORT) == 0
    # The next client need not wait for the camera to stop.
    open_stream(client, receiver)
    assert client.write((feature_address(server, "AcquisitionStart"), 1)) == [0]
    assert camera.starts == 2


def test_silent_client_loses_control_and_stream(
    server: GigeDeviceServer, client: Client, camera: PatternCamera, receiver: socket.socket
) -> None:
    open_stream(client, receiver)
    assert client.write((Register.HEARTBEAT_TIMEOUT, 500), (feature_address(server, "AcquisitionStart"), 1)) == [0, 0]
    silent_since_s = time.monotonic()
    until(lambda: not camera.running)
    assert 0.4 < time.monotonic() - silent_since_s < 5
    assert client.read(CCP) == 0


def test_a_driver_that_hangs_beyond_close_writes_into_nobody_elses_file(
    camera: PatternCamera, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("heliograph.gige.device.server._CLOSE_S", 0.1)
    camera.let_slow_go.clear()
    with GigeDeviceServer(camera, address) as server:
        client = Client(address)
        client.send(Command.READREG, gvcp.pack_addresses([feature_address(server, "Slow")]))
        assert camera.slow_entered.wait(5)
        client.socket.close()
        wake = server._wake_fd
        (hung,) = [thread for thread in server._threads if "features" in thread.name]
    with (tmp_path / "file").open("wb") as file:
        os.dup2(file.fileno(), wake)
        camera.let_slow_go.set()
        hung.join(5)
        if file.fileno() != wake:
            os.close(wake)
    assert not hung.is_alive()
    assert (tmp_path / "file").read_bytes() == b""


def test_a_driver_that_comes_back_in_a_later_run_answers_nobody_there(
    camera: PatternCamera, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("heliograph.gige.device.server._CLOSE_S", 0.1)
    camera.let_slow_go.clear()
    server = GigeDeviceServer(camera, address)
    server.start()
    client = Client(address)
    for _ in range(2):
        client.send(Command.READREG, gvcp.pack_addresses([feature_address(server, "Slow")]))
    assert camera.slow_entered.wait(5)
    until(lambda: server._work.qsize() == 1)
    (hung,) = [thread for thread in server._threads if "features" in thread.name]
    server.close()
    with server:
        camera.let_slow_go.set()
        hung.join(5)
        assert not hung.is_alive()
        assert client.read(feature_address(server, "Slow")) == 7
    client.socket.close()


def test_a_driver_that_hangs_while_it_streams_hangs_neither_client_nor_close(
    camera: PatternCamera,
    address: str,
    receiver: socket.socket,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("heliograph.gige.device.acquisition._END_S", 0.3)
    hanging, go = threading.Event(), threading.Event()
    grab = camera.grab

    def hang(timeout_s: float) -> Frame:
        hanging.set()
        go.wait()
        return grab(timeout_s)

    monkeypatch.setattr(camera, "grab", hang)
    with GigeDeviceServer(camera, address) as server:
        client = Client(address)
        open_stream(client, receiver)
        start, stop = (feature_address(server, f"Acquisition{name}") for name in ("Start", "Stop"))
        assert client.write((start, 1)) == [0]
        assert hanging.wait(5)
        assert client.write((stop, 1), (start, 1)) == [gvcp.Status.ERROR, gvcp.Status.ERROR]
        client.socket.close()
        (hung,) = server._acquisition._threads
    assert "hangs in its driver" in caplog.messages[-1]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind((address, gvcp.PORT))
    go.set()
    hung.join(5)
    assert not hung.is_alive()


def test_slow_feature_delays_nobody_and_loses_no_control(
    server: GigeDeviceServer, client: Client, camera: PatternCamera
) -> None:
    camera.let_slow_go.clear()
    assert client.write((CCP, 2), (Register.HEARTBEAT_TIMEOUT, 500)) == [0, 0]
    slow = gvcp.pack_addresses([feature_address(server, "Slow")])
    asked = client.send(Command.READREG, slow)
    assert camera.slow_entered.wait(5)
    monitor = Client(server.address)
    ends_s = time.monotonic() + 0.8  # longer than the heartbeat timeout
    while time.monotonic() < ends_s:
        assert monitor.read(CCP) == 2
    monitor.socket.close()
    client.send(Command.READREG, slow, asked)
    assert client.receive().command == gvcp.PENDING_ACK
    camera.let_slow_go.set()
    ack = client.receive()
    assert (ack.request_id, gvcp.unpack_addresses(ack.payload)) == (asked, [7])
    assert client.read(CCP) == 2


@pytest.mark.parametrize("size_bytes", [576, 1500, 9000])
@pytest.mark.usefixtures("server")
def test_test_packet_has_exactly_the_size_asked_for(client: Client, receiver: socket.socket, size_bytes: int) -> None:
    open_stream(client, receiver)
    fire = PacketSizeBit.FIRE_TEST_PACKET | PacketSizeBit.DO_NOT_FRAGMENT | size_bytes
    assert client.write((Register.STREAM_CHANNEL_PACKET_SIZE, fire)) == [0]
    assert receiver.recv(65536) == bytes(size_bytes - 28)
    assert client.read(Register.STREAM_CHANNEL_PACKET_SIZE) == PacketSizeBit.DO_NOT_FRAGMENT | size_bytes
    # Writing the size back, as a read-modify-write does, fires no second one.
    assert client.write((Register.STREAM_CHANNEL_PACKET_SIZE, size_bytes)) == [0]
    with selectors.DefaultSelector() as selector:
        selector.register(receiver, selectors.EVENT_READ)
        assert selector.select(0.05) == []


def test_camera_that_fails_ends_its_stream(
    server: GigeDeviceServer,
    client: Client,
    camera: PatternCamera,
    receiver: socket.socket,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(timeout_s: float) -> None:
        raise OSError("cable pulled")

    monkeypatch.setattr(camera, "grab", fail)
    open_stream(client, receiver)
    assert client.write((feature_address(server, "AcquisitionStart"), 1)) == [0]
    until(lambda: not camera.running)
    until(lambda: "the stream ended: cable pulled" in caplog.text)
    assert client.read(feature_address(server, "TLParamsLocked")) == 0


@pytest.mark.usefixtures("server")
def test_a_network_that_is_away_for_a_moment_loses_frames_and_not_the_stream(
    server: GigeDeviceServer,
    client: Client,
    receiver: socket.socket,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    sent: list[int] = []
    send = StreamSender.send

    def interrupted(sender: StreamSender, frame: Frame, number: int) -> None:
        sent.append(number)
        if 2 <= number < 6:
            raise OSError(errno.ENETUNREACH, os.strerror(errno.ENETUNREACH))
        send(sender, frame, number)

    monkeypatch.setattr(StreamSender, "send", interrupted)
    open_stream(client, receiver)
    assert client.write((feature_address(server, "AcquisitionStart"), 1)) == [0]
    until(lambda: len(sent) > 6)
    assert client.read(feature_address(server, "TLParamsLocked")) == 1
    assert client.write((feature_address(server, "AcquisitionStop"), 1)) == [0]
    assert caplog.text.count("frames are lost until the network takes them again: [Errno 101]") == 1
    assert "the stream ended" not in caplog.text


def test_user_defined_name_is_writable(client: Client, server: GigeDeviceServer) -> None:
    assert client.write((CCP, 2)) == [0]
    client.send(Command.WRITEMEM, gvcp.pack_memory(Register.USER_DEFINED_NAME, b"north-side\0\0\0\0\0\0"))
    assert client.receive().status == 0
    assert server.name == "north-side"


@pytest.mark.usefixtures("server")
def test_timestamp_latch_is_the_time_since_boot(client: Client) -> None:
    before_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    assert client.write((CCP, 2), (Register.TIMESTAMP_CONTROL, 2)) == [0, 0]
    after_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    high, low = client.read(Register.TIMESTAMP_LATCHED_HIGH), client.read(Register.TIMESTAMP_LATCHED_LOW)
    assert before_ns < high << 32 | low < after_ns
    assert client.write((Register.TIMESTAMP_CONTROL, 1)) == [gvcp.Status.INVALID_PARAMETER]
    frequency = client.read(Register.TIMESTAMP_FREQUENCY_HIGH) << 32 | client.read(Register.TIMESTAMP_FREQUENCY_LOW)
    assert frequency == 1_000_000_000


def write_name(client: Client, name: bytes) -> int:
    client.send(Command.WRITEMEM, gvcp.pack_memory(Register.USER_DEFINED_NAME, name.ljust(16, b"\0")))
    return client.receive().status


def write_text(client: Client, address: int, text: bytes) -> int:
    client.send(Command.WRITEMEM, gvcp.pack_memory(address, text.ljust(128, b"\0")))
    return client.receive().status


def test_name_and_user_sets_outlive_the_server(camera: PatternCamera, address: str, tmp_path: Path) -> None:
    with GigeDeviceServer(camera, address, state_dir=tmp_path) as server:
        client = Client(address)
        at = {name: feature_address(server, name) for name in server._features}
        assert client.write((CCP, 2), (at["Width"], 320), (at["UserSetSelector"], 8), (at["UserSetSave"], 1)) == [0] * 4
        assert write_text(client, at["UserSetDescription"], b"half") == 0
        assert client.write((at["UserSetDefault"], 8)) == [0]
        assert write_name(client, b"sixteen--letters") == 0
        until(lambda: "sixteen--letters" in next(tmp_path.iterdir()).read_text())
        client.socket.close()
    again = PatternCamera()
    with GigeDeviceServer(again, address, state_dir=tmp_path) as server:
        assert server.name == "sixteen--letters"
        assert again.features["Width"] == 320
        assert server._features["UserSetDefault"] == "UserSet8"
        client = Client(address)
        at = {name: feature_address(server, name) for name in server._features}
        assert client.write((CCP, 2), (at["UserSetLoad"], 1)) == [0, 0]
        assert again.features["Width"] == 640, "Default is what the camera came with"
        assert client.write((at["UserSetSave"], 1), (at["UserSetSelector"], 99)) == [
            gvcp.Status.ACCESS_DENIED,
            gvcp.Status.INVALID_PARAMETER,
        ]
        client.socket.close()
    assert GigeDeviceServer(again, address, "given", state_dir=tmp_path).name == "given"


def test_a_name_that_cannot_be_kept_is_told(
    camera: PatternCamera, address: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    with GigeDeviceServer(camera, address, state_dir=tmp_path / "file") as server:
        client = Client(address)
        assert client.write((CCP, 2)) == [0]
        assert write_name(client, b"north") == 0
        until(lambda: "north: its new name lasts until it ends" in caplog.text)
        assert "--state-dir" in caplog.text
        assert server.name == "north"
        client.socket.close()


def test_events_reach_the_message_channel_until_they_are_heard(
    server: GigeDeviceServer, client: Client, receiver: socket.socket
) -> None:
    at = {name: feature_address(server, name) for name in server._features}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as messages:
        messages.bind(("127.0.0.1", 0))
        messages.settimeout(5)
        open_stream(client, receiver)
        route = (Register.MESSAGE_CHANNEL_DESTINATION, 0x7F000001), (Register.MESSAGE_CHANNEL_TIMEOUT, 20)
        port = (Register.MESSAGE_CHANNEL_PORT, messages.getsockname()[1])
        assert client.write(*route, port, (at["EventSelector"], 0), (at["EventNotification"], 1)) == [0] * 5
        assert client.write((at["AcquisitionStart"], 1)) == [0]
        data, sender = messages.recvfrom(2048)
        assert sender == (server.address, client.read(Register.MESSAGE_CHANNEL_SOURCE_PORT))
        command = CommandPacket.unpack(data)
        assert (command.command, command.ack_required) == (Command.EVENT, True)
        size, event_id, channel, block_id, timestamp_ns = struct.unpack(">HHHHQ", command.payload)
        assert (size, event_id, channel, block_id) == (16, 0x9001, 0, 1)
        leader = receiver.recv(2048)
        assert struct.unpack_from(">Q", leader, 12) == (timestamp_ns,)
        # Unheard, it comes again; heard, it does not.
        repeated = next(data for data in iter(lambda: messages.recv(2048), b"") if data == command.pack())
        messages.sendto(AckPacket(0, Command.EVENT + 1, CommandPacket.unpack(repeated).request_id).pack(), sender)
        until(lambda: command.request_id not in server._messages._waiting)


def test_an_action_reaches_the_sensor(server: GigeDeviceServer, client: Client, receiver: socket.socket) -> None:
    at = {name: feature_address(server, name) for name in server._features}
    source = server._features.describe("TriggerSource").entries["Action1"]
    open_stream(client, receiver)
    assert client.write((at["TriggerMode"], 1), (at["TriggerSource"], source), (at["AcquisitionStart"], 1)) == [0] * 3
    keys = [
        (Register.ACTION_DEVICE_KEY, 1),
        (Register.ACTION_GROUP_KEY_0 + 16, 2),
        (Register.ACTION_GROUP_MASK_0 + 16, 4),
    ]
    assert client.write(*keys) == [0, 0, 0]
    time_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) + 200_000_000
    command = gvcp.ActionCommand(1, 2, 0xFF, time_ns)
    for _ in range(2):
        client.socket.sendto(command.pack(900), (server.address, gvcp.PORT))
        assert client.receive().status == 0
    leader = receiver.recv(2048)
    (timestamp_ns,) = struct.unpack_from(">Q", leader, 12)
    # The camera takes 100 frames/s; a busy machine may miss some.
    assert 0 <= timestamp_ns - time_ns < 5_000_000_000
    late = gvcp.ActionCommand(1, 2, 0xFF, time_ns)
    client.socket.sendto(late.pack(901), (server.address, gvcp.PORT))
    assert client.receive().status == gvcp.Status.ACTION_LATE


def test_strangers_get_no_answer(camera: PatternCamera, address: str) -> None:
    with GigeDeviceServer(camera, address, allow=["10.0.0.0/8"]) as server:
        client = Client(address)
        client.send(Command.DISCOVERY, b"")
        until(lambda: server._control.rejected_datagrams == 1)
        client.socket.settimeout(0.05)
        with pytest.raises(TimeoutError):
            client.receive()
        client.socket.close()


def test_force_ip_is_told_to_the_owner_once(
    server: GigeDeviceServer, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    mac = server.identity.mac.to_bytes(6, "big")
    wanted = bytes(2) + mac + bytes(12) + bytes([10, 0, 0, 9]) + bytes(32)
    for _ in range(2):
        client.send(Command.FORCEIP, wanted)
        assert client.receive().status == gvcp.Status.ACCESS_DENIED
    until(lambda: "wants it at 10.0.0.9" in caplog.text)
    assert caplog.text.count("10.0.0.9") == 1
    assert client.read(Register.CURRENT_IP) == int.from_bytes(socket.inet_aton(server.address), "big")
