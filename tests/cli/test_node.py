"""`heliograph node` and `heliograph node init`, as a user types them."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

import heliograph
from heliograph.link.keys import PrivateKey
from heliograph.testing.node import NodeProcess, running_node

PROGRAM = str(Path(sysconfig.get_path("scripts")) / "heliograph")
TABLES = """
[[camera]]
name = "cam-1"
url = "sim://bench"
features = { Width = 320, Height = 240, PixelFormat = "Mono8" }
[[camera]]
name = "gone"
url = "v4l2:///dev/video987"
[[vehicle]]
name = "drone"
kind = "sim"
[telemetry]
health_interval_s = 0.2
"""


def program(*words: str, home: Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("XDG_", "HELIOGRAPH_"))}
    return subprocess.run(
        [PROGRAM, *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=cwd or home,
        env=environment | {"HOME": str(home)},
    )


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    with running_node(tmp_path_factory.mktemp("node"), TABLES) as node:
        yield node


def sent(node: NodeProcess, *words: str) -> object:
    ended = node.ground("send", "board", *words, "--json")
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])["result"]


def test_it_is_found_and_answers(node: NodeProcess) -> None:
    [found] = json.loads(node.ground("nodes", "--json").stdout)
    assert found["name"] == "board"
    ping = sent(node, "node.ping")
    assert isinstance(ping, dict)
    assert ping["uptime_s"] > 0


def test_a_camera_is_used_from_the_network_and_by_commands(node: NodeProcess) -> None:
    [line] = [line for line in node.told if line.startswith("camera cam-1")]
    assert "camera gone is not there yet" in node.told
    with heliograph.open(line.split()[-1]) as client:
        frames = client.frames(100)
        assert next(frames).width == 320
        grabbed = sent(node, "camera.grab", "cam-1", "pictures/one.png")
        assert next(frames).missing_packets == 0
    assert isinstance(grabbed, dict)
    picture = cv2.imread(str(node.state / "files" / "pictures" / "one.png"), cv2.IMREAD_UNCHANGED)
    assert picture is not None
    assert picture.shape == (240, 320)
    assert sent(node, "camera.set", "cam-1", "Gain=3") == {"Gain": pytest.approx(3, abs=0.1)}


def test_a_vehicle_is_armed_only_by_who_says_yes(node: NodeProcess) -> None:
    refused = node.ground("send", "board", "vehicle.arm")
    assert refused.returncode != 0
    assert "--yes" in refused.stderr
    assert sent(node, "vehicle.arm", "--yes") == {"vehicle": "drone", "armed": True}


def test_telemetry_and_events_are_told(node: NodeProcess) -> None:
    told = node.ground("telemetry", "board")
    assert told.returncode == 0, told.stderr
    assert "drone.attitude" in told.stdout
    assert "memory_available" in told.stdout
    events = node.ground("events", "board", "--severity", "alarm")
    assert "camera.missing" in events.stdout
    assert "node.started" not in events.stdout


def test_a_stranger_is_refused(node: NodeProcess, tmp_path: Path) -> None:
    PrivateKey.generate().write(tmp_path / "key")
    ended = node.ground("send", "board", "node.ping", "--key", str(tmp_path / "key"))
    assert ended.returncode == 10
    assert "not trusted" in ended.stderr


def test_a_second_program_on_the_same_state_does_not_start(node: NodeProcess) -> None:
    ended = node.ground("node", "--config", str(node.folder / "node.toml"), "--state-dir", str(node.state))
    assert ended.returncode == 5
    assert "another node uses" in ended.stderr


def test_it_restarts_in_its_place(tmp_path: Path) -> None:
    with running_node(tmp_path) as node:
        pid = node.pid
        [before] = json.loads(node.ground("nodes", "--json").stdout)
        sent(node, "node.restart")
        deadline = 30
        while True:
            found = json.loads(node.ground("nodes", "--json").stdout or "[]")
            if found and found[0]["boot"] != before["boot"]:
                break
            deadline -= 1
            assert deadline, node.log()
        assert node.pid == pid
        assert isinstance(sent(node, "node.ping"), dict)
        assert node.end() == 0


def test_a_driver_that_hangs_does_not_keep_it_from_a_restart(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for name in ("1.png", "2.png"):
        cv2.imwrite(str(pictures / name), np.zeros((48, 64), np.uint8))
    camera = f'[[camera]]\nname = "cam-1"\nserve = false\nurl = "replay://{pictures}/*.png"\n'
    with running_node(tmp_path, camera) as node:
        [before] = json.loads(node.ground("nodes", "--json").stdout)
        (pictures / "2.png").unlink()
        os.mkfifo(pictures / "2.png")  # nobody writes into it: whoever opens it waits for ever
        node.ground("send", "board", "camera.grab", "cam-1", "timeout=60", "--no-wait")
        began_s = time.monotonic()
        sent(node, "node.restart")
        while True:
            found = json.loads(node.ground("nodes", "--json").stdout or "[]")
            if found and found[0]["boot"] != before["boot"]:
                break
            assert time.monotonic() - began_s < 30, node.log()
        assert "did not end within 9 s" in node.log()


def test_a_new_node_obeys_the_key_of_its_user(tmp_path: Path) -> None:
    assert program("key", "new", home=tmp_path).returncode == 0
    made = program("node", "init", "new", "--name", "first", home=tmp_path)
    assert made.returncode == 0, made.stderr
    assert "may command it" in made.stdout
    assert stat.S_IMODE((tmp_path / "new" / "node.key").stat().st_mode) == 0o600
    again = program("node", "init", "new", home=tmp_path)
    assert again.returncode == 7
    assert "there already" in again.stderr


def test_a_new_node_without_a_key_says_what_to_do(tmp_path: Path) -> None:
    made = program("node", "init", "new", "--name", "first", home=tmp_path)
    assert "heliograph key new" in made.stderr
    wrong = program("node", "init", "other", "--trust", "ssh-rsa AAAA", home=tmp_path)
    assert wrong.returncode == 5
    assert not (tmp_path / "other").exists()


def test_wrong_settings_are_one_line(tmp_path: Path) -> None:
    missing = program("node", home=tmp_path)
    assert missing.returncode == 3
    assert "heliograph node init" in missing.stderr
    (tmp_path / "node.toml").write_text('name = "x"\ncamra = 1\n')
    wrong = program("node", home=tmp_path)
    assert wrong.returncode == 5
    assert "no key `camra`" in wrong.stderr
    (tmp_path / "node.toml").write_text('name = "x"\n')
    keyless = program("node", home=tmp_path)
    assert keyless.returncode in (3, 5)
    assert keyless.stderr.count("\n") == 1
    assert "node.key" in keyless.stderr
