"""A program that takes commands from its standard input and dies where it is told to; for tests of what survives that.

`python -m heliograph.testing.commanded FOLDER [MOMENT]`: each line is the id of a command, whose effect is its id as a
line of FOLDER/effects. Every stage that is told is a line of the output, `ID STAGE`; the answer is `ID answered`, the
effect `ID happens`. MOMENT is a stage, `before the effect` or `after the effect`.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from heliograph.link.command import Command, JournalEntry
from heliograph.link.dictionary import CommandDefinition
from heliograph.link.keys import PublicKey
from heliograph.node import call
from heliograph.node.commands.executor import Executor
from heliograph.node.commands.journal import CommandJournal
from heliograph.node.commands.offers import Offers

KEY = "ab" * 32
NODE = PublicKey(bytes(32))


def main(folder: Path, moment: str = "") -> None:
    """Take commands until the input ends, and wait for their end."""
    effects = os.open(folder / "effects", os.O_CREAT | os.O_APPEND | os.O_WRONLY)

    def reach(this: str) -> None:
        if this == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    def effect(running: call.Call) -> None:
        reach("before the effect")
        os.write(effects, f"{running.id}\n".encode())
        _say(f"{running.id} happens")
        reach("after the effect")

    def report(entry: JournalEntry) -> None:
        reach(entry.stages[-1].stage.value)
        _say(f"{entry.command.id} {entry.stages[-1].stage.value}")

    journal = CommandJournal(folder / "commands.db")
    offers = Offers()
    executor = Executor(journal, offers, node=NODE, boot="boot", report=report)
    offers.add([call.Command(CommandDefinition(name="effect", description="Leaves a trace."), effect)])
    for line in sys.stdin:
        id = line.strip()
        command = Command(
            id=id, node=NODE.hex, boot="boot", counter=int(id, 16), expires_boot_ns=1 << 62, name="effect"
        )
        executor.take(command, {}, KEY, id.encode())
        _say(f"{id} answered")
        executor.submit("effect", {}, user="", id=id)
    executor.close(5.0)
    journal.close()


def _say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
