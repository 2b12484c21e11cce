"""Events: what happened on board, with a severity and structured arguments."""

from __future__ import annotations

from enum import Enum
from typing import Any

import msgspec

from heliograph.link.message import Message


class Severity(Enum):
    """How much an operator should care, least first; named as F Prime names them, with one kind of activity."""

    DIAGNOSTIC = "diagnostic"
    ACTIVITY = "activity"
    COMMAND = "command"
    WARNING = "warning"
    ALARM = "alarm"
    FATAL = "fatal"

    @property
    def rank(self) -> int:
        """0 for the least severe."""
        return list(Severity).index(self)


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that happened; its number and boot are those of the block it travels in.

    >>> Event(boot_time_ns=1, severity=Severity.WARNING, name="camera.lost", message="cam-1 is gone").severity.rank
    3
    """

    boot_time_ns: int
    severity: Severity
    name: str
    """Who and what, with dots: `camera.lost`, `limit.exceeded`, `command.stage`."""
    message: str
    """One sentence for people."""
    arguments: dict[str, Any] = msgspec.field(default_factory=dict)
    """For programs: texts, numbers, booleans, and lists and maps of them."""


class EventsRequest(Message, frozen=True, kw_only=True):
    """Asks for events archived on board, the newest `limit` of them that fit."""

    KIND = "events-request"

    limit: int = 100
    severity: Severity = Severity.DIAGNOSTIC
    """The least severity."""
    text: str = ""
    """Part of name or message, in any case; empty for all."""


class ArchivedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event with its number and the time it was archived at."""

    boot: str
    sequence: int
    wall_time_ns: int
    event: Event


class Events(Message, frozen=True, kw_only=True):
    """Events from the archive on board, oldest first."""

    KIND = "events"

    events: tuple[ArchivedEvent, ...]
