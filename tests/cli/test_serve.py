import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from heliograph.gige.bootstrap import Register
from heliograph.gige.client.device import GigeDevice
from heliograph.gige.gvcp import PORT, Command, CommandPacket
from heliograph.testing.peers import namespace_command, require

Serve = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Give a function that starts `heliograph serve`; what still runs at the end is stopped."""
    with ExitStack() as stack:

        def start(*words: str) -> subprocess.Popen[str]:
            command = [sys.executable, "-c", "from heliograph.cli import main; main()", "serve", *words]
            environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")}
            environment.pop("STATE_DIRECTORY", None)
            pipe = subprocess.PIPE
            started = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment)
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
        (["--name", "a", "--name", "b"], 5, "once for each URL"),
        (["--state-dir", __file__], 7, "choose another folder"),
        (["--allow", "everybody"], 5, "192.168.1.0/24"),
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


def test_a_name_given_by_a_client_is_there_after_a_restart(
    serve: Serve, camera: str, address: str, tmp_path: Path
) -> None:
    for known in (False, True):
        server = serve(camera, "--address", address, "--json")
        assert (told(server)["name"] == "north") is known
        with GigeDevice.open(address) as device:
            device.write_memory(Register.USER_DEFINED_NAME, b"north".ljust(16, b"\0"))
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=30)
        (kept,) = (tmp_path / "state" / "heliograph").iterdir()
        assert json.loads(kept.read_text())["user_name"] == "north"


def test_only_named_networks_are_answered(serve: Serve, camera: str, address: str) -> None:
    told(serve(camera, "--address", address, "--allow", "10.0.0.0/8", "--allow", "192.168.7.7", "--json"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.settimeout(0.2)
        stranger.sendto(CommandPacket(Command.DISCOVERY, 1).pack(), (address, PORT))
        with pytest.raises(TimeoutError):
            stranger.recv(2048)


def test_a_public_address_needs_to_know_its_clients(camera: str) -> None:
    """In a network namespace, where a public address is nobody's but ours."""
    script = (
        f"{require('ip')} link set lo up && {require('ip')} addr add 198.51.100.7/32 dev lo && "
        '"$0" -c "from heliograph.cli import main; main()" serve "$1" --address 198.51.100.7'
    )
    command = [*namespace_command(), "sh", "-c", script, sys.executable, camera]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 4
    assert "198.51.100.7 is a public address" in ended.stderr
    assert ended.stderr.count("\n") == 1
