"""What a node can be told: commands with typed arguments, which both sides check by the same rules."""

from __future__ import annotations

from enum import Enum

import msgspec

from heliograph.link.channel import Stream, Value
from heliograph.link.message import Message


class Hazard(Enum):
    """What a command may do; the ground asks for confirmation accordingly."""

    NONE = "none"
    CAUTION = "caution"
    HAZARDOUS = "hazardous"


class Role(Enum):
    """What a key may do; each may do what those before it may."""

    ARCHIVE = "archive"
    """Acknowledge telemetry."""
    OPERATOR = "operator"
    """Command."""
    ADMIN = "admin"
    """Change who is trusted, restart the node."""

    @property
    def rank(self) -> int:
        """0 for the one that may least."""
        return list(Role).index(self)


class Argument(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One argument of a command."""

    name: str
    type: str = "text"
    """`text`, `integer`, `number`, `boolean`, `path` (a relative path below the node's file root), or `values` (any
    number of further words of the form NAME=VALUE, as a map of texts; the last argument only)."""
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    """Of a text or path: the most characters."""
    choices: tuple[str, ...] = ()
    default: Value | None = None
    """None where the argument must be given, unless `optional`."""
    optional: bool = False
    description: str = ""


class CommandDefinition(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One command.

    >>> CommandDefinition(name="node.ping", description="Answer.").hazard
    <Hazard.NONE: 'none'>
    """

    name: str
    description: str
    arguments: tuple[Argument, ...] = ()
    hazard: Hazard = Hazard.NONE
    role: Role = Role.OPERATOR
    timeout_s: float = 60.0
    """The node fails a run that takes longer, after having asked it to stop."""
    cancellable: bool = False
    aliases: tuple[str, ...] = ()
    """Other names, as reference systems know it."""


class Dictionary(Message, frozen=True, kw_only=True):
    """Everything that a node can be told and tells."""

    KIND = "dictionary"

    commands: tuple[CommandDefinition, ...]
    streams: tuple[Stream, ...] = ()
