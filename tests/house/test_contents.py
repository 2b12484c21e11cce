"""What must not be in the repository: machines, index addresses, and files that nobody reads."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# In two pieces each, so that this file does not find itself.
_PIECES = [
    ("/wo", "rk/"),
    ("/ro", "ot/"),
    ("/ho", r"me/\w"),
    ("index", "-url"),
    ("/opt/", "pypi"),
    ("python", "hosted"),
]
FORBIDDEN = re.compile("|".join(first + second for first, second in _PIECES))
TEXT = {".py", ".md", ".toml", ".txt", ".yml", ".cfg", ".json", ""}


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files"], capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def test_nothing_names_a_machine_or_an_index() -> None:
    texts = [path for path in tracked() if path.suffix in TEXT and path.name != "LICENSE"]
    found = [str(path.relative_to(ROOT)) for path in texts if FORBIDDEN.search(path.read_text(encoding="utf-8"))]
    assert not found


def test_nothing_large_is_kept() -> None:
    large = {str(path.relative_to(ROOT)): path.stat().st_size for path in tracked() if path.stat().st_size > 2_000_000}
    assert not large
