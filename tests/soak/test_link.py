"""Board, ground and the link between them are killed and cut again and again: nothing acknowledged is lost, no command
runs twice, every file arrives whole.
"""

from __future__ import annotations

import hashlib
import random
import sqlite3
import subprocess
import sysconfig
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from heliograph.core import HeliographError
from heliograph.link.archive import SqliteArchive
from heliograph.link.command import Journal, JournalRequest, Stage
from heliograph.link.commander import Commander
from heliograph.link.discovery import find_node
from heliograph.link.keys import PrivateKey
from heliograph.link.message import decode, encode
from heliograph.link.settings import LinkSettings
from heliograph.link.topic import JOURNAL, topic
from heliograph.link.zenoh import open_bus
from heliograph.sim.net import PathModel
from heliograph.testing.addresses import loopback_address
from heliograph.testing.node import NodeProcess
from heliograph.testing.tcp_relay import TcpRelay
from heliograph.testing.udp_relay import UdpRelay

PROGRAM = str(Path(sysconfig.get_path("scripts")) / "heliograph")
TABLES = """
[[camera]]
name = "cam-1"
url = "sim://bench"
features = { Width = 64, Height = 48, PixelFormat = "Mono8" }
[[vehicle]]
name = "drone"
kind = "sim"
[telemetry]
health_interval_s = 0.05
"""
FILE_BYTES = 1_500_000
DRAIN_S = 90.0
# A radio's bad hour, short: some of it lost, late, twice and overtaken.
WEATHER = PathModel(shortest_ns=2_000_000, longest_ns=20_000_000, duplicated=0.02, lost=0.05)


class Errand:
    """A program of the ground that is started again until it has ended well; it may be killed meanwhile."""

    def __init__(self, words: Callable[[int], list[str]], environment: dict[str, str], log: Path) -> None:
        self._words, self._environment, self._log = words, environment, log
        self.done = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()

    def end(self, timeout_s: float) -> None:
        """Let the present one come to its end, and begin no other."""
        self._ended.set()
        self._thread.join(timeout_s)
        assert not self._thread.is_alive(), self._log.read_text()[-3000:]

    def _run(self) -> None:
        with self._log.open("ab") as log:
            while not self._ended.is_set():
                words = [PROGRAM, *self._words(self.done)]
                while True:
                    self._process = subprocess.Popen(words, stdout=log, stderr=log, env=self._environment)
                    if self._process.wait() == 0:
                        break
                self.done += 1


class Collector:
    """`heliograph telemetry board --follow --archive FILE`, killed and started again."""

    def __init__(self, words: list[str], environment: dict[str, str], log: Path) -> None:
        self._words, self._environment, self._log = words, environment, log
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._words, stdout=subprocess.DEVNULL, stderr=log, env=self._environment)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def again(self) -> None:
        self.kill()
        self.start()


class Commands:
    """Sends commands one after the other for as long as it is let, through whatever befalls the link."""

    def __init__(self, node: NodeProcess, connect: str) -> None:
        self.sent: Counter[str] = Counter()
        self._node = node
        self._bus = open_bus(LinkSettings(mode="router", listen=(), connect=(connect,)))
        self._key = PrivateKey.read(node.key_file)
        self._commander = Commander(self._bus, self._key, node.folder / "counters")
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        self._thread.join(60)
        assert not self._thread.is_alive()

    def journal(self) -> Journal:
        """What the node knows of commands."""
        node = find_node(self._bus, "board", timeout_s=20)
        [(_, answer)] = self._bus.ask(topic(node.id, JOURNAL), encode(JournalRequest(limit=100_000)), timeout_s=20)
        return decode(answer, Journal)

    def close(self) -> None:
        self._bus.close()

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                node = find_node(self._bus, "board", timeout_s=2)
                report = self._commander.send(node, "camera.grab", {"camera": "cam-1"}, user="soak", timeout_s=20)
                self.sent[report.stage.value] += 1
            except HeliographError as error:
                self.sent[type(error).__name__] += 1


@contextmanager
def mission(folder: Path, seed: int) -> Iterator[tuple[NodeProcess, TcpRelay, UdpRelay]]:
    """A node behind two relays, so that what the ground says and hears can be cut."""
    with ExitStack() as resources:
        address = resources.enter_context(loopback_address())
        bus = resources.enter_context(TcpRelay((address, 7447)))
        files = resources.enter_context(UdpRelay((address, 7448), WEATHER, seed))
        node = NodeProcess(folder, address, TABLES, files_address=f"{files.address[0]}:{files.address[1]}")
        resources.callback(node.kill)
        node.start()
        yield node, bus, files


def test_nothing_is_lost_and_nothing_happens_twice(length: Any, tmp_path: Path) -> None:
    dice = random.Random(length.seed)
    with mission(tmp_path, length.seed) as (node, bus, files):
        connect = f"tcp/{bus.address[0]}:{bus.address[1]}"
        environment = node.environment() | {"HELIOGRAPH_CONNECT": connect}
        archive = tmp_path / "archive.sqlite"
        collector = Collector(
            [PROGRAM, "telemetry", "board", "--follow", "--archive", str(archive)], environment, tmp_path / "collector"
        )
        up, down = content(tmp_path, dice), content(tmp_path, dice)
        (node.state / "files" / "down.bin").write_bytes(down.read_bytes())
        uplink = Errand(
            lambda count: ["uplink", str(up), f"board:up/{count}.bin", "--rate", "8"], environment, tmp_path / "uplink"
        )
        downlink = Errand(
            lambda count: ["downlink", "board:down.bin", str(tmp_path / f"{count}.bin")],
            environment,
            tmp_path / "downlink",
        )
        commands = Commands(node, connect)
        blows: dict[str, Callable[[], None]] = {
            "node killed": lambda: restarted(node),
            "collector killed": collector.again,
            "uplink killed": uplink.kill,
            "downlink killed": downlink.kill,
            "link cut": bus.cut,
            "link dead for a while": lambda: outage(bus, files, dice.uniform(0.1, 4.0)),
        }
        struck: Counter[str] = Counter()
        for _ in range(length.kills):
            # At any moment: this is the dice, and waits for nothing.
            time.sleep(dice.uniform(0.05, 1.5))
            blow = dice.choice(list(blows))
            struck[blow] += 1
            blows[blow]()
        commands.end()
        uplink.end(120)
        downlink.end(120)
        drained(node, environment)
        journal = commands.journal()
        commands.close()
        collector.kill()
        spent = f"{dict(struck)}; commands {dict(commands.sent)}; up {uplink.done}, down {downlink.done}"
        print(spent)
        check_files(node, tmp_path, up, down, uplink.done, downlink.done)
        check_commands(node, journal, commands.sent)
        check_archive(archive)


def content(folder: Path, dice: random.Random) -> Path:
    file = folder / f"{dice.getrandbits(32):08x}.content"
    file.write_bytes(dice.randbytes(FILE_BYTES))
    return file


def restarted(node: NodeProcess) -> None:
    node.kill()
    node.start()


def outage(bus: TcpRelay, files: UdpRelay, duration_s: float) -> None:
    bus.stall()
    files.stall()
    time.sleep(duration_s)
    bus.resume()
    files.resume()


def drained(node: NodeProcess, environment: dict[str, str]) -> None:
    """Wait until the archive has acknowledged all but what was measured just now."""
    deadline_s = time.monotonic() + DRAIN_S
    database = node.state / "telemetry" / "spool.sqlite"
    while True:
        with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as spool:
            [(waiting,)] = spool.execute("SELECT count(*) FROM block")
        if waiting < 50:
            return
        assert time.monotonic() < deadline_s, f"{waiting} blocks wait still; {node.log()[-2000:]}"
        time.sleep(0.2)


def check_files(node: NodeProcess, folder: Path, up: Path, down: Path, ups: int, downs: int) -> None:
    assert ups
    assert downs
    for count in range(ups):
        assert sha256(node.state / "files" / "up" / f"{count}.bin") == sha256(up)
    for count in range(downs):
        assert sha256(folder / f"{count}.bin") == sha256(down)
    left = [each.name for each in (node.state / "files").rglob("*") if each.name.startswith(".")]
    assert not left, "parts of files that ended remain"


def check_commands(node: NodeProcess, journal: Journal, sent: Counter[str]) -> None:
    grabs = [entry for entry in journal.entries if entry.command.name == "camera.grab"]
    assert len(grabs) >= sent[Stage.COMPLETED.value] > 0
    for entry in grabs:
        stages = [report.stage for report in entry.stages]
        assert stages.count(Stage.STARTED) <= 1, entry
        assert stages[-1].final, entry
        assert [report.number for report in entry.stages] == list(range(1, len(stages) + 1))
    # One picture each: a second run would have made another.
    pictures = list((node.state / "files" / "pictures").glob("*.png"))
    started = [entry for entry in grabs if Stage.STARTED in [report.stage for report in entry.stages]]
    completed = [entry for entry in grabs if entry.stages[-1].stage is Stage.COMPLETED]
    assert len(completed) <= len(pictures) <= len(started)


def check_archive(file: Path) -> None:
    """From 1 on without a gap, for each run of the node and each stream; a number is there once, as it is the key."""
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as archive:
        series = archive.execute("SELECT id, node, boot, stream FROM series").fetchall()
        assert {stream for *_, stream in series} >= {"health", "events", "drone.attitude"}
        for number, _, boot, stream in series:
            table = "event" if stream == "events" else "sample"
            span = f"FROM {table} WHERE id >> 40 = {number}"
            [(count, last)] = archive.execute(f"SELECT count(*), max(id & ((1 << 40) - 1)) {span}").fetchall()
            assert count == last, f"{stream} of {boot}: {count} of {last}"
    with SqliteArchive(file) as kept:
        for _, node, boot, stream in series:
            assert not kept.gaps(node, boot, stream), (boot, stream)


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
