"""A board that obeys commands and does nothing else, in the test's own process."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from heliograph.link.bus import Bus
from heliograph.link.keys import PrivateKey
from heliograph.link.trust import Trust
from heliograph.node.call import Command
from heliograph.node.commands.builtin import builtin_commands
from heliograph.node.commands.executor import Executor
from heliograph.node.commands.journal import CommandJournal
from heliograph.node.commands.offers import Offers
from heliograph.node.commands.reporter import StageReporter
from heliograph.node.commands.service import CommandService
from heliograph.node.hello import HelloService
from heliograph.node.trust import trust_commands
from heliograph.testing.outlet import Heard


@dataclass(frozen=True, slots=True)
class CommandBoard:
    """A board that is up."""

    boot: str
    journal: CommandJournal


@contextmanager
def command_board(
    bus: Bus, folder: Path, key: PrivateKey, trust: Trust, commands: Iterable[Command] = (), *, name: str = "board"
) -> Iterator[CommandBoard]:
    """Obey those that are trusted: commands that every node has, those about keys, and others; state lies in `folder`.

    >>> with connected_buses(2) as (ground, board), command_board(board, tmp_path, key, trust):  # doctest: +SKIP
    ...     find_node(ground, "board")
    """
    boot, node, heard = secrets.token_hex(8), key.public, Heard()
    with ExitStack() as stack:
        journal = CommandJournal(folder / "commands.db")
        stack.callback(journal.close)
        reporter = StageReporter(bus, node, trust, heard.emit)
        stack.callback(reporter.close)
        offers = Offers()
        executor = Executor(journal, offers, node=node, boot=boot, report=reporter.report)
        stack.callback(executor.close, 1.0)
        offers.add([*builtin_commands(executor, restart=lambda: None), *trust_commands(trust), *commands])
        service = CommandService(
            bus,
            node=node,
            boot=boot,
            trust=trust,
            journal=journal,
            offers=offers,
            executor=executor,
            streams=lambda: (),
            emit=heard.emit,
        )
        stack.callback(service.close)
        hello = HelloService(
            bus,
            key,
            name,
            boot,
            counter_of=lambda each: journal.window_of(each).highest,
            files="",
            spooled=lambda: 0,
        )
        stack.callback(hello.close)
        yield CommandBoard(boot, journal)
