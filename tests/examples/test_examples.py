"""The examples run as they stand."""

import json
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(example: str, *words: str, folder: Path) -> str:
    command = [sys.executable, str(EXAMPLES / example), *words]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_the_first_lines(tmp_path: Path) -> None:
    first, *rest = run("first.py", folder=tmp_path).splitlines()
    assert first.startswith("2028 1520 BayerRG8")
    assert len(rest) == 10


def test_the_demo_on_a_few_pictures(tmp_path: Path) -> None:
    printed = run("demo.py", "12", folder=tmp_path)
    assert "red threshold" in printed
    summary = json.loads((tmp_path / "demo" / "summary.json").read_text())
    assert summary["pictures"]["taken"] == 12
    assert summary["losses"]["missing_packets"] == 0
    assert summary["job"]["camera"].startswith("gige://127.")
    for product in summary["products"]:
        assert product["name"] in printed
        assert (tmp_path / "demo" / product["name"]).exists()
