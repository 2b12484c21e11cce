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
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from heliograph.core import HeliographError
from heliograph.link.archive import SqliteArchive
from heliograph.link.command import Answer, Command, Stage, StageReport
from heliograph.link.commander import Commander, outcome
from heliograph.link.discovery import find_node
from heliograph.link.event import Event, Severity
from heliograph.link.keys import PrivateKey
from heliograph.link.message import decode
from heliograph.link.sequence.run import step_command_id
from heliograph.link.settings import LinkSettings
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
health_interval_s = 0.1
events_kept = 1000000
"""
SEQUENCE_EVERY = 5
PINGS = "R00:00:00.3 node.ping\n" * 6
FILE_BYTES = 1_500_000
DRAIN_S = 90.0
# A radio's bad hour, short: some of it lost, late, twice and overtaken.
WEATHER = PathModel(shortest_ns=2_000_000, longest_ns=20_000_000, duplicated=0.02, lost=0.05)


class Program:
    """A program of the ground, with words that depend on how often it ended well; started anew whenever it ended."""

    def __init__(self, words: Callable[[int], list[str]], environment: dict[str, str], log: Path) -> None:
        self.done = 0
        self._words, self._environment, self._log = words, environment, log
        self._process: subprocess.Popen[bytes] | None = None
        self._ending = threading.Event()
        self._killed = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def kill(self) -> None:
        """Kill it wherever it is; it is started anew."""
        if self._process is not None:
            self._process.kill()

    def end(self, timeout_s: float) -> None:
        """Let it come to its end, and begin no other."""
        self._ending.set()
        self._thread.join(timeout_s)
        assert not self._thread.is_alive(), self._log.read_text()[-3000:]

    def end_now(self) -> None:
        """Kill it for good."""
        self._killed.set()
        self.kill()
        self._thread.join(10)

    def _run(self) -> None:
        with self._log.open("ab") as log:
            while not self._killed.is_set():
                words = [PROGRAM, *self._words(self.done)]
                self._process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=log, env=self._environment)
                if self._process.wait() == 0:
                    self.done += 1
                    if self._ending.is_set():
                        return


class Commands:
    """Sends commands one after the other for as long as it is let, through whatever befalls the link."""

    def __init__(self, node: NodeProcess, connect: str) -> None:
        self.sent: Counter[str] = Counter()
        self._bus = open_bus(LinkSettings(mode="router", listen=(), connect=(connect,)))
        self._key = PrivateKey.read(node.key_file)
        # One folder for all programs that share a key.
        self._commander = Commander(self._bus, self._key, node.folder / "ground" / "heliograph" / "counters")
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        self._thread.join(60)
        assert not self._thread.is_alive()

    def ask(self, command: str, /, **arguments: Any) -> Any:
        """Send one command, now that nothing befalls the link any more, and give its result."""
        node = find_node(self._bus, "board", timeout_s=20)
        return outcome(self._commander.send(node, command, arguments, user="soak", timeout_s=20))

    def close(self) -> None:
        self._bus.close()

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                report = self._send("camera.grab", camera="cam-1")
                self.sent[report.stage.value] += 1
                if sum(self.sent.values()) % SEQUENCE_EVERY == 1:
                    # Refused while it runs.
                    self._send("sequence.load", name="pings", text=PINGS)
                    self._send("sequence.start", name="pings", on_failure="continue", grace=3600)
            except HeliographError as error:
                self.sent[type(error).__name__] += 1

    def _send(self, command: str, /, **arguments: Any) -> StageReport:
        node = find_node(self._bus, "board", timeout_s=2)
        return self._commander.send(node, command, arguments, user="soak", timeout_s=20)


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
        up, down = content(tmp_path, dice), content(tmp_path, dice)
        (node.state / "files" / "down.bin").write_bytes(down.read_bytes())

        def program(name: str, words: Callable[[int], list[str]]) -> Program:
            return Program(words, environment, tmp_path / name)

        archive = tmp_path / "archive.sqlite"
        collector = program("collector", lambda _: ["telemetry", "board", "--follow", "--archive", str(archive)])
        uplink = program("uplink", lambda count: ["uplink", str(up), f"board:up/{count}.bin", "--rate", "8"])
        downlink = program("downlink", lambda count: ["downlink", "board:down.bin", str(tmp_path / f"{count}.bin")])
        commands = Commands(node, connect)
        blows: dict[str, Callable[[], None]] = {
            "node killed": lambda: restarted(node),
            "collector killed": collector.kill,
            "uplink killed": uplink.kill,
            "downlink killed": downlink.kill,
            "link cut": bus.cut,
            "link cut at a byte": lambda: bus.cut_after(dice.randrange(20_000), to_target=dice.random() < 0.5),
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
        # When all is calm again everything works.
        commands.ask("sequence.load", name="last", text=PINGS)
        commands.ask("sequence.start", name="last")
        told = commands.ask("camera.grab", camera="cam-1")
        until(lambda: all(run["state"] != "running" for run in commands.ask("sequence.list")["runs"]), "sequences")
        picture = tmp_path / "picture.png"
        fetched = node.ground("downlink", f"board:{told['path']}", str(picture))
        assert fetched.returncode == 0, fetched.stderr
        assert sha256(picture) == told["sha256"]
        transfers = commands.ask("files.transfers")
        commands.close()
        happened = events_on_board(node)
        until(lambda: happened.keys() <= events_on_the_ground(archive).keys(), "events")
        until(lambda: blocks_waiting(node) < 50, "telemetry")
        collector.end_now()
        check_files(node, tmp_path, up, down, uplink.done, downlink.done, transfers)
        print(f"{dict(struck)}; commands {dict(commands.sent)}; up {uplink.done}, down {downlink.done}")
        check_commands(node, commands.sent)
        check_sequences(node)
        check_archive(node, archive)


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


def until(condition: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + DRAIN_S
    while not condition():
        assert time.monotonic() < deadline_s, f"{what}: still under way after {DRAIN_S} s"
        time.sleep(0.2)


def rows(file: Path, statement: str) -> list[Any]:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=10)) as database:
        return database.execute(statement).fetchall()


def blocks_waiting(node: NodeProcess) -> int:
    [(waiting,)] = rows(node.state / "telemetry" / "spool.sqlite", "SELECT count(*) FROM block")
    return int(waiting)


def check_files(node: NodeProcess, folder: Path, up: Path, down: Path, ups: int, downs: int, transfers: Any) -> None:
    assert ups
    assert downs
    for count in range(ups):
        assert sha256(node.state / "files" / "up" / f"{count}.bin") == sha256(up)
    for count in range(downs):
        assert sha256(folder / f"{count}.bin") == sha256(down)
    left = [each.name for each in (node.state / "files").rglob("*") if each.name.startswith(".")]
    assert not left, f"parts of files that ended remain: {transfers}"
    # One may be asked for anew at the very moment when it arrives; that is taken back.
    good = {("receiving", "completed"), ("sending", "completed"), ("sending", "cancelled")}
    assert [each for each in transfers if (each["role"], each["state"]) not in good] == []


def check_commands(node: NodeProcess, sent: Counter[str]) -> None:
    stages = stages_of_commands(node)
    for id, (_, reports) in stages.items():
        names = [report.stage for report in reports]
        assert names.count(Stage.STARTED) <= 1, id
        assert names[-1].final, id
        assert [report.number for report in reports] == list(range(1, len(names) + 1))
    grabs = [[report.stage for report in reports] for name, reports in stages.values() if name == "camera.grab"]
    assert len(grabs) > sent[Stage.COMPLETED.value]
    # One picture each: a second run would have made another.
    pictures = list((node.state / "files" / "pictures").glob("*.png"))
    completed = sum(names[-1] is Stage.COMPLETED for names in grabs)
    assert completed <= len(pictures) <= sum(Stage.STARTED in names for names in grabs)
    # What happened is also told once.
    told = Counter(event.arguments["id"] for event in events_on_board(node).values() if event.name == "command.started")
    assert max(told.values()) == 1
    assert set(told) <= set(stages)


def check_sequences(node: NodeProcess) -> None:
    """Every step was begun once at most, and after those before it."""
    begun: dict[str, list[int]] = {}
    ends: Counter[str] = Counter()
    for event in sorted(events_on_board(node).values(), key=lambda each: each.boot_time_ns):
        if event.name == "sequence.step" and event.arguments["state"] == "running":
            begun.setdefault(event.arguments["run"], []).append(event.arguments["step"])
        elif event.name == "sequence.step":
            ends[event.arguments["state"]] += 1
    print(f"sequences {len(begun)}, their steps {dict(ends)}")
    assert ends["completed"]
    for run, steps in begun.items():
        assert steps == sorted(set(steps)), run
    stages = stages_of_commands(node)
    for run, name, number, state in rows(
        node.state / "sequences.db", "SELECT run.id, name, step.number, step.state FROM step JOIN run ON run.id = run"
    ):
        _, reports = stages.get(step_command_id(run, number), ("", ()))
        completed = [report.stage for report in reports][-1:] == [Stage.COMPLETED]
        # The node may have died between the command's end and the step's.
        assert completed or state != "completed", (name, number)
        assert not completed or state in ("completed", "interrupted"), (name, number)


def check_archive(node: NodeProcess, file: Path) -> None:
    """From 1 on without a gap, for each run of the node and each stream; a number is there once, as it is the key."""
    series = rows(file, "SELECT id, node, boot, stream FROM series")
    assert {stream for *_, stream in series} >= {"health", "events", "drone.attitude"}
    for number, _, boot, stream in series:
        table = "event" if stream == "events" else "sample"
        span = f"FROM {table} WHERE id >> 40 = {number}"
        [(count, last)] = rows(file, f"SELECT count(*), max(id & ((1 << 40) - 1)) {span}")
        assert count == last, f"{stream} of {boot}: {count} of {last}"
    with SqliteArchive(file) as kept:
        for _, id, boot, stream in series:
            assert not kept.gaps(id, boot, stream), (boot, stream)
    on_board = events_on_board(node)
    for at, event in events_on_the_ground(file).items():
        assert on_board[at] == event


def events_on_board(node: NodeProcess) -> dict[tuple[str, int], Event]:
    """Give the board's own archive of events, by run of the node and number."""
    found = rows(node.state / "telemetry" / "events.sqlite", "SELECT boot, sequence, content FROM event")
    return {(boot, number): msgspec.msgpack.decode(content, type=Event) for boot, number, content in found}


def events_on_the_ground(file: Path) -> dict[tuple[str, int], Event]:
    found = rows(
        file,
        "SELECT boot, event.id & ((1 << 40) - 1), boot_time_ns, severity, name, message, arguments"
        " FROM event JOIN series ON series.id = event.id >> 40",
    )
    return {
        (boot, number): Event(
            boot_time_ns=time_ns,
            severity=list(Severity)[severity],
            name=name,
            message=message,
            arguments=msgspec.msgpack.decode(arguments),
        )
        for boot, number, time_ns, severity, name, message, arguments in found
    }


def stages_of_commands(node: NodeProcess) -> dict[str, tuple[str, tuple[StageReport, ...]]]:
    """Give the whole journal of commands, by id: their names and stages."""
    found = rows(node.state / "journal.db", "SELECT id, command, stages FROM commands JOIN outcomes USING (number)")
    return {
        id: (
            decode(command, Command).name,
            decode(stages, Answer).stages,
        )
        for id, command, stages in found
    }


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
