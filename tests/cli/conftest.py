"""Run the program in this process, on a replayed picture."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from heliograph.cli import main


@dataclass(frozen=True)
class Outcome:
    """What a run of the program left behind."""

    code: int
    out: str
    err: str


Program = Callable[..., Outcome]


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Program]:
    """Give a function that runs `heliograph` with these words."""
    # What a program may do to its own process, and a test may not leave behind.
    signals = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    log, switch_s = list(logging.root.handlers), sys.getswitchinterval()

    def run(*words: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["heliograph", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        written = capsys.readouterr()
        return Outcome(int(ended.value.code or 0), written.out, written.err)

    yield run
    for number, handler in signals.items():
        signal.signal(number, handler)
    logging.root.handlers[:] = log
    sys.setswitchinterval(switch_s)


@pytest.fixture
def picture(tmp_path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Give the picture (48x64, BGR) that `camera` replays."""
    rng = np.random.default_rng(5)
    return rng.integers(0, 256, (48, 64, 3), np.uint8)


@pytest.fixture
def camera(tmp_path: Path, picture: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> str:
    """Give the URL of a camera that replays one picture for ever."""
    file = tmp_path / "picture.png"
    cv2.imwrite(str(file), picture)
    return f"replay://{file}?loop=1"
