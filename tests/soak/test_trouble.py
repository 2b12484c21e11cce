"""A node whose clock is set by hours, and one whose disk is full: each goes on, and keeps what it promised."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from heliograph.core import CommandRefusedError
from heliograph.link.commander import Commander, outcome
from heliograph.link.discovery import Node, find_node
from heliograph.link.event import Event, EventsRequest
from heliograph.link.follow import events_on_board, newest_of
from heliograph.link.keys import PrivateKey
from heliograph.link.settings import LinkSettings
from heliograph.link.zenoh import open_bus
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


class Ground:
    """The ground of a node, in the test's own process: a program for each question would take seconds."""

    def __init__(self, node: NodeProcess) -> None:
        self.bus = open_bus(LinkSettings(mode="router", listen=(), connect=(node.connect,)))
        self._commander = Commander(self.bus, PrivateKey.read(node.key_file), node.folder / "counters")

    def node(self) -> Node:
        return find_node(self.bus, "board", timeout_s=20)

    def send(self, command: str, /, **arguments: Any) -> Any:
        return outcome(self._commander.send(self.node(), command, arguments, user="soak", timeout_s=20))

    def events(self, text: str) -> list[Event]:
        found = events_on_board(self.bus, self.node().id, EventsRequest(limit=1000, text=text))
        return [each.event for each in found]

    def close(self) -> None:
        self.bus.close()


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
            # Without a cache every look at a clock reads the file, and the node has no processor left.
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        node.start()
        yield node, offset.write_text


@pytest.mark.parametrize("step", ["-5h", "+7h"])
def test_a_clock_that_is_set_by_hours_changes_no_order(
    stepped: tuple[NodeProcess, Callable[[str], object]], step: str
) -> None:
    node, set_clock = stepped
    with closing(Ground(node)) as ground:
        before = ground.send("node.ping")
        ground.send("sequence.load", name="a", text="R00:00:02 node.ping\nR00:00:01 node.ping\n")
        ground.send("sequence.start", name="a")
        set_clock(step)

        def hours() -> int:
            wall_time_ns: int = ground.send("node.ping")["wall_time_ns"]
            stepped_ns: int = wall_time_ns - before["wall_time_ns"]
            return round(stepped_ns / 3.6e12)

        until(lambda: hours() == int(step[:-1]))
        after = ground.send("node.ping")
        assert 0 < after["boot_time_ns"] - before["boot_time_ns"] < 60e9
        until(lambda: "sequence.completed" in [each.name for each in ground.events("sequence")])
        # The steps came when they were due, and not at once or hours late.
        began_ns, *steps_ns = [
            each.boot_time_ns
            for each in ground.events("sequence")
            if each.name == "sequence.started" or "running" in each.message
        ]
        assert [round((each_ns - began_ns) / 1e9) for each_ns in steps_ns] == [2, 3]
        now_ns, newest = newest_of(ground.bus, ground.node().id)
        assert newest
        assert all(now_ns - each.boot_times_ns[-1] < 10e9 for each in newest)
        node.kill()
        node.start()
        assert ground.send("node.ping")["uptime_s"] < 30


def test_a_full_disk_is_told_and_the_node_goes_on(tmp_path: Path) -> None:
    with board(tmp_path) as node:
        node.state.mkdir()
        node.before = mount_command(node.state, DISK_MB)
        node.start()
        inside = Path(f"/proc/{node.pid}/root{node.state}")
        fill(inside / "filler")
        # The journal has room in reserve; a command that it could not keep would be refused, and not run.
        with closing(Ground(node)) as ground, suppress(CommandRefusedError):
            ground.send("node.ping")
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
        with closing(Ground(node)) as ground:
            told = {each.name for each in ground.events("telemetry.")}
        assert told >= {"telemetry.unwritable", "telemetry.written"}
        assert node.end() == 0


def fill(file: Path) -> None:
    with file.open("wb", buffering=0) as stream:
        try:
            while True:
                stream.write(bytes(4096))
        except OSError:
            return
