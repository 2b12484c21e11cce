"""The systemd unit of the documentation is one that systemd takes, and closes what it can."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from heliograph.testing.peers import require

UNIT = Path(__file__).parents[2] / "docs" / "how-to" / "heliograph-node.service"


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """Give the unit with a program that this machine has: systemd looks for it."""
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace("/opt/heliograph/bin/heliograph", sys.executable))
    return copy


def test_systemd_understands_every_line(unit: Path) -> None:
    words = [require("systemd-analyze"), "verify", "--man=no", str(unit)]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_it_is_closed_as_far_as_cameras_let_it(unit: Path) -> None:
    words = [require("systemd-analyze"), "security", "--offline=true", "--threshold=100", str(unit)]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    found = re.search(r"Overall exposure level for \S+: (\d+\.\d+)", ended.stdout)
    assert found, ended.stdout + ended.stderr
    # 0 is closed, 10 open; systemd calls it OK below 5.
    assert float(found[1]) <= 2.5
