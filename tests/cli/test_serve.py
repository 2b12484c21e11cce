import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

Serve = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Give a function that starts `heliograph serve`; what still runs at the end is stopped."""
    with ExitStack() as stack:

        def start(*words: str) -> subprocess.Popen[str]:
            command = [sys.executable, "-c", "from heliograph.cli import main; main()", "serve", *words]
            started = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            stack.enter_context(started)
            stack.callback(started.kill)
            return started

        yield start


def told(server: subprocess.Popen[str]) -> dict[str, str]:
    """Give what the server says of its next camera."""
    line = next(iter(server.stdout or ()), "")
    said: dict[str, str] = json.loads(line)
    return said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_camera_is_served_until_it_is_told_to_stop(
    serve: Serve, camera: str, address: str, number: signal.Signals
) -> None:
    server = serve(camera, "--address", address, "--name", "cam-1", "--json")
    assert told(server) == {"url": camera, "name": "cam-1", "address": address, "open": f"gige://{address}"}
    server.send_signal(number)
    _, log = server.communicate(timeout=30)
    assert server.returncode == 0
    assert "Traceback" not in log


def test_several_cameras_take_free_loopback_addresses(serve: Serve, camera: str) -> None:
    server = serve(camera, camera, "--json")
    first, second = told(server)["address"], told(server)["address"]
    assert first != second
    assert first.startswith("127.0.0.")
    assert second.startswith("127.0.0.")


def test_an_address_in_use_is_one_line(serve: Serve, program: Callable[..., Any], camera: str, address: str) -> None:
    told(serve(camera, "--address", address, "--json"))
    ended = program("serve", camera, "--address", address)
    assert ended.code == 4
    assert f"{address}" in ended.err
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--address", "192.0.2.77"], 4, "192.0.2.77"),
        (["--address", "nonsense"], 4, "nonsense"),
        (["--name", "a", "--name", "b"], 5, "once for each camera"),
        (["--name", "a-name-of-more-than-16-bytes"], 5, "16"),
    ],
)
def test_mistakes_are_one_line(
    program: Callable[..., Any], camera: str, words: list[str], code: int, says: str
) -> None:
    ended = program("serve", camera, *words)
    assert ended.code == code
    assert says in ended.err
    assert ended.err.count("\n") == 1
