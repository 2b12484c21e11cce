"""What a node answers on the bus about commands: it takes them, and tells what it knows and what became of them."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable
from contextlib import ExitStack

from heliograph.core import CommandRefusedError, OutputError, RemoteProtocolError
from heliograph.link.admission import admit
from heliograph.link.bus import Bus
from heliograph.link.channel import Stream
from heliograph.link.command import Answer, Command, Journal, JournalRequest, Stage
from heliograph.link.dictionary import Dictionary
from heliograph.link.event import Severity
from heliograph.link.keys import PublicKey
from heliograph.link.message import decode, encode
from heliograph.link.signature import Signed, unseal
from heliograph.link.topic import COMMAND, DICTIONARY, JOURNAL, topic
from heliograph.link.trust import Trust
from heliograph.node.commands.executor import Executor
from heliograph.node.commands.journal import CommandJournal
from heliograph.node.commands.offers import Offers
from heliograph.node.commands.run import Stages, now_boot_ns, stage_report, with_stage
from heliograph.node.outlet import Emit

logger = logging.getLogger(__name__)

_LARGEST_BYTES = 128 * 1024
_QUIET_NS = 10 * 10**9
"""Between two events about what strangers send."""


class CommandService:
    """Answers COMMAND, JOURNAL and DICTIONARY until it is closed.

    A command is answered with its stages once they are in the journal; it runs afterwards. What nobody who is trusted
    signed is counted and told now and then, and never written: a flood of it fills no disk.
    """

    def __init__(
        self,
        bus: Bus,
        *,
        node: PublicKey,
        boot: str,
        trust: Trust,
        journal: CommandJournal,
        offers: Offers,
        executor: Executor,
        streams: Callable[[], tuple[Stream, ...]],
        emit: Emit,
    ) -> None:
        self._node = node
        self._boot = boot
        self._trust = trust
        self._journal = journal
        self._offers = offers
        self._executor = executor
        self._streams = streams
        self._emit = emit
        self._strangers = 0
        self._told_ns = -_QUIET_NS
        self._declared = ExitStack()
        for word, answerer in (
            (COMMAND, self._answer_command),
            (JOURNAL, self._answer_journal),
            (DICTIONARY, self._answer_dictionary),
        ):
            self._declared.callback(bus.answer(topic(node.short, word), answerer).close)

    def close(self) -> None:
        """Answer nothing more."""
        self._declared.close()

    def _answer_command(self, _: str, data: bytes) -> Iterable[bytes]:
        try:
            admitted = admit(
                data,
                now_boot_ns=now_boot_ns(),
                node=self._node,
                boot=self._boot,
                trust=self._trust,
                window_of=self._journal.window_of,
                definition_of=self._offers.definition_of,
                names=self._offers.names,
            )
        except CommandRefusedError as error:
            stages = self._refused(data, str(error))
        except RemoteProtocolError as error:
            stages = self._stranger(str(error))
        else:
            key = admitted.pin.key.hex
            stages = self._executor.take(admitted.command, admitted.arguments, key, _digest(data))
        return [encode(Answer(command=stages[0].command, stages=stages))]

    def _refused(self, data: bytes, reason: str) -> Stages:
        """Find out whether it came before, signed as it is, or who it is that is refused."""
        if len(data) > _LARGEST_BYTES:
            return self._stranger(reason)
        try:
            signer, command = unseal(data, Command)
        except (CommandRefusedError, RemoteProtocolError):
            return self._stranger(reason)
        # Before the question who may: the one whose key a command took away asks what became of it.
        try:
            if known := self._journal.known(command.id, _digest(data)):
                return known
        except OutputError as error:
            logger.warning("the journal cannot tell what became of command %s: %s", command.id, error)
        if self._trust.pin_of(signer) is None:
            return self._stranger(reason, command.id)
        ours = command.node == self._node.hex and self._journal.window_of(signer.hex).admits(command.counter)
        return self._executor.refuse(command, reason, signer.hex, _digest(data), counted=ours)

    def _stranger(self, reason: str, command: str = "") -> Stages:
        self._strangers += 1
        now_ns = now_boot_ns()
        if now_ns - self._told_ns >= _QUIET_NS:
            self._told_ns = now_ns
            message = f"{self._strangers} commands that nobody trusted signed were refused, the last: {reason}"
            logger.warning(message)
            self._emit(Severity.WARNING, "command.untrusted", message, count=self._strangers, reason=reason)
        return with_stage((stage_report(command, 1, Stage.RECEIVED),), Stage.REFUSED, reason)

    def _answer_journal(self, _: str, data: bytes) -> Iterable[bytes]:
        try:
            request = decode(data, JournalRequest)
            entries = self._journal.entries(request)
        except (RemoteProtocolError, OutputError) as error:
            logger.debug("a question about the journal has no answer: %s", error)
            return []
        return [encode(Journal(entries=entries))]

    def _answer_dictionary(self, _: str, __: bytes) -> Iterable[bytes]:
        return [encode(Dictionary(commands=self._offers.definitions, streams=self._streams()))]


def _digest(data: bytes) -> bytes:
    """Give the digest of what is signed, and by whom: who wraps it anew on its way makes no other command of it."""
    signed = decode(data, Signed)
    return hashlib.sha256(signed.key + signed.body).digest()
