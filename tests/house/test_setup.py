"""The set-up says in one line what a machine lacks, before it touches anything."""

import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def set_up(python: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHON": str(python)}
    return subprocess.run([ROOT / ".ci" / "venv"], env=environment, capture_output=True, text=True, check=False)


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_a_python_that_is_too_old_is_told(tmp_path: Path) -> None:
    ended = set_up(script(tmp_path / "python3", "exit 1"))
    assert ended.returncode == 1
    assert "sudo apt install python3 python3-venv" in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_a_missing_venv_module_is_told(tmp_path: Path) -> None:
    ended = set_up(script(tmp_path / "python3", 'case "$2" in *ensurepip*) exit 1;; esac'))
    assert ended.returncode == 1
    assert "sudo apt install python3-venv" in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_bare_make_prints_every_target_with_a_line() -> None:
    printed = subprocess.run(["make", "-s", "-C", ROOT], capture_output=True, text=True, check=True).stdout
    lines = dict(line.removeprefix("make ").split(maxsplit=1) for line in printed.splitlines() if "make " in line[:5])
    assert {"demo", "test", "check", "peers", "bench", "bench-camera", "soak", "clean"} <= set(lines)
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert phony
    assert set(phony[1].split()) == set(lines)


def test_every_script_that_make_runs_exists() -> None:
    for path in re.findall(r"(?:benchmarks|examples|\.ci)/[\w.]+", (ROOT / "Makefile").read_text()):
        assert (ROOT / path).exists(), path
