"""`heliograph events` with a board on a real link."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from math import inf
from pathlib import Path
from typing import Any

import msgspec
import pytest

from heliograph.cli.exit_code import ExitCode
from heliograph.link.archive import SqliteArchive
from heliograph.link.event import Event, Severity
from heliograph.link.keys import PrivateKey
from heliograph.link.settings import PORT, LinkSettings
from heliograph.link.trust import Trust
from heliograph.link.zenoh import open_bus
from heliograph.node.telemetry import Telemetry
from heliograph.testing.addresses import loopback_address
from heliograph.testing.blocks import NODE, events_block
from heliograph.testing.telemetry_board import telemetry_board

Program = Callable[..., Any]


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Telemetry]:
    with loopback_address() as address, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HELIOGRAPH_CONNECT", f"tcp/{address}:{PORT}")
        bus = open_bus(LinkSettings(listen=(f"tcp/{address}:{PORT}",)))
        folder = tmp_path_factory.mktemp("telemetry")
        try:
            with telemetry_board(bus, folder, PrivateKey.generate(), Trust([], None)) as telemetry:
                telemetry.emit(Severity.WARNING, "camera.lost", "cam-1 is \x1b[2Jgone", camera="cam-1", frames=7)
                telemetry.emit(Severity.DIAGNOSTIC, "camera.found", "cam-1 is there")
                yield telemetry
        finally:
            bus.close()


def test_a_line_for_each_the_newest_last(program: Program, board: Telemetry) -> None:
    lines = program("events", "cam-1").out.splitlines()
    assert [line.split()[2:4] for line in lines[-2:]] == [["warning", "camera.lost"], ["diagnostic", "camera.found"]]
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d warning    camera\.lost {8}cam-1 is \ufffd\[2Jgone",
        lines[-2],
    )
    assert len(program("events", "cam-1", "--limit", "1").out.splitlines()) == 1


def test_only_the_severe_and_those_with_a_word(program: Program, board: Telemetry) -> None:
    assert len(program("events", "cam-1", "--severity", "WARNING").out.splitlines()) == 1
    assert program("events", "cam-1", "--text", "FOUND").out.split()[3] == "camera.found"
    assert program("events", "cam-1", "--text", "nothing like it").out == ""


def test_programs_get_the_arguments(program: Program, board: Telemetry) -> None:
    (line,) = program("events", "cam-1", "--severity", "warning", "--json").out.splitlines()
    event = json.loads(line)
    assert (event["name"], event["arguments"]) == ("camera.lost", {"camera": "cam-1", "frames": 7})


def test_following_begins_with_what_was(board: Telemetry) -> None:
    command = [sys.executable, "-c", "from heliograph.cli import main; main()"]
    command += ["events", "cam-1", "--follow", "--text", "cam-", "--severity", "activity"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stdout
        assert "camera.lost" in process.stdout.readline()
        board.emit(Severity.DIAGNOSTIC, "camera.detail", "cam-2 too little to be told")
        board.emit(Severity.ALARM, "engine.hot", "not about cameras")
        board.emit(Severity.ACTIVITY, "camera.found", "cam-2 is there")
        assert "cam-2 is there" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        assert process.stdout.read() == ""


def test_following_goes_on_with_what_was_missed_when_the_node_is_back(tmp_path: Path) -> None:
    """A node that restarts tells of it before anybody hears it again."""
    key, patience_s = PrivateKey.generate(), 20
    with loopback_address() as address:
        endpoint = f"tcp/{address}:{PORT}"

        def node(happening: str) -> Iterator[None]:
            bus = open_bus(LinkSettings(listen=(endpoint,)))
            with closing(bus), telemetry_board(bus, tmp_path, key, Trust([], None)) as telemetry:
                telemetry.emit(Severity.WARNING, "node.test", happening)
                yield

        command = [
            sys.executable,
            "-c",
            "from heliograph.cli import main; main()",
            "events",
            key.public.hex,
            "--follow",
        ]
        environment = {**os.environ, "HELIOGRAPH_CONNECT": endpoint}
        running = contextmanager(node)
        with ExitStack() as resources:
            first = resources.enter_context(ExitStack())
            first.enter_context(running("it is up"))
            process = resources.enter_context(
                subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
            )
            resources.callback(process.kill)
            assert process.stdout
            watchdog = threading.Timer(patience_s, process.kill)
            resources.callback(watchdog.cancel)
            watchdog.start()
            while "it is up" not in (line := process.stdout.readline()):
                assert line
            first.close()
            while "is gone: its program ended or the link is cut" not in (line := process.stdout.readline()):
                assert line
            resources.enter_context(running("it is up again"))
            while "it is up again" not in (line := process.stdout.readline()):
                assert line


def test_from_an_archive(program: Program, tmp_path: Path) -> None:
    file = tmp_path / "archive.sqlite"
    with SqliteArchive(file) as archive:
        archive.store([events_block(1, (Severity.ALARM, "a", "first"), (Severity.ALARM, "b", "second"))])
    lines = program("events", NODE[:4], "--archive", str(file)).out.splitlines()
    assert [line.split()[-1] for line in lines] == ["first", "second"]


def test_arguments_that_json_knows_not_are_told_all_the_same(program: Program, tmp_path: Path) -> None:
    """Who else than a node of ours would send them."""
    event = Event(
        boot_time_ns=1,
        severity=Severity.ALARM,
        name="a",
        message="first",
        arguments={"odd": msgspec.msgpack.Ext(5, b"x"), "infinite": inf},
    )
    with SqliteArchive(tmp_path / "archive.sqlite") as archive:
        block = events_block(1, (Severity.ALARM, "a", "first"))
        archive.store([msgspec.structs.replace(block, rows=msgspec.msgpack.encode([event]))])
    ended = program("events", NODE[:4], "--archive", str(tmp_path / "archive.sqlite"), "--json")
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["arguments"]["infinite"] is None


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("--severity", "loud"), ExitCode.BAD_VALUE, "no severity 'loud': there are diagnostic, activity"),
        (("--follow", "--archive", "a.sqlite"), ExitCode.BAD_VALUE, "telemetry NODE --follow --archive FILE collects"),
        (("--archive", "a.sqlite"), ExitCode.NOT_FOUND, "no archive a.sqlite"),
        (("--limit", "0"), ExitCode.USAGE, "--limit"),
    ],
)
def test_what_cannot_be_is_told_in_a_line(program: Program, words: tuple[str, ...], code: ExitCode, told: str) -> None:
    ended = program("events", "cam-1", *words)
    assert (ended.code, ended.out) == (code, "")
    assert told in ended.err
    assert ended.err.count("\n") == 1
