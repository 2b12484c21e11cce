"""`heliograph send` and `heliograph key rotate`, with a board on a real link."""

import getpass
import io
import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from heliograph.core import CommandFailedError
from heliograph.link.command import JournalRequest
from heliograph.link.dictionary import Argument, CommandDefinition, Hazard, Role
from heliograph.link.keys import PrivateKey
from heliograph.link.settings import PORT, LinkSettings
from heliograph.link.trust import Pin, Trust
from heliograph.link.zenoh import open_bus
from heliograph.node.call import Call, Command
from heliograph.testing.addresses import loopback_address
from heliograph.testing.command_board import CommandBoard, command_board

DONE: list[str] = []


def fail(_: Call) -> None:
    raise CommandFailedError("the shutter is stuck")


def count(call: Call) -> Any:
    for number in range(3):
        call.progress(f"picture {number + 1}", (number + 1) / 4)
    return {"taken": call.arguments["pictures"], "by": call.user}


def survey(_: Call) -> Any:
    steps = [{"step": 1, "state": "completed"}, {"step": 2, "state": "late", "reason": "late by 3 s"}]
    return {"name": "pass", "done": True, "steps": steps, "others": []}


def linger(call: Call) -> None:
    if call.cancelled.wait(20):
        raise CommandFailedError("woken")


def fire(_: Call) -> None:
    DONE.append("fired")


COMMANDS = [
    Command(CommandDefinition(name="camera.fail", description="Fails."), fail),
    Command(
        CommandDefinition(
            name="camera.count",
            description="Counts.",
            arguments=(Argument(name="pictures", type="integer", minimum=-5, maximum=9),),
        ),
        count,
    ),
    Command(CommandDefinition(name="camera.survey", description="Surveys."), survey),
    Command(CommandDefinition(name="camera.linger", description="Takes long.", cancellable=True), linger),
    Command(
        CommandDefinition(name="vehicle.fire", description="Fires.", hazard=Hazard.HAZARDOUS, aliases=("FIRE",)), fire
    ),
]


class Place:
    """A board and the files of whoever commands it."""

    def __init__(self, folder: Path) -> None:
        self.key_file, self.operator_file = folder / "key", folder / "operator"
        self.key, operator = PrivateKey.generate(), PrivateKey.generate()
        self.key.write(self.key_file)
        operator.write(self.operator_file)
        pins = [Pin(self.key.public, Role.ADMIN, label="ada"), Pin(operator.public, Role.OPERATOR)]
        self.trust = Trust(pins, folder / "trust.json")
        self.board: CommandBoard


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("board")
    found = Place(folder)
    with loopback_address() as address, pytest.MonkeyPatch.context() as patch:
        endpoint = f"tcp/{address}:{PORT}"
        patch.setenv("HELIOGRAPH_CONNECT", endpoint)
        patch.setenv("HELIOGRAPH_KEY", str(found.key_file))
        bus = open_bus(LinkSettings(listen=(endpoint,)))
        try:
            with command_board(bus, folder, PrivateKey.generate(), found.trust, COMMANDS, name="cam-1") as found.board:
                yield found
        finally:
            bus.close()


Program = Callable[..., Any]


def test_stages_and_the_result_are_printed(program: Program, place: Place) -> None:
    ended = program("send", "cam-1", "camera.count", "-5")
    assert ended.code == 0, ended.err
    *stages, taken, by = ended.out.splitlines()
    words = [line.split()[1] for line in stages]
    assert words[:3] == ["received", "accepted", "started"]
    assert words[-1] == "completed"
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3} received", stages[0])
    assert (taken, by) == ("taken: -5", f"by: {getpass.getuser()}")


def test_every_stage_is_a_line_of_json(program: Program, place: Place) -> None:
    ended = program("send", "cam-1", "cmdDisp.CMD_NO_OP", "--json")
    assert ended.code == 0, ended.err
    stages = [json.loads(line) for line in ended.out.splitlines()]
    assert [each["number"] for each in stages] == list(range(1, len(stages) + 1))
    assert stages[-1]["stage"] == "completed"
    assert stages[-1]["result"]["uptime_s"] >= 0
    assert len({each["command"] for each in stages}) == 1


def test_rows_within_a_result_are_a_table(program: Program, place: Place) -> None:
    ended = program("send", "cam-1", "camera.survey")
    assert ended.code == 0, ended.err
    name, done, steps, head, _, first, second, others = ended.out.splitlines()[-8:]
    assert (name, done, steps, others) == ("name: pass", "done: true", "steps:", "others: none")
    assert head.split() == ["step", "state", "reason"]
    assert first.split() == ["1", "completed"]
    assert second.split() == ["2", "late", "late", "by", "3", "s"]


def test_without_a_command_everything_is_listed(program: Program, place: Place) -> None:
    ended = program("send", "cam-1")
    assert ended.code == 0, ended.err
    lines = ended.out.splitlines()
    assert lines[lines.index("camera.count <pictures, -5 to 9>") + 1] == "    Counts."
    assert lines[lines.index("vehicle.fire") + 1] == "    Fires. (hazardous)"
    assert max(map(len, lines)) <= 120
    told = json.loads(program("send", "cam-1", "--json").out)
    assert {"name": "camera.fail", "description": "Fails."} in told


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        (("camera.fail",), 11, "failed: the shutter is stuck"),
        (("camera.count", "10"), 10, "pictures must be -5 to 9, not 10; usage: camera.count <pictures, -5 to 9>"),
        (("camera.count",), 10, "pictures is missing; usage"),
        (("camera.cont", "1"), 10, "cam-1 has no command 'camera.cont' (did you mean camera.count?)"),
        (("camera.count", "1", "--colour", "red"), 5, "there is no option --colour"),
        (("node.restart", "--key", "OPERATOR"), 10, "refused: node.restart needs the role admin, and the key"),
        (("vehicle.fire",), 5, "vehicle.fire is hazardous, and nobody is there to be asked: add --yes"),
        (("camera.linger", "--timeout", "0.1"), 6, "no end of it within 0.1 s, and it goes on: its id is"),
        (("node.ping", "--expires", "0"), 2, "should be greater than or equal to 0.1"),
    ],
)
def test_what_goes_wrong_is_one_line(
    program: Program, place: Place, words: tuple[str, ...], code: int, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    ended = program("send", "cam-1", *(str(place.operator_file) if each == "OPERATOR" else each for each in words))
    assert reason in ended.err
    assert ended.code == code
    assert len(ended.err.splitlines()) == 1
    assert DONE == []


def test_a_command_may_be_left_to_itself_and_cancelled(program: Program, place: Place) -> None:
    ended = program("send", "cam-1", "camera.linger", "--no-wait", "--json")
    assert ended.code == 0, ended.err
    begun = json.loads(ended.out.splitlines()[-1])
    assert begun["stage"] in ("accepted", "started")
    assert program("send", "cam-1", "command.cancel", begun["command"]).code == 0
    deadline_s = time.monotonic() + 10
    wanted = JournalRequest(command=begun["command"])
    while not (last := place.board.journal.entries(wanted)[0].stages[-1]).stage.final:
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    assert last.stage.value == "cancelled"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_hazardous_command_is_sent_when_somebody_says_yes(
    program: Program, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    ended = program("send", "cam-1", "FIRE")
    assert (ended.code, DONE) == (130, [])
    assert "vehicle.fire is hazardous (Fires). Send it to cam-1?" in ended.err
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    assert program("send", "cam-1", "FIRE").code == 0
    assert program("send", "cam-1", "FIRE", "--yes").code == 0
    assert DONE == ["fired"] * 2


def test_a_key_is_rotated_and_the_old_one_is_refused(program: Program, place: Place, tmp_path: Path) -> None:
    assert program("key", "new", "--file", str(tmp_path / "new")).code == 0
    ended = program("key", "rotate", "cam-1", str(tmp_path / "new"), "--key", str(place.operator_file))
    old, new = (PrivateKey.read(file).public for file in (place.operator_file, tmp_path / "new"))
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == f"cam-1 trusts {new.short} now, and {old.short} no longer\n"
    assert program("send", "cam-1", "node.ping", "--key", str(tmp_path / "new")).code == 0
    refused = program("send", "cam-1", "node.ping", "--key", str(place.operator_file))
    assert refused.code == 10
    assert f"the key {old.short} is not trusted" in refused.err
    # A second time there is nothing to rotate.
    again = program("key", "rotate", "cam-1", str(tmp_path / "new"), "--key", str(place.operator_file))
    assert again.code == 10


def test_a_user_without_a_name_sends_all_the_same(
    program: Program, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr(getpass, "getuser", nameless)
    assert program("send", "cam-1", "camera.count", "1").out.endswith("by: \n")


def test_keys_are_listed_as_a_table(program: Program, place: Place) -> None:
    ended = program("send", "cam-1", "key.list")
    assert ended.code == 0, ended.err
    (line,) = [each for each in ended.out.splitlines() if place.key.public.hex in each]
    assert line.split() == [place.key.public.hex, "admin", "ada"]
