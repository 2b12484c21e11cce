"""Two network namespaces joined by a link on which every packet is real, and a capture of what passes.

    unshare --net python -m heliograph.testing.wire capture.pcapng arv-camera-test-0.8 -n cam-1 --duration 2

Plain loopback and veth carry the kernel's super-packets, which no switch ever sees; a queue with a burst below 64 kB
makes the kernel cut them.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from heliograph.gige.device.server import GigeDeviceServer
from heliograph.testing.camera import PatternCamera
from heliograph.testing.peers import require

CAMERA_ADDRESS = "10.9.0.1"
CLIENT_ADDRESS = "10.9.0.2"
_TIMEOUT_S = 20.0
_LATE_NS = (100_000, 3_000_000)
# 24 bytes of preamble, checksum and gap make the rate that of gigabit Ethernet.
_GIGABIT = "rate 1gbit overhead 24 burst 6kb limit 1mb"


class Wire:
    """A link at 1 Gbit/s from this network namespace, the camera's, to a new one, the client's.

    >>> with Wire() as wire:  # doctest: +SKIP
    ...     subprocess.run(wire.at_client("ping", "-c1", CAMERA_ADDRESS))

    Both vanish with their processes. This process must be in a namespace of its own and may configure it.
    """

    def __init__(self) -> None:
        self._resources = ExitStack()

    def __enter__(self) -> Self:
        holder = self._resources.enter_context(subprocess.Popen([require("unshare"), "--net", "sleep", "600"]))
        self._resources.callback(holder.kill)
        self._namespace = Path(f"/proc/{holder.pid}/ns/net")
        mine = Path("/proc/self/ns/net").readlink()
        _wait(lambda: self._namespace.readlink() != mine)
        self._ip("link set lo up")
        self._ip("link add camera type veth peer name client")
        # It would go with the client's namespace, but some time after its last process.
        self._resources.callback(self._ip, "link del camera")
        self._ip(f"link set client netns {holder.pid}")
        self._ip(f"addr add {CAMERA_ADDRESS}/24 dev camera")
        self._ip("link set camera up")
        for words in ("link set lo up", f"addr add {CLIENT_ADDRESS}/24 dev client", "link set client up"):
            subprocess.run(self.at_client(require("ip"), *words.split()), check=True)
        subprocess.run([require("tc"), *f"qdisc add dev camera root tbf {_GIGABIT}".split()], check=True)
        return self

    def __exit__(self, *exception: object) -> None:
        self._resources.close()

    def at_client(self, *command: str) -> list[str]:
        """Give the words that run a program at the client's end."""
        return [require("nsenter"), f"--net={self._namespace}", *command]

    def disturb(self, lost: float = 0.0, late: float = 0.0, twice: float = 0.0, seed: int = 1) -> None:
        """Lose a share of the packets to the client, delay another so that others overtake them, or send them twice.

        Shares are of single packets, 0 to 1; the link has none but real ones. Late packets come 0.1 to 3 ms late.
        Once for each link.
        """
        rules = ["add table netdev wire", "flush table netdev wire"]
        chain = 'type filter hook ingress device "client" priority 0 ;'
        rules.append(f"add chain netdev wire arrivals {{ {chain} }}")
        if lost:
            rules.append(f"add rule netdev wire arrivals {_share(lost)} drop")
        if late or twice:
            self._open_detour(late, twice, seed)
            rules.append(f"add rule netdev wire arrivals {_share(late + twice)} fwd to detour")
        for rule in rules:
            subprocess.run(self.at_client(require("nft"), rule), check=True)

    def lift_limit(self) -> None:
        """Let the link carry what it can; the kernel then hands super-packets over, and none is real."""
        subprocess.run([require("tc"), "qdisc", "del", "dev", "camera", "root"], check=True)

    def received_packets(self) -> int:
        """Packets that have reached the client's end of the link, disturbed or not."""
        done = subprocess.run(self.at_client("cat", "/proc/net/dev"), capture_output=True, text=True, check=True)
        line = next(line for line in done.stdout.splitlines() if line.strip().startswith("client:"))
        return int(line.split(":")[1].split()[1])

    def _open_detour(self, late: float, twice: float, seed: int) -> None:
        ip = require("ip")
        show = subprocess.run(self.at_client(ip, "-o", "link", "show", "client"), capture_output=True, check=True)
        mac = show.stdout.decode().split("link/ether ")[1].split()[0]
        for line in ("tuntap add dev detour mode tap", f"link set detour address {mac}", "link set detour up"):
            subprocess.run(self.at_client(ip, *line.split()), check=True)
        # A packet that arrives by the detour is answered by the link, which strict reverse path filters refuse.
        for name in ("all", "detour"):
            subprocess.run(self.at_client("sh", "-c", f"echo 0 >/proc/sys/net/ipv4/conf/{name}/rp_filter"), check=True)
        # Packets that come twice are late too: a copy that comes at once would tell less.
        numbers = (_LATE_NS[0], _LATE_NS[1], twice / (late + twice), seed)
        words = [sys.executable, "-m", "heliograph.testing.detour", "detour", *map(str, numbers)]
        relay = self._resources.enter_context(subprocess.Popen(self.at_client(*words), stdout=subprocess.PIPE))
        self._resources.callback(relay.kill)
        if not relay.stdout or relay.stdout.readline() != b"ready\n":
            raise RuntimeError("the detour did not open: /dev/net/tun is needed")

    def _ip(self, words: str) -> None:
        subprocess.run([require("ip"), *words.split()], check=True)


def _share(share: float) -> str:
    # Of IP alone: a lost answer to ARP is asked for again after a second, which is not what is disturbed here.
    return f"ether type ip numgen random mod 1000000 < {round(share * 1_000_000)}"


def main(arguments: list[str]) -> int:
    """Serve a camera as cam-1 and capture into a file what passes while a program runs at the client's end."""
    capture, *command = arguments
    log = Path(f"{capture}.log")
    with Wire() as wire, GigeDeviceServer(PatternCamera(rate_hz=50), CAMERA_ADDRESS, "cam-1"), log.open("w") as errors:
        dumpcap = wire.at_client(require("dumpcap"), "-q", "-i", "client", "-w", capture)
        with subprocess.Popen(dumpcap, stderr=errors) as capturing:
            _wait(lambda: "File:" in log.read_text())
            try:
                return subprocess.run(wire.at_client(*command), check=False).returncode
            finally:
                capturing.terminate()


def _wait(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + _TIMEOUT_S
    while not condition():
        if time.monotonic() > deadline_s:
            raise TimeoutError("the link between the namespaces did not come up")
        time.sleep(0.01)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
