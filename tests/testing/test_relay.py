"""The link between two namespaces: packets take their time, and none passes while it is cut."""

from __future__ import annotations

import subprocess
import sys

from heliograph.testing.peers import namespace_command

ECHO = """
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
    end.bind(("10.8.0.2", 4000))
    print("ready", flush=True)
    while True:
        end.sendto(*end.recvfrom(2000))
"""
TRY = """
import socket, subprocess, sys, time
from heliograph.sim.net import PathModel
from heliograph.testing.relay import FAR_ADDRESS, Relay

def answered(number):
    end.sendto(bytes([number]), (FAR_ADDRESS, 4000))
    start_s = time.monotonic()
    try:
        assert end.recv(2000) == bytes([number])
    except TimeoutError:
        return None
    return time.monotonic() - start_s

with Relay(PathModel(40_000_000, 40_000_000), seed=1) as relay:
    command = relay.at_far_end(sys.executable, "-c", sys.argv[1])
    with subprocess.Popen(command, stdout=subprocess.PIPE) as echo, socket.socket(type=socket.SOCK_DGRAM) as end:
        echo.stdout.readline()
        end.settimeout(1)
        assert 0.08 <= answered(1) < 0.8
        relay.cut()
        assert answered(2) is None
        relay.restore()
        assert answered(3) is not None
        echo.kill()
"""


def test_packets_take_their_time_and_none_passes_a_cut() -> None:
    command = [*namespace_command(), sys.executable, "-c", TRY, ECHO]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
