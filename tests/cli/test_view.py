"""The command: it prints an address that works, and ends with Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

PROGRAM = [sys.executable, "-c", "from heliograph.cli import main; main()"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_address_it_prints_is_the_page(camera: str, number: signal.Signals) -> None:
    pipe = subprocess.PIPE
    words = [*PROGRAM, "view", f"{camera}&rate=10", "--no-browser"]
    with subprocess.Popen(words, stdout=pipe, stderr=pipe, text=True) as view:
        assert view.stdout
        url = view.stdout.readline().strip()
        assert url.startswith("http://127.0.0.1:")
        with urlopen(url, timeout=20) as answer:
            assert b"<title>Heliograph" in answer.read()
        view.send_signal(number)
        out, err = view.communicate(timeout=20)
    assert view.returncode == 0
    assert out == ""
    assert "can see and set the camera" in err


def test_the_browser_is_opened_on_it(camera: str, tmp_path: Path) -> None:
    # What `webbrowser` runs instead of a browser; it writes what it is asked to open, and ends the program.
    told = tmp_path / "url"
    stand_in = tmp_path / "browser"
    stand_in.write_text(f'#!/bin/sh\necho "$1" > {told}.part && mv {told}.part {told}\nkill -INT $PPID\n')
    stand_in.chmod(0o755)
    words = [*PROGRAM, "view", f"{camera}&rate=10", "--read-only"]
    environment = {**os.environ, "BROWSER": f"{stand_in} %s"}
    ended = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    assert told.read_text() == ended.stdout
    assert "can see the camera" in ended.stderr


def test_a_camera_that_is_not_there_is_one_line(program: Callable[..., Any]) -> None:
    ended = program("view", "replay:///nowhere.png", "--no-browser")
    assert ended.code == 3
    assert ended.err.count("\n") == 1


def test_a_setting_that_is_refused_is_one_line(program: Callable[..., Any], camera: str) -> None:
    ended = program("view", camera, "--no-browser", "--set", "AcquisitionFrameRate=-1")
    assert ended.code == 5
    assert "AcquisitionFrameRate" in ended.err
