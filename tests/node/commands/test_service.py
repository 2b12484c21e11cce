"""Commands over a real bus: what is answered, what is published, and what strangers achieve."""

from __future__ import annotations

import queue
import secrets
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from heliograph.core import CommandFailedError, LinkLostError, OutputError
from heliograph.link.admission import OTHER_BOOT
from heliograph.link.bus import Bus, Urgency
from heliograph.link.channel import Channel, Stream
from heliograph.link.command import Answer, Command, Journal, JournalEntry, JournalRequest, Stage, StageReport
from heliograph.link.dictionary import Argument, CommandDefinition, Dictionary, Role
from heliograph.link.event import Severity
from heliograph.link.keys import PrivateKey
from heliograph.link.message import decode, encode
from heliograph.link.signature import sign
from heliograph.link.topic import COMMAND, DICTIONARY, JOURNAL, STAGE, topic
from heliograph.link.trust import Pin, Trust
from heliograph.node import call
from heliograph.node.commands.builtin import builtin_commands
from heliograph.node.commands.executor import Executor
from heliograph.node.commands.journal import CommandJournal
from heliograph.node.commands.offers import Offers
from heliograph.node.commands.reporter import StageReporter
from heliograph.node.commands.run import stage_report
from heliograph.node.commands.service import CommandService
from heliograph.testing.bus import connected_buses

BOOT = "00112233"
STREAM = Stream(name="health", channels=(Channel(name="cpu"),))


@pytest.fixture(scope="module")
def buses() -> Iterator[list[Bus]]:
    with connected_buses(2) as buses:
        yield buses


class Node:
    """A node's commands on one bus, and the ground on the other."""

    def __init__(self, folder: Path, ground: Bus, board: Bus) -> None:
        self.ground = ground
        self.key, self.operator, self.admin, self.reader, self.stranger = (PrivateKey.generate() for _ in range(5))
        pins = [
            Pin(self.operator.public, Role.OPERATOR, label="desk"),
            Pin(self.admin.public, Role.ADMIN),
            Pin(self.reader.public, Role.ARCHIVE),
        ]
        self.trust = Trust(pins, None)
        self.go, self.restarting = threading.Event(), threading.Event()
        self.runs: list[str] = []
        self.events: list[tuple[Severity, str, str, dict[str, Any]]] = []
        self.stages: queue.SimpleQueue[StageReport] = queue.SimpleQueue()
        self.id = self.key.public.short
        self.heard = ground.subscribe(
            topic(self.id, STAGE), lambda _, payload: self.stages.put(decode(payload, StageReport))
        )
        self.journal = CommandJournal(folder / "commands.db")
        self.reporter = StageReporter(board, self.key.public, self.trust, self._emit)
        offers = Offers()
        self.executor = Executor(
            self.journal, offers, node=self.key.public, boot=BOOT, report=self.reporter.report, grace_s=0.2
        )
        offers.add([*builtin_commands(self.executor, restart=self.restarting.set), *self._commands()])
        self.service = CommandService(
            board,
            node=self.key.public,
            boot=BOOT,
            trust=self.trust,
            journal=self.journal,
            offers=offers,
            executor=self.executor,
            streams=lambda: (STREAM,),
            emit=self._emit,
        )
        self._counter = 0
        # A queryable is known at the other end a little later.
        while not ground.ask(topic(self.id, DICTIONARY)):
            pass

    def signed(self, name: str, *, key: PrivateKey | None = None, **fields: Any) -> tuple[Command, bytes]:
        self._counter += 1
        given: dict[str, Any] = {
            "id": secrets.token_hex(16),
            "node": self.key.public.hex,
            "boot": BOOT,
            "counter": self._counter,
            "expires_boot_ns": time.clock_gettime_ns(time.CLOCK_BOOTTIME) + 10**11,
            "user": "ada",
        }
        command = Command(name=name, **given | fields)
        return command, sign(command, key or self.operator)

    def ask(self, data: bytes) -> Answer:
        ((_, answer),) = self.ground.ask(topic(self.id, COMMAND), data)
        return decode(answer, Answer)

    def send(self, name: str, **fields: Any) -> Answer:
        return self.ask(self.signed(name, **fields)[1])

    def said(self, command: str) -> list[StageReport]:
        """Wait for the last stage of a command; gives those that were published."""
        found: list[StageReport] = []
        while not found or not found[-1].stage.final:
            report = self.stages.get(timeout=10)
            found += [report] if report.command == command else []
        return found

    def journalled(self, command: str = "") -> tuple[JournalEntry, ...]:
        ((_, answer),) = self.ground.ask(topic(self.id, JOURNAL), encode(JournalRequest(command=command)))
        return decode(answer, Journal).entries

    def close(self) -> None:
        self.go.set()
        self.service.close()
        self.executor.close(5.0)
        self.reporter.close()
        self.journal.close()
        self.heard.close()

    def _emit(self, severity: Severity, name: str, message: str, **arguments: Any) -> None:
        self.events.append((severity, name, message, arguments))

    def _commands(self) -> list[call.Command]:
        def wait(running: call.Call) -> str:
            self.runs.append(running.id)
            while not self.go.wait(0.005):
                if running.cancelled.is_set():
                    raise CommandFailedError("gave up")
            return running.key

        level = Argument(name="level", type="integer", minimum=0, maximum=9, default=5)
        return [
            call.Command(
                CommandDefinition(name="wait", description="Wait.", arguments=(level,), cancellable=True), wait
            )
        ]


@pytest.fixture
def node(buses: list[Bus], tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path, *buses)
    yield node
    node.close()


def test_a_command_is_answered_before_it_ends_and_its_stages_are_published(node: Node) -> None:
    command, data = node.signed("wait")
    assert [each.stage for each in node.ask(data).stages][:2] == [Stage.RECEIVED, Stage.ACCEPTED]
    node.go.set()
    said = node.said(command.id)
    assert [each.stage for each in said] == [Stage.RECEIVED, Stage.ACCEPTED, Stage.STARTED, Stage.COMPLETED]
    assert said[-1].result == node.operator.public.hex
    (entry,) = node.journalled(command.id)
    assert (entry.command, entry.key, list(entry.stages)) == (command, node.operator.public.hex, said)


def test_an_event_tells_each_stage(node: Node) -> None:
    node.go.set()
    command, data = node.signed("wait")
    node.ask(data)
    node.said(command.id)
    assert [name for _, name, _, _ in node.events] == [
        "command.received",
        "command.accepted",
        "command.started",
        "command.completed",
    ]
    severity, _, message, arguments = node.events[-1]
    assert severity is Severity.COMMAND
    assert message.startswith("wait (ada, key desk) completed after 0.0")
    assert arguments["id"] == command.id
    assert (arguments["command"], arguments["user"], arguments["key"]) == ("wait", "ada", "key desk")
    assert 0 <= arguments["duration_s"] < 5


def test_the_same_bytes_give_the_stages_so_far_and_run_once(node: Node) -> None:
    command, data = node.signed("wait")
    for _ in range(3):
        assert node.ask(data).stages[-1].stage in (Stage.ACCEPTED, Stage.STARTED)
    node.go.set()
    node.said(command.id)
    assert node.ask(data).stages[-1].stage is Stage.COMPLETED
    assert node.runs == [command.id]


def test_who_wraps_a_command_anew_on_its_way_makes_no_other_of_it(node: Node) -> None:
    command, data = node.signed("wait")
    node.go.set()
    kind, version, fields = msgspec.msgpack.decode(data)
    wrapped = msgspec.msgpack.encode([kind, version, {**fields, "more": 1}])
    assert node.ask(wrapped).stages[1].stage is Stage.ACCEPTED
    node.said(command.id)
    assert node.ask(data).stages[-1].stage is Stage.COMPLETED
    assert node.runs == [command.id]


def test_many_at_once_run_once(node: Node) -> None:
    node.go.set()
    _, data = node.signed("wait")
    threads = [threading.Thread(target=node.ask, args=(data,)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(node.runs) == 1


def test_the_same_id_with_other_bytes_is_refused(node: Node) -> None:
    node.go.set()
    command, data = node.signed("wait")
    node.ask(data)
    answer = node.ask(node.signed("wait", id=command.id)[1])
    assert answer.command == command.id
    assert "draw a new one" in answer.stages[-1].reason
    assert node.said(command.id)[-1].stage is Stage.COMPLETED
    assert node.runs == [command.id]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"name": "wiat"}, "no command 'wiat'"),
        ({"name": "node.restart"}, "node.restart needs the role admin"),
        ({"arguments": {"level": 10}}, "level must be 0 to 9"),
        ({"expires_boot_ns": 1}, "expired"),
        ({"boot": "another"}, OTHER_BOOT),
        ({"node": "ab" * 32}, "for another node"),
    ],
)
def test_what_a_trusted_key_signed_and_is_refused_is_in_the_journal(
    node: Node, fields: dict[str, Any], reason: str
) -> None:
    command, data = node.signed(**{"name": "wait"} | fields)
    answer = node.ask(data)
    assert [each.stage for each in answer.stages] == [Stage.RECEIVED, Stage.REFUSED]
    assert reason in answer.stages[-1].reason
    assert node.said(command.id) == list(answer.stages)
    assert node.ask(data) == answer
    assert [each.stages for each in node.journalled()] == [answer.stages]
    assert node.events[-1][:2] == (Severity.WARNING, "command.refused")
    assert node.runs == []


def test_a_refused_command_has_used_its_counter_up(node: Node) -> None:
    """A change of roles must not let it run later."""
    command, data = node.signed("wait", key=node.reader)
    assert "needs the role operator" in node.ask(data).stages[-1].reason
    assert node.journal.window_of(node.reader.public.hex).highest == command.counter
    other, _ = node.signed("wait", node="ab" * 32, counter=1 << 40)
    node.ask(sign(other, node.reader))
    assert node.journal.window_of(node.reader.public.hex).highest == command.counter


def test_what_nobody_trusted_signed_is_refused_and_leaves_no_trace(node: Node) -> None:
    command, data = node.signed("wait", key=node.stranger)
    flood = [
        data,
        encode(command),
        b"",
        b"garbage",
        data[:-1],
        encode(JournalRequest()),
        b"\xc1" * 1000,
        b"x" * 300_000,
    ]
    for each in flood * 5:
        answer = node.ask(each)
        assert answer.stages[-1].stage is Stage.REFUSED
        assert answer.stages[-1].reason
    assert node.journalled() == ()
    assert node.stages.empty()
    # One event now, the next in ten seconds.
    assert [(severity, name) for severity, name, _, _ in node.events] == [(Severity.WARNING, "command.untrusted")]
    assert "is not trusted by this node" in node.events[0][2]
    assert node.runs == []


def test_a_large_signed_command_is_not_journalled(node: Node) -> None:
    _, data = node.signed("wait", arguments={"level": "x" * 200_000})
    assert "too large" in node.ask(data).stages[-1].reason
    assert node.journalled() == ()


def test_who_took_his_own_key_away_still_learns_what_became_of_it(node: Node) -> None:
    node.go.set()
    command, data = node.signed("wait")
    node.ask(data)
    node.said(command.id)
    node.trust.revoke(node.operator.public)
    assert node.ask(data).stages[-1].stage is Stage.COMPLETED


def test_a_cancel_ends_a_command_even_when_all_threads_are_taken(node: Node) -> None:
    waiting = [node.signed("wait") for _ in range(8 + 32)]
    for _, data in waiting:
        assert not node.ask(data).stages[-1].stage.final
    assert "busy" in node.send("wait").stages[-1].reason
    command, data = node.signed("command.cancel", arguments={"id": waiting[0][0].id})
    node.ask(data)
    assert node.said(waiting[0][0].id)[-1].reason in ("cancelled by ada: gave up", "cancelled by ada before it began")
    (entry,) = node.journalled(command.id)
    assert entry.command == command


def test_a_command_that_is_not_under_way_cannot_be_cancelled(node: Node) -> None:
    command, data = node.signed("command.cancel", arguments={"id": "0" * 32})
    node.ask(data)
    end = node.said(command.id)[-1]
    assert (end.stage, end.reason) == (Stage.FAILED, f"no command with the id {'0' * 32} is under way")


@pytest.mark.parametrize("name", ["node.ping", "cmdDisp.CMD_NO_OP"])
def test_a_ping_gives_the_nodes_clocks(node: Node, name: str) -> None:
    before_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME), time.time_ns()
    command, data = node.signed(name)
    node.ask(data)
    result = node.said(command.id)[-1].result
    assert before_ns[0] <= result["boot_time_ns"] <= time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    assert before_ns[1] <= result["wall_time_ns"] <= time.time_ns()
    assert 0 <= result["uptime_s"] < 60


def test_a_restart_is_told_as_completed_before_the_program_ends(node: Node) -> None:
    command, data = node.signed("node.restart", key=node.admin)
    node.ask(data)
    assert node.restarting.wait(10)
    node.service.close()
    node.executor.close(5.0)
    node.reporter.close()
    assert node.said(command.id)[-1].stage is Stage.COMPLETED


def test_the_dictionary_has_commands_and_streams(node: Node) -> None:
    ((_, answer),) = node.ground.ask(topic(node.id, DICTIONARY))
    dictionary = decode(answer, Dictionary)
    assert [each.name for each in dictionary.commands] == ["command.cancel", "node.ping", "node.restart", "wait"]
    assert dictionary.streams == (STREAM,)


def test_a_question_about_the_journal_that_is_none_has_no_answer(node: Node) -> None:
    assert node.ground.ask(topic(node.id, JOURNAL), b"garbage") == []


def test_a_newer_version_is_refused_with_its_reason(node: Node) -> None:
    _, data = node.signed("wait")
    newer = msgspec.msgpack.decode(data)
    newer[1] += 1
    assert "bring heliograph up to date" in node.ask(msgspec.msgpack.encode(newer)).stages[-1].reason


def test_where_there_is_no_journal_every_command_is_answered_with_that(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(*_: object) -> None:
        raise OutputError("journal.db cannot be opened: free some room")

    for name in ("transaction", "query"):
        monkeypatch.setattr(node.journal._database, name, nothing)
    for name in ("wait", "wait", "no such thing"):
        assert node.send(name).stages[-1].stage is Stage.REFUSED
    _, data = node.signed("wait")
    assert "cannot be opened" in node.ask(data).stages[-1].reason
    monkeypatch.undo()
    assert "replayed" in node.ask(data).stages[-1].reason
    assert node.runs == []


class StuckBus:
    """A link that takes nothing until it is let go, and then is closed."""

    def __init__(self) -> None:
        self.go = threading.Event()

    def publish(self, key: str, payload: bytes, urgency: Urgency = Urgency.LIVE) -> None:
        self.go.wait(10)
        raise LinkLostError("closed")


def test_a_link_that_takes_nothing_delays_no_command() -> None:
    bus, key = StuckBus(), PrivateKey.generate().public
    reporter = StageReporter(bus, key, Trust([], None), lambda *_, **__: None)  # type: ignore[arg-type]  # publish alone
    report = stage_report("1", 1, Stage.PROGRESS)
    command = Command(id="1", node="", boot="", counter=1, expires_boot_ns=0, name="note")
    began_s = time.monotonic()
    for _ in range(1000):
        reporter.report(JournalEntry(command=command, key="", stages=(report,)))
    reporter.close(0.1)
    assert time.monotonic() - began_s < 5
    bus.go.set()
