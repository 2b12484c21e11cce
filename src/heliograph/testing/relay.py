"""Two network namespaces with a long, lossy, narrow link between them, which the kernel's own TCP meets as others do.

A relay carries packets between two TUN devices, by way of `heliograph.sim.net`; the kernel need not have netem.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import astuple
from pathlib import Path
from typing import Self

from heliograph.sim.net import NetworkPath, PathModel
from heliograph.testing.peers import require

NEAR_ADDRESS, FAR_ADDRESS = "10.8.0.1", "10.8.0.2"
_TIMEOUT_S = 20.0
# linux/if_tun.h
_TUNSETIFF = 0x4004_54CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
_PACKET_BYTES = 2048


class Relay:
    """A link from this network namespace to a new one.

    >>> with Relay(PathModel(300_000_000, 300_000_000, lost=0.02), seed=1) as relay:        # doctest: +SKIP
    ...     subprocess.run(relay.at_far_end("ping", "-c1", NEAR_ADDRESS))

    This process must be in a namespace of its own and may configure it.
    """

    def __init__(self, model: PathModel, seed: int) -> None:
        self._model = model
        self._seed = seed
        self._resources = ExitStack()

    def __enter__(self) -> Self:
        holder = self._resources.enter_context(subprocess.Popen([require("unshare"), "--net", "sleep", "3600"]))
        self._resources.callback(holder.kill)
        self._namespace = Path(f"/proc/{holder.pid}/ns/net")
        mine = Path("/proc/self/ns/net").readlink()
        _wait(lambda: self._namespace.readlink() != mine)
        words = [str(holder.pid), str(self._seed), *map(str, astuple(self._model))]
        command = [sys.executable, "-m", __name__, *words]
        self._process = self._resources.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE))
        self._resources.callback(self._process.kill)
        if not self._process.stdout or self._process.stdout.readline() != b"ready\n":
            raise RuntimeError("the relay did not start: /dev/net/tun is needed")
        for device, own, other, at in (
            ("near", NEAR_ADDRESS, FAR_ADDRESS, []),
            ("far", FAR_ADDRESS, NEAR_ADDRESS, self.at_far_end()),
        ):
            for line in (f"addr add {own} peer {other} dev {device}", f"link set {device} up", "link set lo up"):
                subprocess.run([*at, require("ip"), *line.split()], check=True)
        return self

    def __exit__(self, *exception: object) -> None:
        self._resources.close()

    def at_far_end(self, *command: str) -> list[str]:
        """Give the words that run a program at the far end."""
        return [require("nsenter"), f"--net={self._namespace}", *command]

    def cut(self) -> None:
        """Lose everything from now on, both ways."""
        self._process.send_signal(signal.SIGUSR1)

    def restore(self) -> None:
        """Carry packets again."""
        self._process.send_signal(signal.SIGUSR2)


def main(far_process: int, seed: int, model: PathModel) -> None:
    """Carry packets until this process is ended."""
    cut = False

    def switch(number: int, _frame: object) -> None:
        nonlocal cut
        cut = number == signal.SIGUSR1

    for number in (signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, switch)
    near, far = _open_tun("near"), _open_tun("far")
    subprocess.run([require("ip"), *f"link set far netns {far_process}".split()], check=True)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    ways = {near: (NetworkPath(model, seed), far), far: (NetworkPath(model, seed + 1), near)}
    poller = select.poll()
    for device in ways:
        poller.register(device, select.POLLIN)
    while True:
        arrivals_ns = [due_ns for path, _ in ways.values() if (due_ns := path.next_arrival_ns()) is not None]
        wait_ms = max(0, min(arrivals_ns) - time.monotonic_ns()) / 1e6 if arrivals_ns else None
        for device, events in poller.poll(wait_ms):
            # A device that is not up yet, or no longer, has nothing to read.
            if events & select.POLLIN:
                packet = os.read(device, _PACKET_BYTES)
                if not cut:
                    ways[device][0].send(packet, time.monotonic_ns())
        for path, destination in ways.values():
            for packet in path.arrived(time.monotonic_ns()):
                # One that is not up yet takes nothing, and the kernel greets its neighbours early.
                with suppress(OSError):
                    if not cut:
                        os.write(destination, packet)


def _wait(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + _TIMEOUT_S
    while not condition():
        if time.monotonic() > deadline_s:
            raise TimeoutError("the link between the namespaces did not come up")
        time.sleep(0.01)


def _open_tun(name: str) -> int:
    device = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI))
    return device


if __name__ == "__main__":
    _pid, _seed, _shortest, _longest, _duplicated, _lost, _rate, _queue = sys.argv[1:]
    _model = PathModel(int(_shortest), int(_longest), float(_duplicated), float(_lost), float(_rate), int(_queue))
    main(int(_pid), int(_seed), _model)
