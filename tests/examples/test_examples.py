"""The examples run as they stand."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from heliograph.testing.addresses import loopback_address

EXAMPLES = Path(__file__).parents[2] / "examples"


SERVED = {"sim://red-giant": "star", "sim://bench": "bench"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """Serve two simulated cameras on loopback; give their URLs."""
    with ExitStack() as stack:
        addresses = [stack.enter_context(loopback_address()) for _ in SERVED]
        options = [word for name in SERVED.values() for word in ("--name", name)]
        options += [word for address in addresses for word in ("--address", address)]
        command = [
            sys.executable,
            "-c",
            "from heliograph.cli import main; main()",
            "serve",
            *SERVED,
            *options,
            "--json",
        ]
        state = {**os.environ, "XDG_STATE_HOME": str(tmp_path_factory.mktemp("state"))}
        server = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=state))
        stack.callback(server.terminate)
        assert server.stdout is not None
        yield [json.loads(server.stdout.readline())["open"] for _ in SERVED]


def run(example: str, *words: str, folder: Path) -> str:
    command = [sys.executable, str(EXAMPLES / example), *words]
    loopback = {**os.environ, "HELIOGRAPH_INTERFACES": "127.0.0.1"}
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False, env=loopback)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def picture(path: Path) -> npt.NDArray[Any]:
    return np.asarray(cv2.imread(str(path)))


def test_an_example_is_about_ten_lines() -> None:
    for example in sorted(set(EXAMPLES.glob("*.py")) - {EXAMPLES / "demo.py"}):
        _, _, code = example.read_text(encoding="utf-8").split('"""', 2)
        lines = [line for line in code.splitlines() if line.strip()]
        assert len(lines) <= 16, example.name


def test_every_example_is_on_its_page() -> None:
    page = (EXAMPLES.parent / "docs" / "how-to" / "examples.md").read_text(encoding="utf-8")
    assert {each.name for each in EXAMPLES.glob("*.py")} - {"demo.py"} == set(
        re.findall(r'^--8<-- "examples/(.+)"$', page, re.MULTILINE)
    )


def test_first_frame(served: list[str], tmp_path: Path) -> None:
    assert run("first_frame.py", served[0], folder=tmp_path).startswith("2028 1520 BayerRG8")
    assert picture(tmp_path / "first.png").shape == (1520, 2028, 3)


def test_time_lapse(served: list[str], tmp_path: Path) -> None:
    began_s = time.monotonic()
    assert run("time_lapse.py", served[0], "3", "0.3", folder=tmp_path) == "3 pictures, lost and found 0 times\n"
    assert time.monotonic() - began_s >= 0.6
    pictures = [picture(tmp_path / f"lapse_{number:04d}.png") for number in range(3)]
    assert not np.array_equal(pictures[0], pictures[1])


def test_exposure_sweep(served: list[str], tmp_path: Path) -> None:
    printed = run("exposure_sweep.py", served[0], folder=tmp_path)
    means = [float(line.split()[3]) for line in printed.splitlines()]
    assert len(means) >= 5
    assert means == sorted(means)
    assert means[-1] > means[0]


def test_two_cameras(served: list[str], tmp_path: Path) -> None:
    answers, apart = run("two_cameras.py", *served, folder=tmp_path).splitlines()
    for url in served:
        assert f"'{url.removeprefix('gige://')}': 'SUCCESS'" in answers
    # Free-running sensors each fire with their next frame: within a period of the slower, 50 ms.
    assert 0 <= float(apart.split()[1]) < 60


def test_opencv_loop(served: list[str], tmp_path: Path) -> None:
    lines = run("opencv_loop.py", served[0], "5", folder=tmp_path).splitlines()
    assert len(lines) == 5
    assert all(re.fullmatch(r"frame \d+: \d+ at \(\d+, \d+\)", line) for line in lines)


def test_callback(served: list[str], tmp_path: Path) -> None:
    *lines, statistics = run("callback.py", served[0], "5", folder=tmp_path).splitlines()
    ids = [int(line.split()[0]) for line in lines]
    # A busy machine renders fewer pictures than the sensor takes.
    assert ids == sorted(set(ids))
    assert ids[-1] >= 5
    assert statistics.endswith(") None")


def test_async_loop(served: list[str], tmp_path: Path) -> None:
    lines = run("async_loop.py", *served, folder=tmp_path).splitlines()
    assert sorted(line.split()[0] for line in lines) == ["bench"] * 10 + ["star"] * 10


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
