"""Commands over a real link that is cut, stalls, and has a node at its end that restarts."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest

from heliograph.core import CommandFailedError
from heliograph.link import command as link_command
from heliograph.link.admission import OTHER_BOOT
from heliograph.link.bus import Bus
from heliograph.link.command import Answer, JournalRequest, Stage, StageReport
from heliograph.link.commander import Commander
from heliograph.link.dictionary import Argument, CommandDefinition, Role
from heliograph.link.discovery import Node, find_node
from heliograph.link.keys import PrivateKey
from heliograph.link.message import decode
from heliograph.link.settings import PORT, LinkSettings
from heliograph.link.signature import sign
from heliograph.link.topic import COMMAND, topic
from heliograph.link.trust import Pin, Trust
from heliograph.link.zenoh import open_bus
from heliograph.node.call import Call, Command
from heliograph.testing.addresses import loopback_address
from heliograph.testing.command_board import command_board
from heliograph.testing.tcp_relay import TcpRelay

TAKE = CommandDefinition(name="camera.take", description="Takes pictures.", arguments=(Argument(name="label"),))


class Site:
    """A board that can restart, a relay before it, and the ground behind that."""

    def __init__(self, folder: Path, bus: Bus, ground: Bus, relay: TcpRelay) -> None:
        self.folder, self.bus, self.ground, self.relay = folder, bus, ground, relay
        self.ran: list[str] = []
        self.begun, self.go = threading.Event(), threading.Event()
        self.board_key, key = PrivateKey.generate(), PrivateKey.generate()
        self.trust = Trust([Pin(key.public, Role.OPERATOR)], None)
        self.commander = Commander(ground, key, folder / "counters")

    def board(self) -> Any:
        return command_board(self.bus, self.folder, self.board_key, self.trust, [Command(TAKE, self.take)])

    def take(self, call: Call) -> str:
        label = call.arguments["label"]
        self.ran.append(label)
        self.begun.set()
        while not self.go.wait(0.01):
            call.progress("exposing")
            if call.cancelled.is_set():
                raise CommandFailedError("the shutter was closed early")
        return f"{label} is taken"

    def send(self, node: Node, label: str, **options: Any) -> tuple[StageReport, list[StageReport]]:
        seen: list[StageReport] = []
        report = self.commander.send(
            node, "camera.take", {"label": label}, user="ada", on_stage=seen.append, timeout_s=30, **options
        )
        assert seen[-1] == report
        return report, seen


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with loopback_address() as address, TcpRelay((address, PORT)) as relay:
        bus = open_bus(LinkSettings(listen=(f"tcp/{address}:{PORT}",)))
        host, port = relay.address
        ground = open_bus(LinkSettings(mode="router", listen=(), connect=(f"tcp/{host}:{port}",)), wait_s=10)
        try:
            yield Site(tmp_path, bus, ground, relay)
        finally:
            ground.close()
            bus.close()


def test_a_link_that_is_cut_again_and_again_loses_no_outcome(site: Site) -> None:
    dice, done = random.Random(4), threading.Event()
    with site.board():
        site.go.set()
        node = find_node(site.ground, "board", timeout_s=10)
        site.commander.dictionary(node)

        def cut() -> None:
            while not done.wait(dice.uniform(0.0, 0.4)):
                site.relay.cut()

        cutting = threading.Thread(target=cut)
        cutting.start()
        try:
            for number in range(12):
                report, seen = site.send(node, str(number))
                assert report.result == f"{number} is taken"
                numbers = [each.number for each in seen]
                assert numbers == sorted(set(numbers))
        finally:
            done.set()
            cutting.join()
    assert site.ran == [str(number) for number in range(12)]


def test_a_command_that_runs_while_the_link_is_dead_is_followed_to_its_end(site: Site) -> None:
    with site.board():
        node = find_node(site.ground, "board", timeout_s=10)

        def outage() -> None:
            site.begun.wait(10)
            site.relay.stall()
            site.go.set()
            time.sleep(0.5)  # an outage of the network, which nothing tells of
            site.relay.cut()
            site.relay.resume()

        cutting = threading.Thread(target=outage)
        cutting.start()
        report, _ = site.send(node, "one")
        cutting.join()
    assert (report.stage, report.result) == (Stage.COMPLETED, "one is taken")


def test_a_command_for_the_run_before_a_restart_is_sent_to_the_new_one(site: Site) -> None:
    with site.board() as first:
        old = find_node(site.ground, "board", timeout_s=10)
        site.commander.dictionary(old)
    with site.board() as second:
        find_node(site.ground, "board", timeout_s=10)
        site.go.set()
        report, seen = site.send(old, "one")
        assert report.stage is Stage.COMPLETED
        assert [each.reason for each in seen if each.stage is Stage.REFUSED] == [OTHER_BOOT]
        entries = second.journal.entries(JournalRequest())
    assert first.boot != second.boot
    assert [entry.stages[-1].stage for entry in entries] == [Stage.REFUSED, Stage.COMPLETED]
    assert site.ran == ["one"]


def test_a_command_that_a_restart_ends_is_not_run_again(site: Site) -> None:
    ended = threading.Event()

    def restart() -> None:
        site.begun.wait(10)
        # Nobody hears the end of it: the next run of the node has it in its journal.
        site.relay.stall()
        first.close()
        with site.board():
            site.relay.cut()
            site.relay.resume()
            ended.wait(30)

    with ExitStack() as first:
        first.enter_context(site.board())
        node = find_node(site.ground, "board", timeout_s=10)
        restarting = threading.Thread(target=restart)
        restarting.start()
        try:
            report, _ = site.send(node, "one")
        finally:
            ended.set()
            restarting.join()
    assert report.stage is Stage.CANCELLED
    assert site.ran == ["one"]


def test_what_was_recorded_on_the_link_does_nothing_when_it_is_said_again(site: Site) -> None:
    site.go.set()
    key = PrivateKey.generate()
    site.trust.add(key.public, Role.OPERATOR)

    def say(node: Node, **fields: Any) -> tuple[StageReport, ...]:
        command = msgspec.structs.replace(first, expires_boot_ns=node.now_boot_ns() + 10**10, **fields)
        return said(node, sign(command, key))

    def said(node: Node, data: bytes) -> tuple[StageReport, ...]:
        ((_, answer),) = site.ground.ask(topic(node.id, COMMAND), data)
        return decode(answer, Answer).stages

    with site.board() as board:
        node = find_node(site.ground, "board", timeout_s=10)
        first = link_command.Command(
            id="1" * 32,
            node=node.key.hex,
            boot=node.boot,
            counter=5,
            expires_boot_ns=node.now_boot_ns() + 10**10,
            name="camera.take",
            arguments={"label": "one"},
        )
        recorded = sign(first, key)
        assert said(node, recorded)[-1].stage is Stage.ACCEPTED
        wanted = JournalRequest(command=first.id)
        deadline_s = time.monotonic() + 10
        while not board.journal.entries(wanted)[0].stages[-1].stage.final:
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
        # Whoever has the very bytes is told what became of them, and no more.
        assert said(node, recorded)[-1].stage is Stage.COMPLETED
        assert said(node, recorded + b"\0")[-1].stage is Stage.REFUSED
        assert "replayed: counter 5" in say(node, id="2" * 32)[-1].reason
        assert "had the id" in say(node, counter=6)[-1].reason
    with site.board():
        node = find_node(site.ground, "board", timeout_s=10)
        assert said(node, recorded)[-1].stage is Stage.COMPLETED
        assert say(node, id="3" * 32, counter=7)[-1].reason == OTHER_BOOT
        assert "replayed: counter 5" in say(node, id="4" * 32, boot=node.boot)[-1].reason
    assert site.ran == ["one"]
