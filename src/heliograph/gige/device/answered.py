"""Commands that were carried out, kept in case their answer is lost and the client asks again."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from heliograph.gige.device.state import Address
from heliograph.gige.gvcp import Command, CommandPacket

_REMEMBERED = 256
# Aravis repeats a command for 2.5 s; later the same bytes are a new command of a client that does not count its ids.
_REPEAT_NS = 5_000_000_000


@dataclass(frozen=True, slots=True)
class _Exchange:
    command: CommandPacket
    answered_ns: int
    ack: bytes


class AnsweredCommands:
    """The last commands whose effect must not happen twice, and what each client was answered."""

    def __init__(self) -> None:
        self._exchanges: OrderedDict[tuple[Address, int], _Exchange] = OrderedDict()

    def remember(self, command: CommandPacket, client: Address, ack: bytes, now_ns: int) -> None:
        """Keep an answer; the oldest makes room."""
        self._exchanges[client, command.request_id] = _Exchange(command, now_ns, ack)
        if len(self._exchanges) > _REMEMBERED:
            self._exchanges.popitem(last=False)

    def answer_to(self, command: CommandPacket, client: Address, now_ns: int) -> bytes | None:
        """Give the answer that these bytes of this client got within the last 5 s."""
        exchange = self._exchanges.get((client, command.request_id))
        if exchange is None or exchange.command != command or now_ns - exchange.answered_ns > _REPEAT_NS:
            return None
        return exchange.ack

    def forget_writes(self) -> None:
        """Forget all but actions: a write of whoever had control, repeated after somebody else had it, is a new one."""
        kept = [(key, each) for key, each in self._exchanges.items() if each.command.command == Command.ACTION]
        self._exchanges = OrderedDict(kept)

    def __len__(self) -> int:
        return len(self._exchanges)
