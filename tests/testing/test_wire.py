"""The link of two namespaces: every packet is real, and is lost, late or doubled as often as was asked for."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from heliograph.testing.peers import namespace_command, require

COUNT = 20_000
LINK = """
import socket, subprocess, sys, time
from heliograph.testing.wire import CLIENT_ADDRESS, Wire

client, count, lost, late, twice = sys.argv[1:]
with Wire() as wire, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
    wire.disturb(float(lost), float(late), float(twice))
    receiver = subprocess.Popen(wire.at_client(sys.executable, "-c", client), stdout=subprocess.PIPE)
    receiver.stdout.readline()
    before = wire.received_packets()
    for number in range(int(count)):
        udp.sendto(number.to_bytes(4, "big") * 20, (CLIENT_ADDRESS, 5000))
        if number % 50 == 0:
            time.sleep(0.001)
    told = receiver.stdout.readline().decode()
    print(wire.received_packets() - before, told)
"""
CLIENT = """
import json, select, socket
numbers = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
numbers.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_000_000)
numbers.bind(("10.9.0.2", 5000))
print("ready", flush=True)
seen = []
poller = select.poll()
poller.register(numbers, select.POLLIN)
while poller.poll(500 if seen else 30_000):
    seen.append(int.from_bytes(numbers.recv(80)[:4], "big"))
overtaken = sum(a > b for a, b in zip(seen, seen[1:]))
print(json.dumps({"seen": len(seen), "different": len(set(seen)), "overtaken": overtaken}))
"""


@pytest.mark.parametrize(("lost", "late", "twice"), [(0.0, 0.0, 0.0), (0.05, 0.0, 0.0), (0.0, 0.03, 0.03)])
def test_packets_share_the_fate_that_was_asked_for(lost: float, late: float, twice: float) -> None:
    require("nft")
    words = [CLIENT, str(COUNT), str(lost), str(late), str(twice)]
    command = [*namespace_command(), sys.executable, "-c", LINK, *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    on_the_link, told = done.stdout.split(" ", 1)
    counts = json.loads(told)
    assert COUNT <= int(on_the_link) <= COUNT + 40
    assert counts["different"] / COUNT == pytest.approx(1 - lost, abs=lost / 5)
    assert counts["seen"] - counts["different"] == pytest.approx(twice * COUNT, rel=0.25)
    # A sender that moves from one processor to the other lets a packet overtake another now and then.
    assert counts["overtaken"] > late * COUNT / 4 if late else counts["overtaken"] < 20
