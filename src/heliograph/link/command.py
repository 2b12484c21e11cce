"""A command on its way, and the stages by which a node reports what became of it."""

from __future__ import annotations

from enum import Enum
from typing import Any

import msgspec

from heliograph.link.message import Message


class Stage(Enum):
    """What became of a command; the last six are the end of it."""

    RECEIVED = "received"
    ACCEPTED = "accepted"
    STARTED = "started"
    PROGRESS = "progress"
    REFUSED = "refused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed out"
    INTERRUPTED = "interrupted"
    """The node died between the journal's entry and the effect: nobody knows, and it is not run again."""

    @property
    def final(self) -> bool:
        """Whether nothing comes after it."""
        return self not in (Stage.RECEIVED, Stage.ACCEPTED, Stage.STARTED, Stage.PROGRESS)


class Command(Message, frozen=True, kw_only=True):
    """What is signed: which command, for which run of which node, in which order and until when."""

    KIND = "command"

    id: str
    """32 hexadecimal digits, drawn at random: who sends a command again keeps its id."""
    node: str
    """Whole public key of the node, 64 hexadecimal digits."""
    boot: str
    """The run of the node it is meant for, as `Hello` gave it."""
    counter: int
    """Above every counter that this key has used for this node (with a little room for overtaking)."""
    expires_boot_ns: int
    """CLOCK_BOOTTIME of the node after which it is refused: no wall clock takes part, so none can be wrong."""
    name: str
    arguments: dict[str, Any] = msgspec.field(default_factory=dict)
    user: str = ""
    """Who at the ground asked for it, as the ground knows him."""


class StageReport(Message, frozen=True, kw_only=True):
    """One stage of one command."""

    KIND = "stage"

    command: str
    """`Command.id`."""
    number: int
    """1, 2, … for each command."""
    stage: Stage
    boot_time_ns: int
    wall_time_ns: int
    reason: str = ""
    """Why it was refused or failed; what is under way."""
    fraction: float | None = None
    """Of progress, 0 to 1."""
    result: Any = None
    """What a completed command gives: texts, numbers, booleans, lists and maps of them."""


class Answer(Message, frozen=True, kw_only=True):
    """Stages of a command so far."""

    KIND = "answer"

    command: str
    stages: tuple[StageReport, ...]


class JournalRequest(Message, frozen=True, kw_only=True):
    """Asks what became of commands: of one, or of the newest ones."""

    KIND = "journal-request"

    command: str = ""
    limit: int = 100


class JournalEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A command as the node's journal has it, and its stages."""

    command: Command
    key: str
    """Whole public key that signed it, 64 hexadecimal digits; empty for one that a sequence or schedule gave."""
    stages: tuple[StageReport, ...]


class Journal(Message, frozen=True, kw_only=True):
    """Commands out of the journal, oldest first."""

    KIND = "journal"

    entries: tuple[JournalEntry, ...]
