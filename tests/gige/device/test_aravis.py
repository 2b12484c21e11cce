"""Aravis 0.8 as the client of our camera, both alone in a network namespace."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from heliograph.testing.peers import namespace_command, require


def beside(*program: str, address: str = "127.0.0.1") -> str:
    """Serve a camera as cam-1 and give what a program beside it prints."""
    script = f'{require("ip")} link set lo up && exec "$@"'
    serve = (sys.executable, "-m", "heliograph.testing.beside", address, "cam-1", "--")
    command = [*namespace_command(), "sh", "-c", script, "sh", *serve, require(program[0]), *program[1:]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2"])
def test_discovery_lists_the_camera(address: str) -> None:
    assert re.fullmatch(rf"Heliograph-pattern-[0-9A-F]{{12}} \({address}\)\n", beside("arv-tool-0.8", address=address))


def test_features_are_read_and_written_within_their_limits() -> None:
    control = (
        "ExposureTime=2000 Width=320 Width=321 Gain=25 ExposureTime PixelFormat=RGB8 PayloadSize "
        "ReverseX=true ReverseX Note=hello Note DeviceUserID GevTimestampTickFrequency GevCCP R[0x904] R[0x8000]"
    )
    lines = beside("arv-tool-0.8", "-n", "cam-1", "control", *control.split()).splitlines()
    assert lines[0] == "ExposureTime = 2000 us min:10 max:100000"
    assert lines[1] == "Width = 320 min:4 max:640 inc:4"
    assert all(refused.endswith("(invalid-parameter)") for refused in lines[2:4])
    # The narrower picture moved the limit: a client that had cached it would show the old one.
    assert lines[4] == "ExposureTime = 2000 us min:10 max:10000"
    assert lines[5:13] == [
        "PixelFormat = RGB8",
        f"PayloadSize = {320 * 480 * 3} B",
        "ReverseX = true",
        "ReverseX = true",
        "Note = hello",
        "Note = hello",
        "DeviceUserID = cam-1",
        "GevTimestampTickFrequency = 1000000000 Hz min:0",
    ]
    assert lines[13] == "GevCCP = ControlAccess"
    assert lines[14].endswith("= 0x00000001")
    assert lines[15].endswith("(invalid-access)")


def test_every_feature_has_a_value_and_a_slow_one_is_waited_for() -> None:
    listing = beside("arv-tool-0.8", "-n", "cam-1", "values")
    assert "error" not in listing.lower()
    assert "'Slow' = 7" in listing  # takes 3 s: without a pending acknowledge Aravis gives up after 2.5
    names = re.findall(r"'(\w+)'", listing)
    assert {"DeviceVendorName", "Width", "PixelFormat", "ExposureTime", "AcquisitionStart", "GevSCPSPacketSize"} <= {
        *names
    }


def counters(report: str) -> dict[str, int]:
    return {name: int(count) for name, count in re.findall(r"^(n_\w+)\s*= (\d+)$", report, re.MULTILINE)}


def test_streams_200_frames_and_none_broken() -> None:
    # Realtime, because a busy machine is not what this is about.
    stream = ("--no-packet-socket", "-a", "--realtime", "--duration", "3")
    counts = counters(beside("arv-camera-test-0.8", "-n", "cam-1", *stream))
    assert counts["n_completed_buffers"] >= 200
    broken = (
        *("n_failures", "n_underruns", "n_timeouts", "n_missing_frames"),
        *("n_missing_packets", "n_error_packets", "n_size_mismatch_errors"),
    )
    assert [counts[name] for name in broken] == [0] * len(broken)


def test_packet_size_is_negotiated_by_test_packets() -> None:
    stream = ("--no-packet-socket", "-a", "-j", "always", "--duration", "1")
    report = beside("arv-camera-test-0.8", "-n", "cam-1", *stream)
    size_bytes = int(re.findall(r"gv packet size\s*= (\d+) bytes", report)[0])
    # Loopback takes any size; Aravis 0.8.26 bisects to one step below the largest.
    assert size_bytes >= 16_000


def test_selectors_choose_what_is_read_and_commands_run() -> None:
    control = """
        control UserSetSelector=UserSet2 UserSetDescription=half Width=320 UserSetSave Width=640 UserSetLoad Width
        UserSetDescription UserSetSelector=UserSet3 UserSetDescription DeviceUserID=sixteen--letters
        ActionSelector=1 ActionGroupMask=7 ActionSelector=0 ActionGroupMask ActionSelector=1 ActionGroupMask
    """
    lines = beside("arv-tool-0.8", "-n", "cam-1", *control.split()).splitlines()
    assert "Width = 320 min:4 max:640 inc:4" in lines
    assert [line for line in lines if line.startswith("UserSetDescription")] == [
        "UserSetDescription = half",
        "UserSetDescription = half",
        "UserSetDescription = ",
    ]
    assert "DeviceUserID = sixteen--letters" in lines
    assert [line.split()[2] for line in lines if line.startswith("ActionGroupMask")] == ["7", "0", "7"]


RIVALS = """
import subprocess, sys
from heliograph.core import CameraBusyError
from heliograph.gige.client.device import GigeDevice
tool = [sys.argv[1], "-n", "cam-1", "control"]
with GigeDevice.open("127.0.0.1"):
    print(subprocess.run([*tool, "Gain=3", "Gain"], capture_output=True, text=True).stdout)
    try:
        GigeDevice.open("127.0.0.1").close()
    except CameraBusyError as error:
        print(error)
    with GigeDevice.open("127.0.0.1", control=False) as monitor:
        print(hex(monitor.read_register(0xA00)))
print(subprocess.run([*tool, "Gain=3", "Gain"], capture_output=True, text=True).stdout)
"""


def test_of_two_clients_one_writes_and_the_other_reads() -> None:
    lines = beside(sys.executable, "-c", RIVALS, require("arv-tool-0.8")).splitlines()
    assert "access-denied" in lines[0]
    assert lines[1].startswith("Gain = 0 dB")
    busy, held = [line for line in lines[2:] if line][:2]
    assert "127.0.0.1" in busy
    assert held == "0x2"
    assert [line for line in lines if line][-1].startswith("Gain = 3 dB")


SERVE = """
import json, signal, subprocess, sys
words = [sys.executable, "-c", "from heliograph.cli import main; main()", "serve", *["sim://test-card"] * 3, "--json"]
with subprocess.Popen([*words, "--state-dir", sys.argv[2]], stdout=subprocess.PIPE, text=True) as server:
    served = [json.loads(server.stdout.readline()) for _ in range(3)]
    print(subprocess.run([sys.argv[1]], capture_output=True, text=True).stdout)
    for number, camera in enumerate(served):
        one = [sys.argv[1], "-a", camera["address"], "control", f"DeviceUserID=cam-{number}", "DeviceSerialNumber"]
        print(subprocess.run(one, capture_output=True, text=True).stdout)
    named = [sys.argv[1], "-n", "cam-2", "control", "DeviceUserID"]
    print(subprocess.run(named, capture_output=True, text=True).stdout)
    server.send_signal(signal.SIGINT)
sys.exit(server.returncode)
"""


def test_three_cameras_of_one_process_are_three_cameras(tmp_path: Path) -> None:
    script = f'{require("ip")} link set lo up && exec "$@"'
    program = (sys.executable, "-c", SERVE, require("arv-tool-0.8"), str(tmp_path))
    done = subprocess.run(
        [*namespace_command(), "sh", "-c", script, "sh", *program],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    cameras = re.findall(r"^(.+) \((127\.0\.0\.[123])\)$", done.stdout, re.MULTILINE)
    assert len({name for name, _ in cameras}) == len({address for _, address in cameras}) == len(cameras) == 3
    serials = re.findall(r"^DeviceSerialNumber = (\S+)$", done.stdout, re.MULTILINE)
    assert serials == [serials[0], f"{serials[0]}-2", f"{serials[0]}-3"]
    assert done.stdout.rstrip().endswith("DeviceUserID = cam-2")
    assert len(list(tmp_path.iterdir())) == 3, "each remembers its name for itself"
