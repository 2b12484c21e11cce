"""Wireshark's dissectors on a stream with 64-bit block ids, chunks and packets sent again, captured on a real link."""

import re
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import pytest

from heliograph.gige.gvsp import packet_count
from heliograph.testing.peers import namespace_command, require

IMAGE_BYTES = 640 * 480
# The image's own id and length, and two chunks of 8 bytes with theirs.
PAYLOAD_BYTES = IMAGE_BYTES + 8 + 2 * 16
LAYOUT_ID = 1 << 2 | 1 << 5

# Captured before packets are lost, so the capture has them all.
SCRIPT = """
import subprocess, sys, time
from pathlib import Path
from heliograph.gige.device.server import GigeDeviceServer
from heliograph.testing.camera import PatternCamera
from heliograph.testing.wire import CAMERA_ADDRESS, Wire
dumpcap, capture, *command = sys.argv[1:]
with Wire() as wire, GigeDeviceServer(PatternCamera(rate_hz=50), CAMERA_ADDRESS, "cam-1"):
    wire.disturb(lost=0.02)
    capturing = subprocess.Popen(wire.at_client(dumpcap, "-q", "-i", "client", "-w", capture), stderr=subprocess.PIPE)
    while b"File:" not in capturing.stderr.readline():
        pass
    done = subprocess.run(wire.at_client(*command), check=False)
    capturing.terminate()
    capturing.communicate()
    sys.exit(done.returncode)
"""
FIELDS = ("gvsp.status", "gvsp.blockid64", "gvsp.format", "gvsp.packetid32", "gvsp.flag.packetresend")


@dataclass(frozen=True)
class Capture:
    """What passed on the wire."""

    path: Path
    stream_port: int = 0

    def dissect(self, display_filter: str, *fields: str) -> list[list[str]]:
        """Give fields of the packets that a filter lets pass.

        Aravis asks from the port that it receives at, so those commands are read with the stream's port unknown.
        """
        words = [word for field in fields for word in ("-e", field)]
        known = ("-d", f"udp.port=={self.stream_port},gvsp") if "gvsp" in display_filter else ()
        if known:
            display_filter = f"udp.dstport == {self.stream_port} && ({display_filter})"
        command = [require("tshark"), "-r", str(self.path), *known, "-Y", display_filter, "-T", "fields", *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        return [line.split("\t") for line in done.stdout.splitlines()]

    def numbers(self, display_filter: str, *fields: str) -> list[list[int]]:
        """Give fields that are numbers."""
        return [[int(field or "0", 0) for field in row] for row in self.dissect(display_filter, *fields)]


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Capture:
    """Capture Aravis streaming for a second over a link that loses 2 % of the packets."""
    path = tmp_path_factory.mktemp("wire") / "capture.pcapng"
    require("nft")
    options = ("-a", "-q", "1", "--duration", "1", "-u", "Timestamp,FrameID")
    aravis = (require("arv-camera-test-0.8"), "-n", "cam-1", *options, "--features", "GevGVSPExtendedIDMode=On")
    command = [*namespace_command(), sys.executable, "-c", SCRIPT, require("dumpcap"), str(path), *aravis]
    # The link loses answers to discovery too, and Aravis asks but once.
    for _ in range(5):
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        if "No camera found" not in done.stdout:
            break
    assert re.search(r"n_resent_packets\s*= [1-9]", done.stdout)
    ports = Counter(row[0] for row in Capture(path).dissect("udp && !gvcp", "udp.dstport"))
    return Capture(path, int(ports.most_common(1)[0][0]))


def test_no_packet_is_malformed(capture: Capture) -> None:
    for protocol in ("gvcp", "gvsp"):
        wrong = f"{protocol} && (_ws.malformed || _ws.expert)"
        assert capture.dissect(wrong, "frame.number", "_ws.col.Info") == []


def test_packets_have_extended_headers_and_every_frame_its_count(capture: Capture) -> None:
    frames: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for status, block_id, kind, packet_id, resent in capture.numbers("gvsp", *FIELDS):
        assert (status, resent) in ((0, 0), (0x0100, 1))
        if not status and block_id:  # Aravis' test packet has no block
            frames[block_id].append((packet_id, kind))
    frames.pop(max(frames))  # acquisition may have stopped within the last one
    count = packet_count(PAYLOAD_BYTES, 1500, extended=True)
    assert count == -(-PAYLOAD_BYTES // 1452)
    whole = [(0, 0x81), *((n, 0x83) for n in range(1, count + 1)), (count + 1, 0x82)]
    # A busy machine captures not all, and passes what a thread sent before it moved to another processor on after what
    # it sent then; nothing is there twice.
    assert all(sorted(packets) == [each for each in whole if each in packets] for packets in frames.values())
    assert sum(packets == whole for packets in frames.values()) > 10


def test_what_is_asked_for_comes_again_and_nothing_else(capture: Capture) -> None:
    wishes = capture.numbers(
        "gvcp.cmd.resend.extendedblockid",
        "gvcp.cmd.resend.extendedblockid",
        *("gvcp.cmd.resend.firstpacketid", "gvcp.cmd.resend.lastpacketid"),
    )
    again = Counter((block, n) for block, n in capture.numbers("gvsp.status == 0x0100", *FIELDS[1::2]))
    asked = Counter((block, n) for block, first, last in wishes for n in range(first, last + 1))
    assert len(wishes) > 20
    assert not again - asked
    # Those of the end may have come too late for the capture.
    assert again.total() >= 0.9 * asked.total()


def test_chunks_are_announced(capture: Capture) -> None:
    (leader, *_) = capture.numbers("gvsp.format == 0x81", "gvsp.payloadtype", "gvsp.pixel", "gvsp.sizex", "gvsp.sizey")
    assert leader == [0x4001, 0x01080001, 640, 480]
    fields = ("gvsp.payloadtype", "gvsp.sizey", "gvsp.chunkdatapayloadlengthhex", "gvsp.chunklayoutidhex")
    (trailer, *_) = capture.numbers("gvsp.format == 0x82", *fields)
    assert trailer == [0x4001, 480, PAYLOAD_BYTES, LAYOUT_ID]
