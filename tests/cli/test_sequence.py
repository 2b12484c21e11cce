import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from heliograph.link.dictionary import Argument, CommandDefinition, Dictionary, Hazard
from heliograph.link.keys import PrivateKey
from heliograph.link.sequence import write_dictionary
from heliograph.node.program import Node
from heliograph.node.settings import parse
from heliograph.testing.addresses import loopback_address

DICTIONARY = Dictionary(
    commands=(
        CommandDefinition(name="node.ping", description="Answer."),
        CommandDefinition(
            name="camera.set",
            description="Set.",
            arguments=(Argument(name="exposure", type="number", minimum=1, maximum=100, unit="us"),),
        ),
        CommandDefinition(name="vehicle.arm", description="Starts the motors.", hazard=Hazard.HAZARDOUS),
    )
)
Write = Callable[[str], str]
Program = Callable[..., Any]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Give a function that writes a sequence and gives the name of its file."""

    def write(text: str) -> str:
        (tmp_path / "flight.seq").write_text(text, encoding="utf-8")
        return str(tmp_path / "flight.seq")

    return write


@pytest.fixture
def dictionary(tmp_path: Path) -> str:
    write_dictionary(tmp_path / "node.json", DICTIONARY)
    return str(tmp_path / "node.json")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """Run a node without cameras, and give the options by which it is reached."""
    folder = tmp_path_factory.mktemp("node")
    ground, board = PrivateKey.generate(), PrivateKey.generate()
    ground.write(folder / "ground.key")
    board.write(folder / "node.key")
    with loopback_address() as address:
        text = f"""
        name = "bench"
        [link]
        listen = ["tcp/{address}:7447"]
        [files]
        listen = "{address}:7448"
        [telemetry]
        health_interval_s = 0
        [[trust]]
        key = "{ground.public.text()}"
        role = "operator"
        [[vehicle]]
        name = "drone"
        kind = "latch"
        """
        with Node(parse(text, folder / "node.toml"), folder, folder / "state"):
            yield ["--connect", f"tcp/{address}:7447", "--key", str(folder / "ground.key")]


def test_a_sequence_without_mistakes(program: Program, write: Write, dictionary: str) -> None:
    file = write("R00:00:01 node.ping ; hello\n")
    ended = program("sequence", "check", file, "--dictionary", dictionary)
    assert (ended.code, ended.out, ended.err) == (0, f"{file}: 1 steps, no mistake\n", "")
    assert "commands were not checked: give --node or --dictionary" in program("sequence", "check", file).out


def test_every_mistake_is_shown_at_its_place(program: Program, write: Write, dictionary: str) -> None:
    file = write("R00:00:01 node.pong\nnode.ping\nR00:00:00 node.ping\nR00:00:01 camera.set 500\n")
    ended = program("sequence", "check", file, "--dictionary", dictionary)
    assert (ended.code, ended.out) == (5, "")
    assert re.findall(r"flight\.seq:(\d+:\d+): (.{20})", ended.err) == [
        ("1:11", "the node has no comm"),
        ("2:1", "a time belongs first"),
        ("4:22", "camera.set: exposure"),
    ]
    assert "  R00:00:01 camera.set 500\n                       ^\n" in ended.err
    assert ended.err.endswith(f"heliograph: 3 mistakes in {file}: mend what is shown above\n")


def test_a_second_look_is_asked_for_and_is_no_mistake(program: Program, write: Write, dictionary: str) -> None:
    file = write("A2020-001T00:00:00 node.ping\nR00:00:00 vehicle.arm\n")
    ended = program("sequence", "check", file, "--dictionary", dictionary)
    assert ended.code == 0
    assert f"warning: {file}:1:1: started now, this step is not run: late by" in ended.err
    assert f"warning: {file}:2:11: vehicle.arm is hazardous: Starts the motors." in ended.err


def test_the_timetable(program: Program, write: Write, dictionary: str) -> None:
    file = write("R00:00:01 node.ping\nR00:00:05 camera.set 5\nA2024-002T00:00:00 node.ping")
    words = ("sequence", "simulate", file, "--dictionary", dictionary, "--start", "2024-01-01T00:00:00Z")
    table = program(*words).out
    assert "2024-01-01T00:00:01.000Z" in table
    assert "after completion of step 1 + 00:00:05 (not before 2024-01-01T00:00:06.000Z)" in table
    assert "the steps before may take 86394 s" in table
    rows = json.loads(program(*words, "--duration", "node.ping=2", "--duration", "camera.set=0", "--json").out)
    assert [(row["step"], row["line"], row["exact"], row["when"]) for row in rows] == [
        (1, 1, True, "2024-01-01T00:00:01.000Z"),
        (2, 2, True, "2024-01-01T00:00:08.000Z"),
        (3, 3, True, "2024-01-02T00:00:00.000Z"),
    ]
    assert (rows[1]["command"], rows[1]["words"], rows[1]["problem"]) == ("camera.set", ["5"], "")


def test_a_timetable_with_a_conflict_ends_with_its_own_status(program: Program, write: Write) -> None:
    file = write("R00:00:30 a\nA2024-001T00:00:10 b\nR00:00:01 c\n")
    ended = program("sequence", "simulate", file, "--start", "2024-01-01T00:00:00Z")
    assert ended.code == 5
    assert "not run: late by 00:00:20" in ended.out
    assert "not reached" in ended.out
    assert ended.err == "heliograph: 2 of 3 steps would not run, the first in line 2\n"
    words = ("--on-failure", "continue", "--grace", "20")
    assert program("sequence", "simulate", file, "--start", "2024-01-01T00:00:00Z", *words).code == 0


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("check", "none.seq"), 3, "there is no file none.seq"),
        (("check", "{folder}"), 5, "Is a directory"),
        (("check", "{raw}"), 5, "is no text in UTF-8 (byte 0)"),
        (("check", "{file}", "--dictionary", "none.json"), 3, "there is no none.json"),
        (("check", "{file}", "--dictionary", "{raw}"), 5, "holds no dictionary"),
        (("check", "{file}", "--dictionary", "{raw}", "--node", "x"), 5, "not both"),
        (("simulate", "{file}", "--start", "noon"), 5, "cannot read the time 'noon'"),
        (("simulate", "{file}", "--duration", "a"), 5, "is no setting: write NAME=VALUE"),
        (("simulate", "{file}", "--duration", "a=nan"), 5, "write COMMAND=SECONDS"),
        (("simulate", "{file}", "--duration", "other=1"), 5, "no step gives other"),
        (("run", "{large}", "bench"), 5, "`heliograph uplink` it"),
        (("run", "{file}", "bench", "--key", "none.key"), 3, "none.key"),
    ],
)
def test_wrong_words_are_one_line(
    program: Program, write: Write, tmp_path: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    places = {"file": write("R00:00:00 a"), "folder": tmp_path, "raw": tmp_path / "raw", "large": tmp_path / "large"}
    (tmp_path / "raw").write_bytes(b"\xff\xff")
    (tmp_path / "large").write_text(";" * 60_001)
    ended = program("sequence", *(word.format(**places) for word in words))
    assert (ended.code, ended.out) == (code, "")
    assert said in ended.err
    assert ended.err.count("\n") == 1


def test_a_sequence_runs_on_a_node_and_each_step_is_told(program: Program, write: Write, node: list[str]) -> None:
    file = write("R00:00:00 node.ping\nR00:00:00.2 cmdDisp.CMD_NO_OP\n")
    ended = program("sequence", "run", file, "bench", "--wait", "--grace", "60", *node)
    assert ended.code == 0, ended.err
    told = [line.partition("sequence flight ")[2] for line in ended.out.splitlines()]
    assert re.fullmatch(r"runs on bench as [0-9a-f]{16}: 2 steps", told[0])
    assert told[1].startswith("started by ")
    assert told[2:] == [
        "step 1 (line 1) node.ping running",
        "step 1 (line 1) node.ping completed",
        "step 2 (line 2) cmdDisp.CMD_NO_OP running",
        "step 2 (line 2) cmdDisp.CMD_NO_OP completed",
        "completed",
    ]


def test_a_run_that_fails_ends_with_its_own_status(program: Program, write: Write, node: list[str]) -> None:
    file = write("R00:00:00 files.delete nothing-here\nR00:00:00 node.ping\n")
    ended = program("sequence", "run", file, "bench", "--wait", "--name", "cleaning", "--grace", "60", *node)
    assert ended.code == 11
    assert "sequence cleaning step 1 (line 1) files.delete failed" in ended.out
    assert "node.ping" not in ended.out
    assert ended.err == "heliograph: sequence cleaning failed\n"


def test_mistakes_are_found_before_anything_is_sent(program: Program, write: Write, node: list[str]) -> None:
    file = write("R00:00:00 node.ping 1\nR00:00:00 node.restart\n")
    ended = program("sequence", "run", file, "bench", *node)
    assert (ended.code, ended.out) == (5, "")
    assert "flight.seq:2:11: node.restart needs the role admin" in ended.err
    assert program("sequence", "check", file, "--node", "bench", *node[:2]).code == 5


def test_a_sequence_with_hazardous_steps_needs_a_yes(program: Program, write: Write, node: list[str]) -> None:
    file = write("R01:00:00 vehicle.arm\n")
    ended = program("sequence", "run", file, "bench", *node)
    assert (ended.code, ended.out) == (5, "")
    assert "nobody is there to be asked: add --yes" in ended.err
    ended = program("sequence", "run", file, "bench", "--yes", *node)
    assert ended.code == 0
    assert program("send", "bench", "sequence.cancel", "flight", *node).code == 0


def test_a_dictionary_is_saved_for_work_without_a_link(
    program: Program, write: Write, node: list[str], tmp_path: Path
) -> None:
    saved = str(tmp_path / "bench.json")
    assert "commands of bench" in program("sequence", "dictionary", "bench", saved, *node[:2]).out
    assert program("sequence", "check", write("R00:00:00 node.ping"), "--dictionary", saved).code == 0
    assert program("sequence", "check", write("R00:00:00 node.pong"), "--dictionary", saved).code == 5
    assert program("sequence", "dictionary", "bench", str(tmp_path / "no" / "x"), *node[:2]).code == 7
