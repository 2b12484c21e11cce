"""A node whose clock is set by hours, and one whose disk is full: each goes on, and keeps what it promised."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from heliograph.testing.addresses import loopback_address
from heliograph.testing.node import NodeProcess
from heliograph.testing.peers import faketime_library, mount_command

TABLES = """
[telemetry]
health_interval_s = 0.1
max_bytes = 10_000_000
"""
DISK_MB = 24


@contextmanager
def board(folder: Path) -> Iterator[NodeProcess]:
    with ExitStack() as resources:
        node = NodeProcess(folder, resources.enter_context(loopback_address()), TABLES)
        resources.callback(node.kill)
        yield node


def sent(node: NodeProcess, *words: str) -> Any:
    ended = node.ground("send", "board", *words, "--json")
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])["result"]


def until(condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, condition
        time.sleep(0.1)


@pytest.fixture
def stepped(tmp_path: Path) -> Iterator[tuple[NodeProcess, Callable[[str], object]]]:
    """Give a node, and what sets its wall clock by so much (`-5h`) from now on."""
    with board(tmp_path) as node:
        offset = tmp_path / "offset"
        offset.write_text("+0")
        node.preload = {
            "LD_PRELOAD": faketime_library(),
            "FAKETIME_TIMESTAMP_FILE": str(offset),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        node.start()
        yield node, offset.write_text


@pytest.mark.parametrize("step", ["-5h", "+7h"])
def test_a_clock_that_is_set_by_hours_changes_no_order(
    stepped: tuple[NodeProcess, Callable[[str], object]], step: str
) -> None:
    node, set_clock = stepped
    before = sent(node, "node.ping")
    sequence = node.folder / "a.seq"
    sequence.write_text("R00:00:04 node.ping\nR00:00:01 node.ping\n")
    assert node.ground("sequence", "run", str(sequence), "board").returncode == 0
    set_clock(step)
    after = sent(node, "node.ping")
    hours = (after["wall_time_ns"] - before["wall_time_ns"]) / 3.6e12
    assert round(hours) == int(step[:-1])
    assert 0 < after["boot_time_ns"] - before["boot_time_ns"] < 60e9
    until(lambda: "sequence.completed" in [each["name"] for each in events(node)])
    # The steps came when they were due, and not at once or hours late.
    began_ns, *steps_ns = [
        each["boot_time_ns"]
        for each in events(node)
        if each["name"] == "sequence.started" or "running" in each["message"]
    ]
    assert [round((each_ns - began_ns) / 1e9) for each_ns in steps_ns] == [4, 5]
    told = node.ground("telemetry", "board", "--json")
    assert told.returncode == 0, told.stderr
    assert max(each["age_s"] for each in json.loads(told.stdout)) < 10
    node.kill()
    node.start()
    assert sent(node, "node.ping")["uptime_s"] < 30


def events(node: NodeProcess) -> list[Any]:
    told = node.ground("events", "board", "--text", "sequence", "--json", "--limit", "1000")
    assert told.returncode == 0, told.stderr
    return [json.loads(line) for line in told.stdout.splitlines()]


def test_a_full_disk_is_told_and_the_node_goes_on(tmp_path: Path) -> None:
    with board(tmp_path) as node:
        node.state.mkdir()
        node.before = mount_command(node.state, DISK_MB)
        node.start()
        inside = Path(f"/proc/{node.pid}/root{node.state}")
        fill(inside / "filler")
        # The journal has room in reserve; a command that it could not keep would be refused, and not run.
        ended = node.ground("send", "board", "node.ping")
        assert ended.returncode in (0, 10), ended.stderr
        (tmp_path / "big").write_bytes(bytes(3_000_000))
        uplinked = node.ground("uplink", str(tmp_path / "big"), "board:big")
        assert uplinked.returncode != 0
        assert "no room" in uplinked.stderr
        until(lambda: "telemetry.unwritable" in node.log())
        (inside / "filler").unlink()
        until(lambda: "telemetry.written" in node.log())
        uplinked = node.ground("uplink", str(tmp_path / "big"), "board:big")
        assert uplinked.returncode == 0, uplinked.stderr
        assert (inside / "files" / "big").read_bytes() == bytes(3_000_000)
        told = node.ground("events", "board", "--text", "telemetry.")
        assert "telemetry.unwritable" in told.stdout
        assert "telemetry.written" in told.stdout
        assert node.end() == 0


def fill(file: Path) -> None:
    with file.open("wb", buffering=0) as stream:
        try:
            while True:
                stream.write(bytes(4096))
        except OSError:
            return
