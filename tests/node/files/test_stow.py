"""Small whole files below the node's root."""

from pathlib import Path

import pytest

from heliograph.core import OutputError, SettingError, SourceError, SourceNotFoundError
from heliograph.link.roots import Root
from heliograph.node.files.stow import fetch, stow
from heliograph.testing.disk import disk_full_beyond


def test_what_is_stowed_is_fetched(tmp_path: Path) -> None:
    root = Root(tmp_path)
    stow(root, "pictures/a.png", b"whole")
    assert fetch(root, "pictures/a.png", 5) == b"whole"
    assert [each.name for each in (tmp_path / "pictures").iterdir()] == ["a.png"]


def test_a_file_that_is_there_stays(tmp_path: Path) -> None:
    root = Root(tmp_path)
    stow(root, "a.png", b"first")
    with pytest.raises(OutputError, match="there already"):
        stow(root, "a.png", b"second")
    assert (tmp_path / "a.png").read_bytes() == b"first"
    assert [each.name for each in tmp_path.iterdir()] == ["a.png"]


def test_nothing_leaves_the_root(tmp_path: Path) -> None:
    root = Root(tmp_path)
    for path in ("../a.png", "/etc/a.png", ""):
        with pytest.raises(SettingError):
            stow(root, path, b"")
        with pytest.raises((SettingError, SourceError)):
            fetch(root, path, 10)


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    root = Root(tmp_path)
    with disk_full_beyond(100_000), pytest.raises(OutputError, match="room"):
        stow(root, "a.png", bytes(1_000_000))
    assert not list(tmp_path.iterdir())


def test_what_is_too_large_or_not_there_is_told(tmp_path: Path) -> None:
    root = Root(tmp_path)
    stow(root, "a.seq", b"123456")
    with pytest.raises(SourceError, match="more than 5 bytes"):
        fetch(root, "a.seq", 5)
    with pytest.raises(SourceNotFoundError):
        fetch(root, "b.seq", 5)
