"""`heliograph telemetry` with a board on a real link: newest values, following, collecting, and what was collected."""

from __future__ import annotations

import csv
import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from heliograph.cli.exit_code import ExitCode
from heliograph.link.archive import SqliteArchive
from heliograph.link.channel import Channel, Limits, Stream
from heliograph.link.dictionary import Role
from heliograph.link.keys import PrivateKey
from heliograph.link.settings import PORT, LinkSettings
from heliograph.link.trust import Pin, Trust
from heliograph.link.zenoh import open_bus
from heliograph.node.outlet import Recorder
from heliograph.testing.addresses import loopback_address
from heliograph.testing.blocks import BOOT, NODE, WALL_MINUS_BOOT_NS, block_of
from heliograph.testing.telemetry_board import telemetry_board

Program = Callable[..., Any]

ENGINE = Stream(
    name="engine",
    channels=(
        Channel(name="temperature", unit="degC", limits=Limits(warning_high=80.0, alarm_high=90.0)),
        Channel(name="note", type="text", size_bytes=30),
        Channel(name="on", type="bool"),
    ),
)
OLD = Stream(name="old", channels=(Channel(name="x", type="int64"),), stale_after_s=1.0)


class Board:
    """A node that measures, and the keys of those at the ground."""

    def __init__(self, folder: Path, endpoint: str) -> None:
        self.environment = {**os.environ, "HELIOGRAPH_CONNECT": endpoint, "HELIOGRAPH_KEY": str(folder / "key")}
        self.archive_key, self.stranger = PrivateKey.generate(), PrivateKey.generate()
        self.archive_key.write(folder / "key")
        self.stranger.write(folder / "stranger")
        self.folder = folder
        self.engine: Recorder
        self.spooled: Callable[[], int]

    @contextmanager
    def running(self, *words: str, **options: Any) -> Iterator[subprocess.Popen[str]]:
        """Run the program beside us, to be ended with Ctrl-C."""
        command = [sys.executable, "-c", "from heliograph.cli import main; main()", *words]
        with subprocess.Popen(command, env=self.environment, text=True, **options) as process:
            try:
                yield process
            finally:
                process.kill()


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    folder = tmp_path_factory.mktemp("board")
    with loopback_address() as address, pytest.MonkeyPatch.context() as patch:
        found = Board(folder, f"tcp/{address}:{PORT}")
        patch.setenv("HELIOGRAPH_CONNECT", found.environment["HELIOGRAPH_CONNECT"])
        patch.setenv("HELIOGRAPH_KEY", found.environment["HELIOGRAPH_KEY"])
        trust = Trust([Pin(found.archive_key.public, Role.ARCHIVE, archive=True)], None)
        bus = open_bus(LinkSettings(listen=(found.environment["HELIOGRAPH_CONNECT"],)))
        try:
            with telemetry_board(bus, folder / "telemetry", PrivateKey.generate(), trust) as telemetry:
                found.engine = telemetry.declare(ENGINE)
                found.spooled = telemetry.spooled
                found.engine.sample((85.25, "warm \x1b[2J[red]", True))
                telemetry.declare(OLD).sample((7,), time.clock_gettime_ns(time.CLOCK_BOOTTIME) - 10_900_000_000_000)
                yield found
        finally:
            bus.close()


def test_the_newest_of_every_channel(program: Program, board: Board) -> None:
    ended = program("telemetry", "cam-1")
    assert ended.code == 0, ended.err
    head, _, *rows = ended.out.splitlines()
    assert head.split() == ["channel", "value", "unit", "age", "state"]
    temperature, note, on, old = (row.split() for row in rows)
    assert temperature[:3] == ["engine.temperature", "85.25", "degC"]
    assert temperature[-1] == "warning"
    assert note[1:3] == ["warm", "\ufffd[2J[red]"]
    assert on[:2] == ["engine.on", "true"]
    assert old[:5] == ["old.x", "7", "3", "h", "ago"]
    assert old[-1] == "stale"


def test_programs_get_types_and_states(program: Program, board: Board) -> None:
    found = json.loads(program("telemetry", "cam-1", "engine", "--json").out)
    assert [each["channel"] for each in found] == ["temperature", "note", "on"]
    assert (found[0]["value"], found[0]["state"], found[0]["stale"]) == (85.25, "warning", False)
    assert found[2]["value"] is True
    assert 0 <= found[0]["age_s"] < 60


def test_a_stream_that_is_not_there_is_told_with_those_that_are(program: Program, board: Board) -> None:
    ended = program("telemetry", "cam-1", "motor")
    assert (ended.code, ended.out) == (ExitCode.BAD_VALUE, "")
    assert "no stream 'motor': it has engine, old, spool" in ended.err


def test_following_gives_a_line_for_each_sample(board: Board) -> None:
    with board.running("telemetry", "cam-1", "engine", "--follow", stdout=subprocess.PIPE) as process:
        assert process.stdout
        line = first_line(board, process, (20.5, "two words", False))
        assert line.split(" ", 2)[2] == 'engine temperature=20.5 note="two words" on=false\n'
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0


def first_line(board: Board, process: subprocess.Popen[str], values: tuple[float, str, bool]) -> str:
    """Sample until somebody who follows has seen it."""
    assert process.stdout
    os.set_blocking(process.stdout.fileno(), False)
    while not (line := process.stdout.readline()):
        board.engine.sample(values)
        process.poll()
        assert process.returncode is None
        time.sleep(0.05)
    return line


def test_a_terminal_gets_a_table_that_changes(board: Board) -> None:
    ours, theirs = pty.openpty()
    with board.running("telemetry", "cam-1", "engine", "--follow", stdout=theirs) as process:
        os.close(theirs)
        board.engine.sample((85.0, "warm", True))
        seen = ""
        while "warning" not in seen:
            seen += os.read(ours, 10_000).decode()
        while "99.5" not in seen:
            board.engine.sample((99.5, "hot", True))
            seen += os.read(ours, 10_000).decode()
        while "alarm" not in seen:
            seen += os.read(ours, 10_000).decode()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    os.close(ours)


def test_what_a_small_terminal_has_no_room_for_is_told(board: Board) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 6, 80, 0, 0))
    with board.running("telemetry", "cam-1", "--follow", stdout=theirs) as process:
        os.close(theirs)
        seen = ""
        while "2 more" not in seen:
            board.engine.sample((70.0, "calm", True))
            seen += os.read(ours, 10_000).decode()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    os.close(ours)


def test_collecting_empties_the_spool_and_can_be_read_later(program: Program, board: Board, tmp_path: Path) -> None:
    file = tmp_path / "archive.sqlite"
    words = ("telemetry", "cam-1", "--follow", "--json", "--archive", str(file))
    with board.running(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr
        shown = json.loads(first_line(board, process, (50.0, "calm", True)))
        assert shown["values"] == {"temperature": 50.0, "note": "calm", "on": True}
        deadline_s = time.monotonic() + 20
        while board.spooled():
            assert time.monotonic() < deadline_s
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        assert "samples and events in" in process.stderr.read()
    newest = json.loads(program("telemetry", "cam-1", "--archive", str(file), "--json").out)
    assert [each["value"] for each in newest] == [50.0, "calm", True, 7]
    lines = program("telemetry", "cam-1", "engine", "--archive", str(file), "--from", "2020-01-01").out.splitlines()
    assert lines[0].endswith('temperature=85.25 note="warm \ufffd[2J[red]" on=true')
    assert lines[-1].endswith("engine temperature=50 note=calm on=true")
    events = program("events", "cam-1", "--archive", str(file), "--severity", "warning")
    assert "limit.warning" in events.out


def test_whose_acknowledgements_are_not_heeded_is_told_at_once(board: Board, tmp_path: Path) -> None:
    words = ["telemetry", "cam-1", "--follow", "--archive", str(tmp_path / "archive.sqlite")]
    words += ["--key", str(board.folder / "stranger")]
    with board.running(*words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        assert process.stderr
        line = process.stderr.readline()
    assert line.startswith("cam-1 does not heed our acknowledgements")
    assert f"its archive has the key {board.archive_key.public.short}" in line
    assert board.stranger.public.text() in line


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    file = tmp_path / "archive.sqlite"
    with SqliteArchive(file) as opened:
        opened.name_node(NODE, "cam-1")
        opened.store([block_of(1, 3), block_of(8, 1)], {(NODE, BOOT): WALL_MINUS_BOOT_NS + 1_000_000_000})
    return file


def test_a_table_of_one_stream(program: Program, archive: Path, tmp_path: Path) -> None:
    table = tmp_path / "health.csv"
    ended = program(
        "telemetry", NODE[:6], "health", "--archive", str(archive), "--csv", str(table), "--to", "1760000000.5"
    )
    assert (ended.code, ended.out) == (0, f"3 samples of health are in {table}\n")
    with table.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert rows[1] == {
        "time": "2025-10-09T08:53:20.200000Z",
        "ground_time": "2025-10-09T08:53:21.200000Z",
        "clock_synchronised": "no",
        "boot": BOOT,
        "sequence": "2",
        "boot_time_s": "0.200000000",
        "cpu": "2.0",
        "count": "2",
        "ok": "true",
    }
    assert [row["sequence"] for row in rows] == ["1", "2", "3"]


@pytest.mark.parametrize("year", [1955, 2116])
def test_a_clock_that_was_off_by_decades_hides_no_sample(
    program: Program, archive: Path, tmp_path: Path, year: int
) -> None:
    wall_minus_boot_ns = int((datetime(year, 2, 20) - datetime(1970, 1, 1)).total_seconds()) * 10**9
    with SqliteArchive(archive) as opened:
        opened.store([block_of(1, 2, boot="off", wall_minus_boot_ns=wall_minus_boot_ns)])
    ended = program("telemetry", "cam-1", "health", "--archive", str(archive), "--csv", str(tmp_path / "health.csv"))
    assert ended.out.startswith("6 samples"), ended.err


def test_channels_that_changed_make_two_tables(program: Program, archive: Path, tmp_path: Path) -> None:
    other = Stream(name="health", channels=(Channel(name="cpu"), Channel(name="gpu")))
    with SqliteArchive(archive) as opened:
        opened.store([block_of(1, 1, other, boot="later")])
    ended = program("telemetry", "cam-1", "health", "--archive", str(archive), "--csv", str(tmp_path / "health.csv"))
    assert ended.code == ExitCode.BAD_VALUE
    assert "changed at" in ended.err
    assert [each.name for each in tmp_path.iterdir() if "csv" in each.name] == []


def test_what_is_missing_is_told(program: Program, archive: Path) -> None:
    ended = program("telemetry", "cam-1", "--archive", str(archive))
    assert "health: 4 samples are missing" in ended.err
    assert ended.out.splitlines()[2].split()[:2] == ["health.cpu", "8"]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("cam-1", "--from", "yesterday"), ExitCode.BAD_VALUE, "cannot read the time 'yesterday'"),
        (("cam-1", "--from", ""), ExitCode.BAD_VALUE, "cannot read the time ''"),
        (("cam-1", "--from", "nan"), ExitCode.BAD_VALUE, "out of range"),
        (("cam-1", "--from", "2026-01-02", "--to", "2026-01-01"), ExitCode.BAD_VALUE, "not after"),
        (("cam-1", "motor"), ExitCode.BAD_VALUE, "no stream 'motor': it has health"),
        (("cam-1", "--csv", "x.csv"), ExitCode.BAD_VALUE, "writes one stream"),
        (("cam-1", "health", "--csv", "none/x.csv"), ExitCode.OUTPUT, "cannot write none/x.csv"),
        (("cam-2",), ExitCode.NOT_FOUND, "no node 'cam-2'"),
    ],
)
def test_what_cannot_be_read_is_told_in_a_line(
    program: Program, archive: Path, words: tuple[str, ...], code: ExitCode, told: str
) -> None:
    ended = program("telemetry", *words, "--archive", str(archive))
    assert (ended.code, ended.out) == (code, "")
    assert told in ended.err
    assert ended.err.count("\n") == 1


def test_times_without_an_archive_are_refused(program: Program) -> None:
    ended = program("telemetry", "cam-1", "--from", "2026-01-01")
    assert ended.code == ExitCode.BAD_VALUE
    assert "--archive" in ended.err
