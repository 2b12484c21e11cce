"""Over a real link that is cut and stalls at random moments, every sample arrives, once."""

from __future__ import annotations

import random
import threading
import time
from contextlib import ExitStack, closing
from pathlib import Path

from heliograph.link.archive import SqliteArchive
from heliograph.link.channel import Channel, Stream
from heliograph.link.collector import Collector
from heliograph.link.dictionary import Role
from heliograph.link.keys import PrivateKey
from heliograph.link.settings import PORT, LinkSettings
from heliograph.link.trust import Pin, Trust
from heliograph.link.zenoh import open_bus
from heliograph.node.telemetry import Telemetry
from heliograph.testing.addresses import loopback_address
from heliograph.testing.blocks import BOOT, NODE
from heliograph.testing.tcp_relay import TcpRelay

WIDE = Stream(name="wide", channels=tuple(Channel(name=f"c{at}") for at in range(18)))
PATIENCE_S = 40.0


def test_a_link_that_is_cut_again_and_again_loses_nothing(tmp_path: Path) -> None:
    chance = random.Random(4)
    key = PrivateKey.generate()
    with ExitStack() as stack:
        address = stack.enter_context(loopback_address())
        board = stack.enter_context(closing(open_bus(LinkSettings(mode="router", listen=(f"tcp/{address}:{PORT}",)))))
        relay = stack.enter_context(TcpRelay((address, PORT)))
        host, port = relay.address
        near = LinkSettings(mode="router", listen=(), connect=(f"tcp/{host}:{port}",))
        ground = stack.enter_context(closing(open_bus(near, wait_s=PATIENCE_S)))
        trust = Trust([Pin(key.public, Role.ARCHIVE, archive=True)], None)
        made = Telemetry(tmp_path / "node", board, NODE, BOOT, trust, max_bytes=100_000_000)
        telemetry = stack.enter_context(closing(made))
        archive = stack.enter_context(SqliteArchive(tmp_path / "ground.sqlite"))
        collector = stack.enter_context(Collector(ground, archive, key, [NODE]))
        wide = telemetry.declare(WIDE)
        pause = threading.Event()
        for number in range(1, 6_001):
            wide.sample((float(number),) * 18)
            if number % 10 == 0:
                pause.wait(0.002)
            if chance.random() < 0.001:
                relay.cut()
            if number == 3_000:
                relay.stall()
                pause.wait(0.3)
                relay.resume()
        deadline_s = time.monotonic() + PATIENCE_S
        while telemetry.spooled() or collector.tally.stored_samples < 6_000:
            assert time.monotonic() < deadline_s, f"{telemetry.spooled()} samples are still on board"
            pause.wait(0.05)
        found = [
            (number, row["c17"])
            for each in archive.samples(NODE, "wide", 0, 2**62, 10_000)
            for number, row in zip(each.sequences.tolist(), each.rows, strict=True)
        ]
        assert found == [(number, float(number)) for number in range(1, 6_001)]
