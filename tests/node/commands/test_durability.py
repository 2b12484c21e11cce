"""Kills, and power cuts: what was answered is in the journal, and what had an effect was in the journal before."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from heliograph.link.command import JournalEntry, JournalRequest, Stage
from heliograph.node.commands.journal import CommandJournal
from heliograph.testing.power_cut import moments

PROGRAM = (sys.executable, "-m", "heliograph.testing.commanded")
# The same with SQLite's usual setting for this kind of journal, which does not wait for the disk.
CARELESS = (
    sys.executable,
    "-c",
    """
import pathlib, sys
from heliograph.link import database
from heliograph.testing import commanded
careful = database._connection
def careless(path):
    connection = careful(path)
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection
database._connection = careless
commanded.main(pathlib.Path(sys.argv[1]))
""",
)
BEFORE = {"answered": "accepted", "happens": "started"}
"""The stage that must be in the journal before something else that is told."""


def ids(numbers: Sequence[int]) -> list[str]:
    return [f"{number:032x}" for number in numbers]


def entries(folder: Path) -> dict[str, JournalEntry]:
    journal = CommandJournal(folder / "commands.db")
    found = {each.command.id: each for each in journal.entries(JournalRequest(limit=1000))}
    journal.close()
    return found


def effects(folder: Path) -> Counter[str]:
    return Counter((folder / "effects").read_text().split())


@pytest.mark.parametrize(
    ("moment", "had_effect"),
    [("accepted", 0), ("started", 0), ("before the effect", 0), ("after the effect", 1), ("completed", 1)],
)
def test_killed_at_a_moment_and_started_again_it_runs_at_most_once(
    tmp_path: Path, moment: str, had_effect: int
) -> None:
    (id,) = ids([1])
    killed = subprocess.run([*PROGRAM, tmp_path, moment], input=f"{id}\n".encode(), capture_output=True, check=False)
    assert killed.returncode == -9
    again = subprocess.run([*PROGRAM, tmp_path], input=f"{id}\n".encode(), capture_output=True, check=True)
    assert effects(tmp_path)[id] == had_effect
    last = entries(tmp_path)[id].stages[-1]
    if moment == "completed":
        assert last.stage is Stage.COMPLETED
    else:
        assert last.stage is Stage.INTERRUPTED
        assert again.stdout.decode().split("\n")[0] == f"{id} interrupted"
        assert ("it did nothing" in last.reason) == (moment == "accepted")


def test_killed_anywhere_and_started_again_each_runs_at_most_once(tmp_path: Path) -> None:
    draw = random.Random(4)
    wanted = ids(range(1, 1000))
    said: list[str] = []
    for _ in range(5):
        with subprocess.Popen([*PROGRAM, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
            assert child.stdin
            assert child.stdout
            child.stdin.write("".join(f"{id}\n" for id in wanted).encode())
            child.stdin.flush()
            told = len(said)
            until = told + draw.randrange(20, 400)
            while len(said) < until:
                said.append(child.stdout.readline().decode())
            child.kill()
            said += [line.decode() for line in child.stdout if line.endswith(b"\n")]
    subprocess.run([*PROGRAM, tmp_path], input=b"", stdout=subprocess.DEVNULL, check=True)
    found = entries(tmp_path)
    counts = effects(tmp_path)
    assert set(counts.values()) == {1}
    stages = {id: [each.stage.value for each in entry.stages] for id, entry in found.items()}
    for line in said:
        id, stage = line.strip().split(" ", 1)
        assert BEFORE.get(stage, stage) in stages[id]
    for id, entry in found.items():
        assert counts[id] == 1 or entry.stages[-1].stage is Stage.INTERRUPTED
        assert counts[id] == 0 or "started" in stages[id]
    assert sum(each.stages[-1].stage is Stage.INTERRUPTED for each in found.values()) <= 5


def test_after_a_power_cut_whatever_was_told_is_there(tmp_path: Path) -> None:
    """The answer, every stage and the effect follow an fsync of what they say."""
    told, missing = left_by_power_cuts(PROGRAM, tmp_path)
    assert Counter(told) == dict.fromkeys(("received", "accepted", "answered", "started", "happens", "completed"), 5)
    assert not missing


def test_power_cuts_find_a_journal_that_does_not_wait_for_the_disk(tmp_path: Path) -> None:
    _, missing = left_by_power_cuts(CARELESS, tmp_path)
    assert {"answered", "happens", "completed"} <= set(missing)


def left_by_power_cuts(program: Sequence[str], folder: Path) -> tuple[list[str], list[str]]:
    """Cut the power at everything that a program tells; gives what it told, and what of that was not in the journal."""
    told, missing = [], []
    running = folder / "running"
    running.mkdir()
    commands = "".join(f"{id}\n" for id in ids(range(1, 6))).encode()
    for number, moment in enumerate(moments([*program, str(running)], running, commands)):
        id, stage = moment.text.strip().split(" ", 1)
        told.append(stage)
        left = folder / str(number)
        left.mkdir()
        moment.restore(left)
        entry = entries(left).get(id)
        if entry is None or BEFORE.get(stage, stage) not in [each.stage.value for each in entry.stages]:
            missing.append(stage)
    return told, missing
