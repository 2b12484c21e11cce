from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def test_frames_of_a_camera_become_a_file(
    program: Callable[..., Any], camera: str, picture: Any, tmp_path: Path
) -> None:
    ended = program("record", camera, "--frames", "3", "-o", str(tmp_path / "a.npy"))
    assert ended.code == 0
    assert "a.npy: 3 frames of 64x48 BGR8" in ended.out
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), np.stack([picture] * 3))


def test_a_file_that_cannot_be_is_told_before_the_camera_is_opened(program: Callable[..., Any], tmp_path: Path) -> None:
    ended = program("record", "nope://", "-o", str(tmp_path / "a.mp4"))
    assert ended.code == 7
    assert "its name ends in" in ended.err


def test_a_source_that_ends_early_is_partial(program: Callable[..., Any], camera: str, tmp_path: Path) -> None:
    ended = program("record", camera.removesuffix("?loop=1"), "--frames", "3", "-o", str(tmp_path / "a.npy"))
    assert ended.code == 8
    assert "PARTIAL, ended after 1 frames" in ended.err
    assert len(np.load(tmp_path / "a.npy")) == 1


def test_a_setting_is_made_first(program: Callable[..., Any], camera: str, tmp_path: Path) -> None:
    ended = program("record", camera, "--set", "AcquisitionFrameRate=-1", "-o", str(tmp_path / "a.npy"))
    assert ended.code == 5
    assert not list(tmp_path.glob("a*"))


def test_ctrl_c_ends_a_recording_and_keeps_it(tmp_path: Path) -> None:
    file = tmp_path / "a.mkv"
    code = "from heliograph.cli import main; main()"
    size = ["--set", "Width=64", "--set", "Height=48"]
    words = [sys.executable, "-c", code, "record", "sim://bench", *size, "-o", str(file)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        table = tmp_path / "a-part.mkv.csv"
        while not table.exists() or len(table.read_text().splitlines()) < 5:
            assert program.poll() is None
        os.kill(program.pid, signal.SIGINT)
        out, err = program.communicate(timeout=60)
    assert program.returncode == 0, err
    assert "frames of 64x48" in out
    assert {each.name for each in tmp_path.iterdir()} == {"a.mkv", "a.mkv.csv", "a.mkv.json"}
