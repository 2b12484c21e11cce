"""What a part of the node is given when its command runs, by the executor that there is."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from heliograph.link.command import Stage
from heliograph.link.dictionary import Argument, CommandDefinition
from heliograph.link.keys import PublicKey
from heliograph.node.call import Call, Command, Submit
from heliograph.node.commands.executor import Executor
from heliograph.node.commands.journal import CommandJournal
from heliograph.node.commands.offers import Offers


def test_a_call_has_what_was_asked_and_by_whom(tmp_path: Path) -> None:
    given: dict[str, Any] = {}

    def run(call: Call) -> str:
        given.update(id=call.id, arguments=dict(call.arguments), user=call.user, key=call.key, cancelled=call.cancelled)
        call.progress("half", 0.5)
        return "done"

    level = Argument(name="level", type="integer", default=5)
    definition = CommandDefinition(name="test.run", description="A test's.", arguments=(level,))
    command = Command(definition, run)
    assert not command.prompt

    journal = CommandJournal(tmp_path / "commands.db")
    offers = Offers()
    offers.add([command])
    executor = Executor(journal, offers, node=PublicKey(bytes(32)), boot="boot", report=lambda entry: None)
    submit: Submit = executor.submit
    report = submit("test.run", {}, user="sequence 1", id="1")
    executor.close(5.0)
    journal.close()

    assert (report.stage, report.result) == (Stage.COMPLETED, "done")
    assert isinstance(given.pop("cancelled"), threading.Event)
    assert given == {"id": "1", "arguments": {"level": 5}, "user": "sequence 1", "key": ""}
