"""What an archive says is stored outlives a power cut, as `strace` sees it."""

from __future__ import annotations

import sys
from pathlib import Path

from heliograph.link.archive import SqliteArchive
from heliograph.testing.blocks import NODE
from heliograph.testing.power_cut import moments

PROGRAM = """
import os, sys
from pathlib import Path
from heliograph.link.archive import SqliteArchive
from heliograph.testing.blocks import block_of

with SqliteArchive(Path(sys.argv[1])) as archive:
    archive._writer.execute("PRAGMA wal_autocheckpoint=20")  # so that the file itself is written in between, too
    for number in range(1, 40):
        archive.store([block_of(number, 1)])
        os.write(1, str(number).encode())
"""
CARELESS = PROGRAM.replace("for number", 'archive._writer.execute("PRAGMA synchronous=NORMAL")\n    for number')


def left_by_power_cuts(program: str, folder: Path) -> list[tuple[int, list[int]]]:
    """Give the last number that was told at each power cut, and the numbers that it left."""
    running, after = folder / "running", folder / "after"
    running.mkdir()
    found = []
    for number, moment in enumerate(
        moments([sys.executable, "-c", program, str(running / "archive.sqlite")], running, b"")
    ):
        left = after / str(number)
        left.mkdir(parents=True)
        moment.restore(left)
        with SqliteArchive(left / "archive.sqlite") as archive:
            there = [n for each in archive.samples(NODE, "health", 0, 2**62) for n in each.sequences.tolist()]
        found.append((int(moment.text), there))
    return found


def test_after_a_power_cut_everything_that_was_told_is_there(tmp_path: Path) -> None:
    found = left_by_power_cuts(PROGRAM, tmp_path)
    assert len(found) == 39
    assert all(there == list(range(1, told + 1)) for told, there in found)


def test_power_cuts_find_an_archive_that_does_not_wait_for_the_disk(tmp_path: Path) -> None:
    found = left_by_power_cuts(CARELESS, tmp_path)
    assert any(told not in there for told, there in found)
