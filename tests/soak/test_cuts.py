"""The link is cut at any byte of what board and ground say: nothing is lost, and nothing happens twice."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from heliograph.core import HeliographError
from heliograph.link.archive import SqliteArchive
from heliograph.link.bus import Bus
from heliograph.link.channel import Channel, Stream
from heliograph.link.collector import Collector
from heliograph.link.command import Stage
from heliograph.link.commander import Commander
from heliograph.link.dictionary import Argument, CommandDefinition, Role
from heliograph.link.discovery import find_node
from heliograph.link.keys import PrivateKey
from heliograph.link.settings import PORT, LinkSettings
from heliograph.link.trust import Pin, Trust
from heliograph.link.zenoh import open_bus
from heliograph.node.call import Call, Command
from heliograph.node.telemetry import Telemetry
from heliograph.testing.addresses import loopback_address
from heliograph.testing.command_board import command_board
from heliograph.testing.tcp_relay import TcpRelay

STREAM = Stream(name="wide", channels=tuple(Channel(name=f"c{at}") for at in range(18)))
# Between a single message and some seconds of all that is said; a handshake of the link has some hundred.
MOST_BYTES = 20_000
PATIENCE_S = 40.0


class Effects:
    """The commands of the board: what each of them did is counted."""

    def __init__(self) -> None:
        self.happened: Counter[int] = Counter()
        argument = Argument(name="number", type="integer", description="Which one it is.")
        definition = CommandDefinition(name="test.effect", description="Is counted.", arguments=(argument,))
        self.command = Command(definition, self._run)

    def _run(self, call: Call) -> Any:
        self.happened[call.arguments["number"]] += 1
        return call.arguments["number"]


class Orders:
    """Sends one command after the other until it is ended."""

    def __init__(self, bus: Bus, key: PrivateKey, counters: Path) -> None:
        self.ends: list[Stage | str] = []
        self._bus, self._key = bus, key
        self._commander = Commander(bus, key, counters)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                node = find_node(self._bus, "board", timeout_s=PATIENCE_S)
                number = len(self.ends)
                report = self._commander.send(node, "test.effect", {"number": number}, user="soak", timeout_s=20)
                self.ends.append(report.stage)
            except HeliographError as error:
                self.ends.append(type(error).__name__)


def test_cut_at_any_byte(length: Any, tmp_path: Path) -> None:
    dice = random.Random(length.seed)
    board_key, ground_key = PrivateKey.generate(), PrivateKey.generate()
    trust = Trust([Pin(ground_key.public, Role.ADMIN, archive=True)], None)
    effects = Effects()
    with ExitStack() as stack:
        address = stack.enter_context(loopback_address())
        # As a node is by default, and as programs of the ground are.
        board = stack.enter_context(closing(open_bus(LinkSettings(mode="peer", listen=(f"tcp/{address}:{PORT}",)))))
        relay = stack.enter_context(TcpRelay((address, PORT)))
        near = LinkSettings(mode="router", listen=(), connect=(f"tcp/{relay.address[0]}:{relay.address[1]}",))
        ground = stack.enter_context(closing(open_bus(near, wait_s=PATIENCE_S)))
        up = stack.enter_context(command_board(board, tmp_path, board_key, trust, [effects.command]))
        node = board_key.public.short
        telemetry = stack.enter_context(
            closing(Telemetry(tmp_path / "telemetry", board, node, up.boot, trust, max_bytes=100_000_000))
        )
        archive = stack.enter_context(SqliteArchive(tmp_path / "ground.sqlite"))
        collector = stack.enter_context(Collector(ground, archive, ground_key, [node]))
        recorder = telemetry.declare(STREAM)
        orders = Orders(ground, ground_key, tmp_path / "counters")
        samples = 0
        for _ in range(length.cuts):
            relay.cut_after(dice.randrange(MOST_BYTES), to_target=dice.random() < 0.5)
            while not relay.struck.wait(0.01):
                samples += 1
                recorder.sample((float(samples),) * 18)
        orders.end()
        deadline_s = time.monotonic() + PATIENCE_S
        while telemetry.spooled() or collector.tally.stored_samples < samples:
            assert time.monotonic() < deadline_s, f"{telemetry.spooled()} samples are still on board"
            time.sleep(0.05)
        found = [
            (number, row["c17"])
            for each in archive.samples(node, "wide", 0, 2**62)
            for number, row in zip(each.sequences.tolist(), each.rows, strict=True)
        ]
    assert found == [(number, float(number)) for number in range(1, samples + 1)]
    print(f"{length.cuts} cuts, {samples} samples, commands {dict(Counter(map(str, orders.ends)))}")
    for number, end in enumerate(orders.ends):
        happened = effects.happened[number]
        assert happened <= 1
        if end is Stage.COMPLETED:
            assert happened == 1
    assert Stage.COMPLETED in orders.ends
