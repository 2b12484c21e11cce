"""Events about transfers: each end once, and what holds one up."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from heliograph.link.cfdp.transaction import Role, State, TransactionId, TransferStatus
from heliograph.link.event import Severity
from heliograph.node.files.report import Reporter, path_of

Status = Callable[..., TransferStatus]


@pytest.fixture
def status() -> Status:
    def make(state: State, *, role: Role = Role.RECEIVING, reason: str = "") -> TransferStatus:
        name = "7-1=7-1:odd = name" if role is Role.RECEIVING else f"{'0' * 64} 7-1:odd = name"
        return TransferStatus(TransactionId(7, 1), role, state, 10, 5, 9, "", name, reason)

    return make


class Events:
    def __init__(self) -> None:
        self.all: list[tuple[Severity, str, str, dict[str, Any]]] = []

    def __call__(self, severity: Severity, name: str, message: str, **arguments: Any) -> None:
        self.all.append((severity, name, message, arguments))


@pytest.mark.parametrize(("role", "name"), [(Role.SENDING, "file.sent"), (Role.RECEIVING, "file.received")])
def test_a_file_that_arrived_is_one_event(status: Status, role: Role, name: str) -> None:
    events = Events()
    reporter = Reporter(events)
    for state in (State.WAITING, State.ACTIVE, State.ACTIVE, State.LINK_DOWN, State.ACTIVE, State.COMPLETED):
        reporter.told(status(state, role=role))
    ((severity, told, message, arguments),) = events.all
    assert (severity, told) == (Severity.ACTIVITY, name)
    assert message.startswith("7-1:odd = name was ")
    assert arguments == {"transaction": "7-1", "path": "7-1:odd = name", "size_bytes": 10, "peer": 9}


@pytest.mark.parametrize("state", [State.CANCELLED, State.ABANDONED, State.FAILED])
def test_one_that_did_not_says_why(status: Status, state: State) -> None:
    events = Events()
    reporter = Reporter(events)
    for each in (State.ACTIVE, state, state):
        reporter.told(status(each, reason="the file changed"))
    ((severity, name, message, _),) = events.all
    assert (severity, name) == (Severity.WARNING, "file.failed")
    assert message.endswith(f"was {state.value} (the file changed)")


def test_what_holds_one_up_is_told_again_only_when_something_came_in_between(status: Status) -> None:
    events = Events()
    reporter = Reporter(events)
    for state in (State.ACTIVE, State.SUSPENDED, State.SUSPENDED, State.ACTIVE, State.SUSPENDED):
        reporter.told(status(state, reason="no room"))
    reporter.told(replace(status(State.SUSPENDED, reason="no room"), verified_bytes=6))
    assert [(name, message[-8:]) for _, name, message, _ in events.all] == [("file.suspended", "no room)")] * 2
    reporter.told(status(State.COMPLETED))
    assert events.all[-1][1] == "file.received"


def test_what_a_former_run_ended_is_not_told_again(status: Status) -> None:
    events = Events()
    Reporter(events).told(status(State.COMPLETED))
    assert not events.all


def test_the_path_comes_out_of_the_journals_name(status: Status) -> None:
    assert {path_of(status(State.ACTIVE, role=role)) for role in Role} == {"7-1:odd = name"}
