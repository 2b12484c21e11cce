"""A node that measures until it is killed, and prints what it has committed: `python -m … FOLDER BOOT [COUNT]`."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

from heliograph.link.bus import Urgency
from heliograph.link.event import Severity
from heliograph.link.message import decode
from heliograph.link.telemetry import Block
from heliograph.link.trust import Trust
from heliograph.node.telemetry import Telemetry
from heliograph.testing.blocks import HEALTH, NODE
from heliograph.testing.memory_bus import MemoryBus


class _Printing(MemoryBus):
    """What is said was committed before: a line with boot, stream, first number and count, in one write."""

    def __init__(self) -> None:
        super().__init__()
        self.told = threading.Event()

    def publish(self, key: str, payload: bytes, urgency: Urgency = Urgency.LIVE) -> None:
        del key, urgency
        block = decode(payload, Block)
        os.write(1, f"{block.boot} {block.stream} {block.first} {block.count}\n".encode())
        if block.stream == HEALTH.name:
            self.told.set()


def main(folder: str, boot: str, count: str = "") -> None:
    """Measure as fast as it goes or, with a count, so many samples one after another, each once the last is said."""
    bus = _Printing()
    telemetry = Telemetry(Path(folder), bus, NODE, boot, Trust([], None), max_bytes=100_000_000)
    health = telemetry.declare(HEALTH)
    if count:
        for number in range(int(count)):
            bus.told.clear()
            health.sample((float(number), number, True))
            bus.told.wait()
        telemetry.close()
        return
    number = 0
    pause = threading.Event()
    while True:
        for _ in range(20):
            number += 1
            health.sample((float(number), number, True))
        telemetry.emit(Severity.ACTIVITY, "test.measured", f"{number}")
        pause.wait(0.001)


if __name__ == "__main__":
    main(*sys.argv[1:])
