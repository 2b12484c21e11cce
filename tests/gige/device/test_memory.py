"""What a camera remembers over restarts."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.core import OutputError
from heliograph.gige.device.memory import CameraMemory, Remembered, UserSet


def test_what_is_saved_is_read_again(tmp_path: Path) -> None:
    memory = CameraMemory(tmp_path / "not" / "yet", "SN 1/2")
    assert memory.remembered == Remembered()
    memory.keep(user_name="nørth", default_set="UserSet2")
    memory.keep(user_sets={"UserSet2": UserSet("half NV12", {"Width": 2028, "Gain": 1.5, "ReverseX": True})})
    again = CameraMemory(tmp_path / "not" / "yet", "SN 1/2").remembered
    assert again == memory.remembered
    assert isinstance(again.user_sets["UserSet2"].settings["ReverseX"], bool)
    assert [file.name for file in (tmp_path / "not" / "yet").iterdir()] == ["camera-SN_1_2.json"]
    assert CameraMemory(tmp_path / "not" / "yet", "other").remembered == Remembered()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'{"user_name": "a", "default_set": "", "user_sets": []}',
        b'{"user_name": 5, "default_set": "", "user_sets": {}}',
        b'{"user_name": "longer than it may", "default_set": "", "user_sets": {}}',
        b'{"user_name": "\\ud800", "default_set": "", "user_sets": {}}',
        b'{"user_name": "a", "default_set": "", "user_sets": {"UserSet1": {"description": "", "settings": {"W": []}}}}',
        b"[" * 100_000,
    ],
)
def test_a_damaged_file_is_put_aside_with_a_warning(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "camera-7.json").write_bytes(content)
    memory = CameraMemory(tmp_path, "7")
    assert memory.remembered == Remembered()
    assert "is damaged" in caplog.text
    assert [file.name for file in tmp_path.iterdir()] == ["camera-7.damaged"]
    memory.keep(default_set="UserSet1")
    assert CameraMemory(tmp_path, "7").remembered == Remembered(default_set="UserSet1")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda each: st.lists(each) | st.dictionaries(st.text(), each),
)
KEYS = st.fixed_dictionaries({"user_name": JSON, "default_set": JSON, "user_sets": st.dictionaries(st.text(), JSON)})


@settings(max_examples=30)
@given(raw=JSON | KEYS)
def test_no_file_whatever_is_in_it_stops_a_camera(tmp_path_factory: pytest.TempPathFactory, raw: object) -> None:
    folder = tmp_path_factory.mktemp("state")
    (folder / "camera-7.json").write_text(json.dumps(raw))
    memory = CameraMemory(folder, "7")
    assert isinstance(memory.remembered.user_name, str)
    assert isinstance(memory.remembered.user_sets, dict)
    memory.keep(user_name="a")


def test_what_cannot_be_written_is_told_and_not_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="--state-dir"):
        CameraMemory(tmp_path / "file" / "state", "7").keep(user_name="new")

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    memory = CameraMemory(tmp_path, "7")
    memory.keep(user_name="old")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OutputError, match="No space left"):
        memory.keep(user_name="new")
    assert memory.remembered == CameraMemory(tmp_path, "7").remembered == Remembered("old")


def test_a_folder_that_cannot_be_read_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "camera-7.json").mkdir()
    assert CameraMemory(tmp_path, "7").remembered == Remembered()
    assert "starts with factory settings" in caplog.text


def test_without_a_folder_nothing_is_kept() -> None:
    memory = CameraMemory(None, "7")
    memory.keep(user_name="a")
    assert memory.remembered == Remembered("a")
    assert CameraMemory(None, "7").remembered == Remembered()
