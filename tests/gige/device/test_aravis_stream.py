"""Aravis 0.8 as the receiver of our stream: chunks, triggers, and a link that loses packets."""

import re
import subprocess
import sys

import pytest

from heliograph.testing.peers import namespace_command, require

# A camera behind a link that loses a share of the packets, and Aravis before it.
SCRIPT = """
import subprocess, sys
from heliograph.gige.device.server import GigeDeviceServer
from heliograph.testing.camera import PatternCamera
from heliograph.testing.wire import CAMERA_ADDRESS, Wire
lost, *command = sys.argv[1:]
with Wire() as wire, GigeDeviceServer(PatternCamera(rate_hz=25), CAMERA_ADDRESS, "cam-1"):
    if float(lost):
        wire.disturb(lost=float(lost))
    sys.exit(subprocess.run(wire.at_client(*command), check=False).returncode)
"""
CHUNKS = ("FrameID", "Timestamp", "WallTime")
BROKEN = ("n_failures", "n_underruns", "n_missing_packets", "n_error_packets", "n_size_mismatch_errors")


def streamed(*options: str, lost: float = 0.0) -> tuple[str, dict[str, int]]:
    """Stream for two seconds; give what Aravis prints and its counters."""
    # Two packets sent again at once fit through the link uncut, and Aravis' packet socket takes them for one.
    common = ("-n", "cam-1", "-a", "--realtime", "--no-packet-socket", "--duration", "2")
    aravis = (require("arv-camera-test-0.8"), *common, *options)
    command = [*namespace_command(), sys.executable, "-c", SCRIPT, str(lost), *aravis]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    counters = re.findall(r"^(n_\w+)\s*= (\d+)$", done.stdout, re.MULTILINE)
    return done.stdout, {name: int(count) for name, count in counters}


def whole(*options: str, lost: float = 0.0) -> tuple[str, dict[str, int]]:
    """Stream until no frame breaks, three times at most; give the last report and its counters."""
    for _ in range(3):
        # The link loses answers to discovery too, of which Aravis wants one within a second; and on a busy machine
        # Aravis itself may sleep for longer than it waits for packets.
        report, counts = streamed(*options, lost=lost)
        if counts and not any(counts[name] for name in BROKEN):
            break
    assert counts, report
    assert [counts[name] for name in BROKEN] == [0] * len(BROKEN)
    return report, counts


@pytest.mark.parametrize(("lost", "ids"), [(0.01, "Off"), (0.05, "On")])
def test_lost_packets_are_sent_again_until_every_frame_is_whole(lost: float, ids: str) -> None:
    require("nft")
    # Aravis asks for at most a quarter of a frame's packets and gives a frame up after 0.1 s, unless told otherwise.
    _, counts = whole("-q", "2", "-m", "500", "--features", f"GevGVSPExtendedIDMode={ids}", lost=lost)
    assert counts["n_completed_buffers"] >= 20
    # 212 packets a frame.
    assert counts["n_resent_packets"] >= counts["n_completed_buffers"] * 212 * lost / 2
    assert counts["n_resent_packets"] <= counts["n_resend_requests"]


def test_chunks_are_read_with_every_frame() -> None:
    report, _ = whole("-u", "Timestamp,FrameID,WallTime")
    values = {name: list(map(int, re.findall(rf"^Chunk{name} = (\d+)$", report, re.MULTILINE))) for name in CHUNKS}
    assert {len(each) for each in values.values()} == {len(values["FrameID"])}
    ids, times_ns, walls_ns = (values[name] for name in CHUNKS)
    assert len(ids) >= 20
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    assert times_ns == sorted(times_ns)
    # The wall clock may be slewed while it is compared, not by a millisecond.
    offsets_ns = [wall_ns - time_ns for time_ns, wall_ns in zip(times_ns, walls_ns, strict=True)]
    assert max(offsets_ns) - min(offsets_ns) < 1_000_000


def test_software_triggers_give_one_frame_each() -> None:
    _, counts = whole("-o", "10")
    assert 5 <= counts["n_completed_buffers"] <= 21
    assert counts["n_missing_frames"] == 0
