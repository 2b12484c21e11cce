"""The clocks, against the system's own tools."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from heliograph.link.intake import check_claims
from heliograph.link.spooled import Spooled
from heliograph.node.telemetry.clock import boot_now_ns, wall_minus_boot_ns
from heliograph.testing.peers import require


def test_the_difference_is_between_the_wall_clock_and_the_clock_since_boot() -> None:
    assert abs(boot_now_ns() + wall_minus_boot_ns() - time.time_ns()) < 1_000_000_000


def test_a_wall_clock_that_is_off_by_a_century_costs_no_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 6_154_000_000 * 10**9)
    block = Spooled("boot", "health", "", 1, 1, bytes(8), bytes(8), wall_minus_boot_ns(), clock_synchronised=False)
    check_claims(block.block("node", live=True))


def test_the_kernel_is_asked_whether_the_clock_is_held(tmp_path: Path) -> None:
    """Against strace, which reads the same answer of the kernel with its own eyes."""
    trace = tmp_path / "trace"
    code = "from heliograph.node.telemetry.clock import clock_synchronised; print(clock_synchronised())"
    words = [
        require("strace"),
        "-f",
        "-e",
        "trace=adjtimex,clock_adjtime",
        "-o",
        str(trace),
        sys.executable,
        "-c",
        code,
    ]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    told = trace.read_text()
    assert "modes=0" in told
    assert ended.stdout.strip() == str("STA_UNSYNC" not in told and "TIME_ERROR" not in told)
