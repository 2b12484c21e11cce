"""The ground's side of commands: signs one, sends it until it is answered, and follows it to its end."""

from __future__ import annotations

import logging
import queue
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from heliograph.core import (
    CommandFailedError,
    CommandRefusedError,
    LinkLostError,
    MessageVersionError,
    NodeNotFoundError,
    RemoteProtocolError,
    SettingError,
)
from heliograph.link.admission import OTHER_BOOT
from heliograph.link.arguments import check, near
from heliograph.link.bus import Bus
from heliograph.link.command import Answer, Command, Journal, JournalRequest, Stage, StageReport
from heliograph.link.counterfile import next_counter
from heliograph.link.dictionary import CommandDefinition, Dictionary
from heliograph.link.discovery import Node, find_node
from heliograph.link.keys import PrivateKey
from heliograph.link.message import M, decode, encode
from heliograph.link.signature import sign
from heliograph.link.stages import StageOrder
from heliograph.link.topic import COMMAND, DICTIONARY, JOURNAL, STAGE, topic

_log = logging.getLogger(__name__)

OnStage = Callable[[StageReport], None]

_QUESTION_S = 2.0
_AGAIN_S = 0.3
"""Between questions that nobody answers, and how long a stage may be late before the journal is asked for it."""
_SILENCE_S = 1.0
"""Without a stage for so long the journal is asked; each time for twice as long, up to `_LONGEST_SILENCE_S`."""
_LONGEST_SILENCE_S = 10.0
_TOLD_AFTER = 3
"""Questions without an answer, after which it is time to say so."""
_LONGEST_EXPIRY_S = 3_600.0


class Commander:
    """Sends commands with one key; safe for use from any thread.

    `counters` is a folder, where the last counter for each node is kept: programs that share a key share it too.
    """

    def __init__(self, bus: Bus, key: PrivateKey, counters: Path) -> None:
        self._bus, self._key, self._counters = bus, key, counters
        self._dictionaries: dict[tuple[str, str], Dictionary] = {}

    def dictionary(self, node: Node) -> Dictionary:
        """Give what this run of the node can be told. Raises `LinkLostError` when it does not answer."""
        known = self._dictionaries.get((node.id, node.boot))
        if known is None:
            deadline_s = time.monotonic() + 2 * _QUESTION_S
            while not (answers := _ask(self._bus, topic(node.id, DICTIONARY), b"", Dictionary)):
                if time.monotonic() > deadline_s:
                    raise LinkLostError(
                        f"{node.name} does not say what it can be told: try again when the link is back"
                    )
                time.sleep(_AGAIN_S)
            known = self._dictionaries[node.id, node.boot] = answers[0]
        return known

    def definition(self, node: Node, name: str) -> CommandDefinition:
        """Give the definition of a command by its name or an alias.

        Raises `CommandRefusedError` for one that there is not, `LinkLostError` when the node does not answer.
        """
        commands = self.dictionary(node).commands
        found = next((each for each in commands if name == each.name or name in each.aliases), None)
        if found is None:
            meant = near(name, [word for each in commands for word in (each.name, *each.aliases)])
            raise CommandRefusedError(f"{node.name} has no command {name!r}{meant}")
        return found

    def send(
        self,
        node: Node,
        name: str,
        arguments: Mapping[str, Any],
        *,
        user: str,
        expires_s: float = 30.0,
        timeout_s: float | None = None,
        wait: bool = True,
        on_stage: OnStage | None = None,
    ) -> StageReport:
        """Send a command and give its last stage: the end of it or, without `wait`, the first that is known.

        The same signed bytes go again while no answer comes, until they expire; then the node's journal is asked, so
        that a lost answer or stage is no lost outcome. When `timeout_s` is over the newest stage is given, which may be
        none of the end; without it this waits for as long as it takes. `on_stage` is given each stage once, in order.
        A command that came too late for its run of the node, and so was not accepted, is signed anew for the next run.

        Raises `CommandRefusedError` for arguments that the definition does not allow, `SettingError` for an expiry out
        of range, and `LinkLostError` when there was no answer: the message says whether the command may have run.
        """
        if not 0 < expires_s <= _LONGEST_EXPIRY_S:
            raise SettingError(f"a command expires after 0 to {_LONGEST_EXPIRY_S:.0f} s, not {expires_s:g} s")
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        checked = check(self.definition(node, name), arguments)
        report = self._exchange(node, name, checked, user, expires_s, on_stage).run(deadline_s, wait)
        if report.stage is Stage.REFUSED and report.reason == OTHER_BOOT and (fresh := self._found_anew(node)):
            _log.warning("%s has restarted: %s is signed anew for its new run", node.name, name)
            checked = check(self.definition(fresh, name), arguments)
            report = self._exchange(fresh, name, checked, user, expires_s, on_stage).run(deadline_s, wait)
        return report

    def _exchange(
        self, node: Node, name: str, arguments: dict[str, Any], user: str, expires_s: float, on_stage: OnStage | None
    ) -> _Exchange:
        # A file for each node: one node that claims to have seen an absurd counter spoils no other's.
        file = self._counters / f"{self._key.public.short}-{node.id}"
        command = Command(
            id=secrets.token_hex(16),
            node=node.key.hex,
            boot=node.boot,
            counter=next_counter(file, above=node.hello.counter, wall_time_us=time.time_ns() // 1_000),
            expires_boot_ns=node.now_boot_ns() + int(expires_s * 1e9),
            name=name,
            arguments=arguments,
            user=user,
        )
        return _Exchange(self._bus, node, command, sign(command, self._key), on_stage)

    def _found_anew(self, node: Node) -> Node | None:
        try:
            fresh = find_node(self._bus, node.key.hex, key=self._key)
        except NodeNotFoundError:
            return None
        return fresh if fresh.boot != node.boot else None


class _Exchange:
    """One command, from its sending to its end."""

    def __init__(self, bus: Bus, node: Node, command: Command, data: bytes, on_stage: OnStage | None) -> None:
        self._bus, self._node, self._command, self._data = bus, node, command, data
        self._on_stage = on_stage
        self._order = StageOrder()
        self._live: queue.SimpleQueue[StageReport] = queue.SimpleQueue()
        self._unanswered = 0

    def run(self, deadline_s: float | None, wait: bool) -> StageReport:
        # Before the first stage can be said.
        listening = self._bus.subscribe(topic(self._node.id, STAGE), self._heard)
        try:
            report = self._deliver(deadline_s)
            return self._follow(report, deadline_s) if wait else report
        finally:
            listening.close()

    def _heard(self, _: str, payload: bytes) -> None:
        try:
            report = decode(payload, StageReport)
        except RemoteProtocolError as error:
            _log.warning("a stage was not understood: %s", error)
            return
        if report.command == self._command.id:
            self._live.put(report)

    def _deliver(self, deadline_s: float | None) -> StageReport:
        """Send it until there is a stage, or until it has expired and the journal says what became of it."""
        while self._node.now_boot_ns() <= self._command.expires_boot_ns:
            for answer in self._answers(COMMAND, self._data, Answer):
                # A node that does not understand the command cannot name it.
                if answer.command in (self._command.id, ""):
                    self._give(self._order.settle(answer.stages))
            if (report := self._order.last) or (report := self._listen(_AGAIN_S)):
                return report
            self._check_time(deadline_s)
        while True:
            known = self._ask_journal()
            if self._order.last is not None:
                return self._order.last
            if known is not None:
                raise LinkLostError(
                    f"{self._command.name} never reached {self._node.name} and has expired: it was not run"
                )
            self._check_time(deadline_s)
            time.sleep(_AGAIN_S)

    def _follow(self, report: StageReport, deadline_s: float | None) -> StageReport:
        silence_s = _SILENCE_S
        while not report.stage.final:
            left_s = silence_s if deadline_s is None else deadline_s - time.monotonic()
            if left_s <= 0:
                break
            if newer := self._listen(min(left_s, silence_s)):
                report, silence_s = newer, _SILENCE_S
                continue
            self._ask_journal()
            silence_s = min(2 * silence_s, _LONGEST_SILENCE_S)
            report = self._order.last or report
        return report

    def _listen(self, wait_s: float) -> StageReport | None:
        """Give the newest stage that is in order, when one came in this time."""
        until_s = time.monotonic() + wait_s
        while True:
            try:
                given = self._order.take(self._live.get(timeout=max(0.0, until_s - time.monotonic())))
            except queue.Empty:
                return None
            if given:
                self._give(given)
                return given[-1]
            if self._order.gap:
                until_s = min(until_s, time.monotonic() + _AGAIN_S)

    def _ask_journal(self) -> bool | None:
        """Take what the journal has of it; tells whether it has anything, None when nobody answered."""
        request = encode(JournalRequest(command=self._command.id))
        known = None
        for journal in self._answers(JOURNAL, request, Journal):
            stages = [entry.stages for entry in journal.entries if entry.command.id == self._command.id]
            known = bool(stages)
            for each in stages:
                self._give(self._order.settle(each))
        return known

    def _answers(self, word: str, payload: bytes, kind: type[M]) -> list[M]:
        answers = _ask(self._bus, topic(self._node.id, word), payload, kind)
        self._unanswered = 0 if answers else self._unanswered + 1
        if self._unanswered == _TOLD_AFTER:
            _log.warning("%s does not answer: asking again until it does", self._node.name)
        return answers

    def _check_time(self, deadline_s: float | None) -> None:
        if deadline_s is not None and time.monotonic() > deadline_s:
            raise LinkLostError(
                f"{self._node.name} did not answer in time: {self._command.name} may run until it expires "
                f"(command {self._command.id})"
            )

    def _give(self, reports: Iterable[StageReport]) -> None:
        for report in reports:
            if self._on_stage is not None:
                self._on_stage(report)


def outcome(report: StageReport) -> Any:
    """Give the result of a command that was completed, or of one that still runs None.

    Raises `CommandRefusedError` and `CommandFailedError` for every other end.
    """
    reason = f": {report.reason}" if report.reason else ""
    if report.stage is Stage.REFUSED:
        raise CommandRefusedError(f"refused{reason}")
    if report.stage.final and report.stage is not Stage.COMPLETED:
        raise CommandFailedError(f"{report.stage.value}{reason}")
    return report.result


def _ask(bus: Bus, key: str, payload: bytes, kind: type[M]) -> list[M]:
    """Give the answers that are understood."""
    found = []
    for _, answer in bus.ask(key, payload, timeout_s=_QUESTION_S):
        try:
            found.append(decode(answer, kind))
        except MessageVersionError:
            raise
        except RemoteProtocolError as error:
            _log.warning("an answer about %s was not understood: %s", key, error)
    return found
