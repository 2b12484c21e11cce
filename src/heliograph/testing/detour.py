"""A detour at the client's end of a `Wire`: the packets sent this way come late, and some of them twice.

Run by `Wire.disturb` in the client's namespace. The kernel hands the chosen packets to a TAP device; what is written
back to it arrives as if it had come from the link.
"""

from __future__ import annotations

import fcntl
import os
import select
import struct
import sys
import time

from heliograph.sim.net import NetworkPath, PathModel

# linux/if_tun.h
_TUNSETIFF = 0x4004_54CA
_IFF_TAP, _IFF_NO_PI = 0x0002, 0x1000
_FRAME_BYTES = 2048


def main(device: str, shortest_ns: int, longest_ns: int, duplicated: float, seed: int) -> None:
    """Carry packets from and to a TAP device until this process is ended."""
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tap, _TUNSETIFF, struct.pack("16sH22x", device.encode(), _IFF_TAP | _IFF_NO_PI))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    path = NetworkPath(PathModel(shortest_ns, longest_ns, duplicated), seed)
    poller = select.poll()
    poller.register(tap, select.POLLIN)
    while True:
        next_ns = path.next_arrival_ns()
        wait_ms = None if next_ns is None else max(0, next_ns - time.monotonic_ns()) / 1e6
        if poller.poll(wait_ms):
            path.send(os.read(tap, _FRAME_BYTES), time.monotonic_ns())
        for packet in path.arrived(time.monotonic_ns()):
            os.write(tap, packet)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), int(sys.argv[5]))
