"""The part of a node that measures and tells, without cameras and commands, for tests and benchmarks."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from heliograph.link.bus import Bus
from heliograph.link.dictionary import Dictionary
from heliograph.link.keys import PrivateKey
from heliograph.link.message import encode
from heliograph.link.topic import DICTIONARY, topic
from heliograph.link.trust import Trust
from heliograph.node.hello import HelloService
from heliograph.node.telemetry import Telemetry


@contextmanager
def telemetry_board(
    bus: Bus, folder: Path, key: PrivateKey, trust: Trust, *, name: str = "cam-1", max_bytes: int = 1_000_000_000
) -> Iterator[Telemetry]:
    """Give the telemetry of a node that says who it is and what it measures."""
    node, boot = key.public.short, secrets.token_hex(8)
    with closing(Telemetry(folder, bus, node, boot, trust, max_bytes=max_bytes)) as telemetry:

        def dictionary(_: str, __: bytes) -> list[bytes]:
            return [encode(Dictionary(commands=(), streams=telemetry.streams()))]

        with (
            closing(bus.answer(topic(node, DICTIONARY), dictionary)),
            closing(
                HelloService(
                    bus,
                    key,
                    name,
                    boot,
                    counter_of=lambda _: 0,
                    files="",
                    spooled=telemetry.spooled,
                    archive=lambda: trust.archive_key,
                )
            ),
        ):
            yield telemetry
