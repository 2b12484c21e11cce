"""Power cuts, on a program that is known to sync some of what it writes."""

import sys
from pathlib import Path

from heliograph.testing.power_cut import moments

PROGRAM = """
import os, sys
folder = sys.argv[1]
def say(word): os.write(1, word.encode())
file = os.open(folder + "/file", os.O_CREAT | os.O_RDWR)
os.pwrite(file, b"first", 0)
say("written")
os.fsync(file)
say("nameless")
names = os.open(folder, os.O_RDONLY)
os.fsync(names)
say("synced")
os.pwrite(file, b"F", 0)
os.pwrite(file, b"later", 8)
say("more")
os.fdatasync(file)
os.ftruncate(file, 2)
say("cut")
os.unlink(folder + "/file")
say("unlinked")
os.fsync(names)
say("gone")
"""


def test_what_was_not_synced_is_lost(tmp_path: Path) -> None:
    said = {each.text: each.files for each in moments([sys.executable, "-c", PROGRAM, str(tmp_path)], tmp_path, b"")}
    assert said == {
        "written": {},
        "nameless": {},
        "synced": {"file": b"first"},
        "more": {"file": b"first"},
        "cut": {"file": b"First\0\0\0later"},
        "unlinked": {"file": b"First\0\0\0later"},
        "gone": {},
    }


def test_what_is_left_can_be_written(tmp_path: Path) -> None:
    *_, last = moments([sys.executable, "-c", PROGRAM.partition("os.unlink")[0], str(tmp_path)], tmp_path, b"")
    (tmp_path / "left").mkdir()
    last.restore(tmp_path / "left")
    assert (tmp_path / "left" / "file").read_bytes() == b"First\0\0\0later"
