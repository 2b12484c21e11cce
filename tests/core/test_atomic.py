"""Files that are whole or not there."""

import os
from pathlib import Path

import pytest

from heliograph.core.atomic import replace_file, write_whole


def test_a_file_is_replaced_and_nothing_else_stays(tmp_path: Path) -> None:
    for content in (b"first", b"second"):
        replace_file(tmp_path / "state.json", content)
        assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"state.json": content}


@pytest.mark.parametrize("fails", ["fsync", "replace"])
def test_a_disk_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str) -> None:
    replace_file(tmp_path / "state.json", b"old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os if fails == "fsync" else Path, fails, fail)
    with pytest.raises(OSError, match="No space left"):
        replace_file(tmp_path / "state.json", b"new")
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"state.json": b"old"}


def test_a_folder_that_is_not_there_is_the_error_that_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "none" / "file", b"")
