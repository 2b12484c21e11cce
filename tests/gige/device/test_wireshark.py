"""Wireshark's dissectors on what our camera sends, captured where every packet is real."""

import re
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass

import pytest

from heliograph.gige.gvsp import packet_count
from heliograph.testing.peers import namespace_command, require

PAYLOAD_BYTES = 640 * 480

# Every kind of command and of refusal, by a client that never had control.
REFUSALS = r"""
import socket
from heliograph.gige import gvcp
from heliograph.gige.gvcp import Command, CommandPacket
from heliograph.testing.wire import CAMERA_ADDRESS
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.settimeout(5)
commands = [
    (Command.DISCOVERY, b""),
    (Command.READREG, gvcp.pack_addresses([0x904])),
    (Command.READREG, gvcp.pack_addresses([0x904, 0x934])),
    (Command.READREG, gvcp.pack_addresses([0x8000])),
    (Command.WRITEREG, gvcp.pack_writes([(0x938, 1000)])),
    (Command.WRITEREG, gvcp.pack_writes([(0xA00, 2)])),
    (Command.WRITEREG, gvcp.pack_writes([(0x938, 1000), (0xD08, 1)])),
    (Command.WRITEREG, gvcp.pack_writes([(0x938, 1)])),
    (Command.READMEM, gvcp.pack_memory_read(0x200, 512)),
    (Command.READMEM, gvcp.pack_memory_read(0x8000, 8)),
    (Command.WRITEMEM, gvcp.pack_memory(0xE8, b"cam-1\0\0\0")),
    (Command.WRITEMEM, gvcp.pack_memory(0x48, b"new-name")),
    (Command.WRITEREG, gvcp.pack_writes([(0xA00, 0)])),
]
for request_id, (code, payload) in enumerate(commands, 1):
    client.sendto(CommandPacket(code, request_id, payload).pack(), (CAMERA_ADDRESS, gvcp.PORT))
    client.recv(2048)
"""

# Actions, an event that is heard the second time, and FORCEIP.
SIGNALS = r"""
import socket
from heliograph.gige.bootstrap import Register
from heliograph.gige.client.device import GigeDevice
from heliograph.gige.client.nodemap import NodeMapFeatures
from heliograph.gige.gvcp import PORT, AckPacket, ActionCommand, Command, CommandPacket
from heliograph.testing.wire import CAMERA_ADDRESS, CLIENT_ADDRESS
messages = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
messages.bind((CLIENT_ADDRESS, 0))
messages.settimeout(5)
with GigeDevice.open(CAMERA_ADDRESS) as device:
    features = NodeMapFeatures(device)
    for name, value in {
        "ActionDeviceKey": 0x11, "ActionGroupKey": 0x22, "ActionGroupMask": 0x33, "EventSelector": "ActionLate",
        "EventNotification": "On", "GevMCDA": int.from_bytes(socket.inet_aton(CLIENT_ADDRESS), "big"),
        "GevMCTT": 50, "GevMCPHostPort": messages.getsockname()[1],
    }.items():
        features[name] = value
    mac = device.read_memory(Register.MAC_HIGH, 8)[2:]
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.settimeout(5)
    for datagram in (
        ActionCommand(0x11, 0x22, 0x33).pack(1),
        ActionCommand(0x11, 0x22, 0x33, time_ns=0x1234).pack(2),
        CommandPacket(Command.FORCEIP, 3, bytes(2) + mac + bytes(12) + bytes([10, 0, 0, 9]) + bytes(32)).pack(),
    ):
        client.sendto(datagram, (CAMERA_ADDRESS, PORT))
        client.recv(2048)
    messages.recv(2048)
    event, sender = messages.recvfrom(2048)
    messages.sendto(AckPacket(0, Command.EVENT + 1, CommandPacket.unpack(event).request_id).pack(), sender)
"""


@dataclass(frozen=True)
class Capture:
    """What passed on the wire; GVSP is known by the port that most packets go to."""

    path: str
    stream_port: int = 0

    def tshark(self, *options: str) -> str:
        command = [require("tshark"), "-r", self.path, *options]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout

    def dissect(self, display_filter: str, *fields: str) -> list[list[str]]:
        """Give fields of the packets that a filter lets pass."""
        words = [word for field in fields for word in ("-e", field)]
        known = ("-d", f"udp.port=={self.stream_port},gvsp")
        text = self.tshark(*known, "-Y", display_filter, "-T", "fields", *words)
        return [line.split("\t") for line in text.splitlines()]


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Capture:
    """Capture Aravis streaming for a second, and the refusals and signals before it."""
    path = str(tmp_path_factory.mktemp("wire") / "capture.pcapng")
    stream = f'"$0" -c "$1" && "$0" -c "$2" && {require("arv-camera-test-0.8")} -n cam-1 -a --duration 1'
    wire = (sys.executable, "-m", "heliograph.testing.wire", path)
    command = [*namespace_command(), *wire, "sh", "-c", stream, sys.executable, REFUSALS, SIGNALS]
    require("dumpcap")
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(r"n_completed_buffers\s*= [1-9]", done.stdout)
    ports = Capture(path).tshark("-Y", "udp && !gvcp", "-T", "fields", "-e", "udp.dstport").split()
    return Capture(path, int(Counter(ports).most_common(1)[0][0]))


def test_no_packet_is_malformed(capture: Capture) -> None:
    assert capture.dissect("_ws.malformed || _ws.expert", "frame.number", "_ws.col.Info") == []
    commands = {int(code, 16) for (code,) in capture.dissect("gvcp.ack", "gvcp.ack")}
    assert commands == {0x0003, 0x0005, 0x0081, 0x0083, 0x0085, 0x0087, 0x00C1, 0x0101}
    statuses = {int(status, 16) for (status,) in capture.dissect("gvcp.cmd.status", "gvcp.cmd.status")}
    assert statuses == {0, 0x8002, 0x8003, 0x8004, 0x8006, 0x8016}


def test_discovery_is_understood(capture: Capture) -> None:
    (info, mode), *_ = capture.dissect("gvcp.ack == 0x0003", "_ws.col.Info", "gvcp.ack.discovery.devicemode")
    assert re.fullmatch(r"< DISCOVERY_ACK \(Heliograph, [0-9A-F]{12}\)", info)
    assert int(mode, 0) == 0x80000001


def test_actions_are_understood(capture: Capture) -> None:
    fields = [f"gvcp.cmd.action.{name}" for name in ("devicekey", "groupkey", "groupmask", "time")]
    actions = capture.dissect("gvcp.cmd.command == 0x0100", "gvcp.cmd.flag.scheduledactioncommand", *fields)
    assert [[int(field, 0) for field in action if field] for action in actions] == [
        [0, 0x11, 0x22, 0x33],
        [1, 0x11, 0x22, 0x33, 0x1234],
    ]


def test_events_are_understood(capture: Capture) -> None:
    fields = [f"gvcp.cmd.event.{name}" for name in ("id", "streamchannelindex", "blockid", "timestamp")]
    first, again = capture.dissect("gvcp.cmd.command == 0x00c0", *fields, "gvcp.cmd.req_id")
    assert first == again
    assert [int(field, 0) for field in first[:3]] == [9, 0, 0]
    assert len(capture.dissect("gvcp.ack == 0x00c1", "gvcp.ack")) == 1


def test_frames_have_as_many_packets_as_they_should(capture: Capture) -> None:
    frames: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for block_id, kind, packet_id in capture.dissect("gvsp", "gvsp.blockid16", "gvsp.format", "gvsp.packetid24"):
        frames[int(block_id, 0)].append((int(packet_id, 0), int(kind, 0)))
    frames.pop(max(frames))  # acquisition may have stopped within the last one
    frames.pop(0, None)  # the test packet, when Aravis fires it from the same port
    payload_packets = packet_count(PAYLOAD_BYTES, 1500)
    assert payload_packets == -(-PAYLOAD_BYTES // 1464)
    whole = [(0, 1), *((n, 3) for n in range(1, payload_packets + 1)), (payload_packets + 1, 2)]
    assert len(frames) > 10
    assert all(packets == whole for packets in frames.values())


def test_leader_is_understood(capture: Capture) -> None:
    (leader, *_) = capture.dissect("gvsp.format == 1", "gvsp.payloadtype", "gvsp.pixel", "gvsp.sizex", "gvsp.sizey")
    assert [int(field, 0) for field in leader] == [1, 0x01080001, 640, 480]
