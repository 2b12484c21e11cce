import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from heliograph.link.keys import PrivateKey, PublicKey
from heliograph.testing.peers import require

Program = Callable[..., Any]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("HELIOGRAPH_KEY", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path / "heliograph"


def test_a_new_key_is_printed_and_shown_again(program: Program, home: Path) -> None:
    ended = program("key", "new", "--comment", "ada at the desk")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.endswith(" ada at the desk\n")
    assert PublicKey.parse(ended.out) == PrivateKey.read(home / "key").public
    assert program("key", "show").out == ended.out
    # As ssh-keygen leaves them.
    assert (home / "key.pub").read_text(encoding="utf-8") == ended.out
    assert (home / "key").stat().st_mode & 0o777 == 0o600
    assert home.stat().st_mode & 0o777 == 0o700


def test_openssh_shows_the_same_key(program: Program, tmp_path: Path) -> None:
    told = program("key", "new", "--file", str(tmp_path / "mine")).out
    words = [require("ssh-keygen"), "-y", "-f", str(tmp_path / "mine")]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout.split() == told.split()


def test_a_key_is_never_overwritten(program: Program, home: Path) -> None:
    told = program("key", "new").out
    again = program("key", "new", "--comment", "other")
    assert (again.code, again.out) == (7, "")
    assert "never overwritten" in again.err
    assert program("key", "show").out == told


def test_the_comment_of_another_key_is_not_shown(program: Program, home: Path) -> None:
    told = program("key", "new").out
    (home / "key.pub").write_text(PrivateKey.generate().public.text("mallory"))
    assert program("key", "show").out == told
    (home / "key.pub").write_bytes(b"\xff")
    assert program("key", "show").out == told


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        (("show",), 3, "make one with heliograph key new"),
        (("new", "--comment", "two\nlines"), 5, "one line"),
        (("new", "--file", "FILE/key"), 7, "folder"),
        (("show", "--file", "FILE"), 5, "no OpenSSH private key"),
        (("rotate", "cam-1", "FILE"), 3, "make one with heliograph key new"),
    ],
)
def test_what_goes_wrong_is_one_line(
    program: Program, tmp_path: Path, words: tuple[str, ...], code: int, reason: str
) -> None:
    (tmp_path / "file").touch(0o600)
    ended = program("key", *(each.replace("FILE", str(tmp_path / "file")) for each in words))
    assert (ended.code, ended.out) == (code, "")
    assert reason in ended.err
    assert len(ended.err.splitlines()) == 1
