"""The commands on a camera that is somewhere else: served by one process, used by another."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import heliograph


@pytest.fixture
def served(camera: str, address: str) -> Iterator[str]:
    """Serve the camera in a process of its own; give its URL."""
    command = [sys.executable, "-c", "from heliograph.cli import main; main()"]
    command += ["serve", camera, "--address", address, "--name", "cam-1", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        line = next(iter(server.stdout or ()), "")
        try:
            yield json.loads(line)["open"]
        finally:
            server.terminate()


def test_features_are_read_and_set(program: Callable[..., Any], served: str) -> None:
    assert program("get", served, "Width", "DeviceUserID").out == "Width=64\nDeviceUserID=cam-1\n"
    assert program("set", served, "AcquisitionFrameRate=50").out == "AcquisitionFrameRate=50.0\n"
    assert program("get", served.removeprefix("gige://"), "AcquisitionFrameRate").out == "50.0\n"


def test_an_impossible_value_says_the_range(program: Callable[..., Any], served: str) -> None:
    ended = program("set", served, "AcquisitionFrameRate=-1")
    assert ended.code == 5
    assert "0.0 to" in ended.err


def test_a_picture_comes_over_whole(program: Callable[..., Any], served: str, picture: Any, tmp_path: Path) -> None:
    assert program("grab", served, "-o", str(tmp_path / "a.png")).code == 0
    np.testing.assert_array_equal(np.asarray(cv2.imread(str(tmp_path / "a.png"))), picture)


def test_a_camera_held_by_another_client_is_read_all_the_same(program: Callable[..., Any], served: str) -> None:
    with heliograph.open(served):
        assert program("get", served, "Width").out == "64\n"
        assert "AcquisitionFrameRate" in program("features", served).out


def test_a_camera_held_by_another_client_says_by_whom(program: Callable[..., Any], served: str) -> None:
    with heliograph.open(served):
        ended = program("set", served, "AcquisitionFrameRate=50")
    assert ended.code == 4
    assert "127." in ended.err
    assert ended.err.count("\n") == 1


def test_a_camera_that_is_not_there(program: Callable[..., Any], address: str) -> None:
    ended = program("get", address, "Width")
    assert ended.code == 3
    assert address in ended.err
    assert ended.err.count("\n") == 1


def test_a_series_runs_over_the_network(program: Callable[..., Any], served: str, tmp_path: Path) -> None:
    words = ["payload", "run", "red-giant", "--camera", served, "--frames", "5", "--interval", "0"]
    ended = program(*words, "--out", str(tmp_path / "data"))
    assert ended.code == 0
    summary = json.loads((tmp_path / "data" / "summary.json").read_text())
    assert summary["pictures"]["taken"] == 5
    assert summary["losses"]["missing_packets"] == 0
