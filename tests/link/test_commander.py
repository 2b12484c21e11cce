"""The ground's side of a command, on a link that loses what it likes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.core import (
    CommandFailedError,
    CommandRefusedError,
    LinkLostError,
    MessageVersionError,
    NodeNotFoundError,
    SettingError,
)
from heliograph.link import commander as module
from heliograph.link.admission import OTHER_BOOT
from heliograph.link.bus import Answerer, Closable, Handler, PresenceHandler, Urgency
from heliograph.link.command import Answer, Command, Journal, JournalEntry, JournalRequest, Stage, StageReport
from heliograph.link.commander import Commander, outcome
from heliograph.link.dictionary import Argument, CommandDefinition, Dictionary
from heliograph.link.discovery import Node
from heliograph.link.keys import PrivateKey
from heliograph.link.message import decode, encode
from heliograph.link.presence import Hello
from heliograph.link.signature import unseal
from heliograph.link.topic import COMMAND, DICTIONARY, JOURNAL, STAGE, topic

KEY, NODE_KEY = PrivateKey.generate(), PrivateKey.generate()
ID = NODE_KEY.public.short
DICTIONARY_OF_NODE = Dictionary(
    commands=(
        CommandDefinition(name="node.ping", description="Answer.", aliases=("cmdDisp.CMD_NO_OP",)),
        CommandDefinition(name="wait", description="", arguments=(Argument(name="time", type="number", maximum=10),)),
    )
)


def node(boot: str = "a" * 16, counter: int = 0) -> Node:
    hello = Hello(
        nonce=b"", name="cam-1", key=NODE_KEY.public.hex, boot=boot, boot_time_ns=0, wall_time_ns=0, counter=counter
    )
    return Node(hello, NODE_KEY.public, 0, 0)


class Board:
    """A bus with a node behind it, which runs each command at once; what the link does to it is set by a test."""

    def __init__(self) -> None:
        self.boot = "a" * 16
        self.asked: list[str] = []
        self.received: list[bytes] = []
        self.journal: dict[str, tuple[Command, list[StageReport]]] = {}
        self.ends = [Stage.RECEIVED, Stage.ACCEPTED, Stage.STARTED, Stage.PROGRESS, Stage.COMPLETED]
        self.refusal = ""
        self.loses_question: Callable[[str], bool] = lambda word: False
        self.loses_answer: Callable[[str], bool] = lambda word: False
        self.says: Callable[[list[StageReport]], Iterable[StageReport]] = lambda stages: stages
        self.handlers: list[Handler] = []
        self.closed = 0

    def ask(self, key: str, payload: bytes = b"", *, timeout_s: float = 5.0) -> list[tuple[str, bytes]]:
        word = key.split("/")[2]
        self.asked.append(word)
        if self.loses_question(word):
            return []
        answers: dict[str, Callable[[bytes], bytes]] = {
            COMMAND: self.take,
            JOURNAL: self.look,
            DICTIONARY: lambda _: encode(DICTIONARY_OF_NODE),
        }
        answer = answers[word](payload)
        return [] if self.loses_answer(word) else [(key, answer)]

    def take(self, data: bytes) -> bytes:
        self.received.append(data)
        _, command = unseal(data, Command)
        if command.id not in self.journal:
            wrong = OTHER_BOOT if command.boot != self.boot else self.refusal
            ends = [Stage.RECEIVED, Stage.REFUSED] if wrong else self.ends
            stages = [
                StageReport(
                    command=command.id,
                    number=n,
                    stage=stage,
                    boot_time_ns=n,
                    wall_time_ns=n,
                    reason=wrong if n == 2 else "",
                )
                for n, stage in enumerate(ends, 1)
            ]
            self.journal[command.id] = command, stages
            for report in self.says(stages):
                for handler in self.handlers:
                    handler(topic(ID, STAGE), encode(report))
        # As it is when the answer leaves: accepted, and nothing of what comes.
        return encode(Answer(command=command.id, stages=tuple(self.journal[command.id][1][:2])))

    def look(self, payload: bytes) -> bytes:
        wanted = decode(payload, JournalRequest).command
        kept = [each for each in self.journal.values() if each[0].id == wanted]
        return encode(
            Journal(
                entries=tuple(
                    JournalEntry(command=command, key=KEY.public.hex, stages=tuple(stages)) for command, stages in kept
                )
            )
        )

    def subscribe(self, key: str, handler: Handler) -> Closable:
        assert key == topic(ID, STAGE)
        self.handlers.append(handler)
        return self

    def close(self) -> None:
        self.closed += 1

    def publish(self, key: str, payload: bytes, urgency: Urgency = Urgency.LIVE) -> None:
        raise NotImplementedError

    def answer(self, key: str, answerer: Answerer) -> Closable:
        raise NotImplementedError

    def be_present(self, key: str) -> Closable:
        raise NotImplementedError

    def watch_presence(self, key: str, handler: PresenceHandler) -> Closable:
        raise NotImplementedError


@pytest.fixture(autouse=True)
def impatient() -> Iterator[None]:
    """Shorten every wait: nothing here takes time."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("_AGAIN_S", "_SILENCE_S", "_QUESTION_S"):
            patch.setattr(module, name, 0.005)
        patch.setattr(module, "_LONGEST_SILENCE_S", 0.01)
        yield


@pytest.fixture
def board() -> Board:
    return Board()


@pytest.fixture
def commander(board: Board, tmp_path: Path) -> Commander:
    return Commander(board, KEY, tmp_path / "counters")


def ping(commander: Commander, to: Node | None = None, **options: Any) -> tuple[StageReport, list[Stage]]:
    seen: list[StageReport] = []
    report = commander.send(to or node(), "node.ping", {}, user="ada", on_stage=seen.append, **options)
    for each in {report.command for report in seen}:
        numbers = [report.number for report in seen if report.command == each]
        assert numbers == sorted(set(numbers))
    assert seen[-1] == report
    return report, [each.stage for each in seen]


def test_every_stage_is_given_once_and_in_order(board: Board, commander: Commander) -> None:
    report, stages = ping(commander)
    assert report.stage is Stage.COMPLETED
    assert stages == board.ends
    assert board.closed == 1


def test_what_is_sent_is_signed_for_this_run_of_this_node(board: Board, commander: Commander) -> None:
    before_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    commander.send(node(counter=5), "wait", {"time": 2}, user="ada", expires_s=60)
    signer, command = unseal(board.received[0], Command)
    assert signer == KEY.public
    assert (command.node, command.boot, command.user) == (NODE_KEY.public.hex, "a" * 16, "ada")
    assert (command.name, command.arguments) == ("wait", {"time": 2.0})
    assert 59.9e9 < command.expires_boot_ns - before_ns < 90e9
    assert command.counter > 1_700_000_000_000_000


def test_counters_rise_above_what_the_node_saw(board: Board, commander: Commander) -> None:
    ping(commander)
    ping(commander, node(counter=2**60))
    ping(commander)
    counters = [unseal(data, Command)[1].counter for data in board.received]
    assert counters[1:] == [2**60 + 1, 2**60 + 2]
    assert counters[0] < counters[1]


def test_a_clock_that_is_set_back_by_hours_changes_nothing(
    board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_ns, counters = time.time_ns(), list[int]()
    for number, hours in enumerate((0, -5, 5, -1_000)):
        monkeypatch.setattr(time, "time_ns", lambda hours=hours: now_ns + hours * 3_600 * 10**9)
        # With the third the file of counters is lost: the node says what it has seen.
        folder = tmp_path / ("lost" if number == 2 else "kept")
        ping(Commander(board, KEY, folder), node(counter=max(counters, default=0)))
        counters.append(unseal(board.received[-1], Command)[1].counter)
    assert counters == sorted(set(counters))


def test_a_node_that_claims_an_absurd_counter_spoils_no_other_s(board: Board, tmp_path: Path) -> None:
    commander = Commander(board, KEY, tmp_path)
    ping(commander, node(counter=2**62))
    assert [file.name for file in tmp_path.iterdir()] == [f"{KEY.public.short}-{ID}"]


def test_the_same_bytes_go_again_until_they_are_answered(board: Board, commander: Commander) -> None:
    lost = iter([True, True, False])
    board.loses_answer = lambda word: word == COMMAND and next(lost, False)
    board.says = lambda stages: []
    report, stages = ping(commander)
    assert report.stage is Stage.COMPLETED
    assert stages == board.ends
    assert len(board.received) == 3
    assert len(set(board.received)) == 1


def test_a_stage_that_is_heard_while_the_answer_is_lost_is_enough(board: Board, commander: Commander) -> None:
    board.loses_answer = lambda word: word == COMMAND
    report, stages = ping(commander)
    assert report.stage is Stage.COMPLETED
    assert stages == board.ends


def test_lost_stages_come_from_the_journal(board: Board, commander: Commander) -> None:
    board.says = lambda stages: []
    assert ping(commander)[1] == board.ends


def test_a_command_that_arrived_though_every_answer_was_lost_is_found_in_the_journal(
    board: Board, commander: Commander
) -> None:
    board.loses_answer = lambda word: word == COMMAND
    board.says = lambda stages: []
    assert ping(commander, expires_s=0.05)[1] == board.ends


def test_a_command_that_never_arrived_is_known_not_to_have_run(board: Board, commander: Commander) -> None:
    board.loses_question = lambda word: word == COMMAND
    with pytest.raises(LinkLostError, match="never reached cam-1 and has expired: it was not run"):
        ping(commander, expires_s=0.05)


def test_a_node_that_is_silent_leaves_it_open_whether_the_command_runs(board: Board, commander: Commander) -> None:
    commander.dictionary(node())
    board.loses_question = lambda word: True
    for expires_s in (0.01, 30.0):
        with pytest.raises(LinkLostError, match=r"did not answer in time: node.ping may .*run"):
            ping(commander, expires_s=expires_s, timeout_s=0.1)


def test_the_outcome_is_found_when_the_link_is_back(
    board: Board, commander: Commander, caplog: pytest.LogCaptureFixture
) -> None:
    board.says = lambda stages: []
    asked = iter(range(100))
    board.loses_question = lambda word: word == JOURNAL and next(asked) < 5
    assert ping(commander)[0].stage is Stage.COMPLETED
    # Told once, not each time.
    assert [each.message for each in caplog.records] == ["cam-1 does not answer: asking again until it does"]


def test_without_waiting_the_first_stages_are_given(board: Board, commander: Commander) -> None:
    board.says = lambda stages: []
    report, stages = ping(commander, wait=False)
    assert report.stage is Stage.ACCEPTED
    assert stages == [Stage.RECEIVED, Stage.ACCEPTED]


def test_when_the_time_is_over_the_newest_stage_is_given(board: Board, commander: Commander) -> None:
    board.ends = [Stage.RECEIVED, Stage.ACCEPTED, Stage.STARTED]
    report, _ = ping(commander, timeout_s=0.1)
    assert report.stage is Stage.STARTED
    assert outcome(report) is None


def test_a_refusal_is_the_end(board: Board, commander: Commander) -> None:
    board.refusal = "busy: try again"
    report, stages = ping(commander)
    assert (report.stage, report.reason) == (Stage.REFUSED, "busy: try again")
    assert stages == [Stage.RECEIVED, Stage.REFUSED]
    assert len(board.received) == 1


def test_after_a_restart_the_command_is_signed_anew_for_the_new_run(
    board: Board, commander: Commander, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    board.boot = "b" * 16
    monkeypatch.setattr(
        module, "find_node", lambda bus, name, key: node("b" * 16) if name == NODE_KEY.public.hex else 0
    )
    report, stages = ping(commander)
    assert report.stage is Stage.COMPLETED
    assert stages == [Stage.RECEIVED, Stage.REFUSED, *board.ends]
    first, second = (unseal(data, Command)[1] for data in board.received)
    assert first.id != second.id
    assert first.counter < second.counter
    assert "cam-1 has restarted: node.ping is signed anew" in caplog.text


def test_a_node_that_restarts_and_is_gone_leaves_the_refusal(
    board: Board, commander: Commander, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object, **__: object) -> Node:
        raise NodeNotFoundError("no node answers")

    board.boot = "b" * 16
    monkeypatch.setattr(module, "find_node", gone)
    assert ping(commander)[0].reason == OTHER_BOOT
    # One that answers in the name of the old run is no reason to go on either.
    monkeypatch.setattr(module, "find_node", lambda *_, **__: node())
    assert ping(commander)[0].reason == OTHER_BOOT
    assert len(board.received) == 2


@settings(max_examples=40)
@given(st.lists(st.booleans(), max_size=12), st.lists(st.integers(0, 4), max_size=12))
def test_no_outcome_is_lost_whatever_is_lost_on_the_way(lost: list[bool], heard: list[int]) -> None:
    import tempfile

    board = Board()
    fates = iter(lost)
    board.loses_question = lambda word: word != DICTIONARY and next(fates, False)
    board.loses_answer = lambda word: word != DICTIONARY and next(fates, False)
    board.says = lambda stages: [stages[index] for index in heard]
    with tempfile.TemporaryDirectory() as folder:
        report, stages = ping(Commander(board, KEY, Path(folder)))
    assert report.stage is Stage.COMPLETED
    assert stages == board.ends
    assert len(set(board.received)) == len(board.journal) == 1


def test_stages_of_others_and_garbage_are_passed_over(
    board: Board, commander: Commander, caplog: pytest.LogCaptureFixture
) -> None:
    others = StageReport(command="f" * 32, number=3, stage=Stage.FAILED, boot_time_ns=0, wall_time_ns=0)

    def says(stages: list[StageReport]) -> Iterable[StageReport]:
        board.handlers[0]("", b"garbage")
        return [others, *stages]

    board.says = says
    assert ping(commander)[1] == board.ends
    assert "was not understood" in caplog.text


def test_a_node_that_does_not_understand_the_command_says_so(board: Board, commander: Commander) -> None:
    refused = StageReport(command="", number=1, stage=Stage.REFUSED, boot_time_ns=0, wall_time_ns=0, reason="version 2")
    answer = encode(Answer(command="", stages=(refused,)))
    board.take = lambda data: answer  # type: ignore[method-assign]
    assert ping(commander)[0] == refused


def test_an_answer_of_a_newer_version_is_no_reason_to_ask_again(board: Board, commander: Commander) -> None:
    board.take = lambda data: msgspec.msgpack.encode(["answer", 2, {}])  # type: ignore[method-assign]
    with pytest.raises(MessageVersionError, match="version 2"):
        ping(commander)


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("node.pin", {}, r"cam-1 has no command 'node.pin' \(did you mean node.ping\?\)"),
        ("wait", {"time": 11}, "wait: time must be at most 10, not 11; usage: wait"),
        ("wait", {}, "time is missing"),
    ],
)
def test_what_the_dictionary_does_not_allow_is_not_sent(
    board: Board, commander: Commander, name: str, arguments: dict[str, Any], reason: str
) -> None:
    with pytest.raises(CommandRefusedError, match=reason):
        commander.send(node(), name, arguments, user="ada")
    assert board.received == []


@pytest.mark.parametrize("expires_s", [0.0, -1.0, 3601.0, float("nan")])
def test_an_expiry_out_of_range_is_refused(board: Board, commander: Commander, expires_s: float) -> None:
    with pytest.raises(SettingError, match="0 to 3600 s"):
        ping(commander, expires_s=expires_s)
    assert board.received == []


def test_a_command_is_known_by_its_alias(commander: Commander) -> None:
    assert commander.definition(node(), "cmdDisp.CMD_NO_OP").name == "node.ping"


def test_the_dictionary_is_asked_for_once_a_run(board: Board, commander: Commander) -> None:
    for run in ("a", "a", "b"):
        assert commander.dictionary(node(run)) == DICTIONARY_OF_NODE
    assert board.asked == [DICTIONARY] * 2


def test_a_node_without_a_dictionary_is_an_error(board: Board, commander: Commander) -> None:
    board.loses_question = lambda word: True
    with pytest.raises(LinkLostError, match="does not say what it can be told"):
        commander.dictionary(node())


def test_several_threads_send_at_once(board: Board, commander: Commander) -> None:
    ends: list[Stage] = []
    threads = [threading.Thread(target=lambda: ends.append(ping(commander)[0].stage)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ends == [Stage.COMPLETED] * 5
    assert len({unseal(data, Command)[1].counter for data in board.received}) == 5


def report_of(stage: Stage) -> StageReport:
    return StageReport(command="1", number=1, stage=stage, boot_time_ns=0, wall_time_ns=0, reason="why", result=7)


def test_the_outcome_is_the_result_or_an_error() -> None:
    assert outcome(report_of(Stage.COMPLETED)) == 7
    with pytest.raises(CommandRefusedError, match="refused: why"):
        outcome(report_of(Stage.REFUSED))
    for stage in (Stage.FAILED, Stage.CANCELLED, Stage.TIMED_OUT, Stage.INTERRUPTED):
        with pytest.raises(CommandFailedError, match=f"{stage.value}: why"):
            outcome(report_of(stage))
