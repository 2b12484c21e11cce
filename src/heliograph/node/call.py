"""What a part of the node offers as commands, and what a running command is given."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from heliograph.link.dictionary import CommandDefinition


class Call(Protocol):
    """One run of a command, in a thread of its own."""

    @property
    def id(self) -> str:
        """`Command.id`."""

    @property
    def arguments(self) -> Mapping[str, Any]:
        """Checked against the definition; defaults filled in."""

    @property
    def user(self) -> str:
        """Who asked for it."""

    @property
    def key(self) -> str:
        """Whole public key that signed it, 64 hexadecimal digits; empty for the node's own, as in a sequence."""

    @property
    def cancelled(self) -> threading.Event:
        """Set when it should end soon: by an operator, by its timeout, or because the node ends."""

    def progress(self, text: str, fraction: float | None = None) -> None:
        """Report that it is getting on; `fraction` from 0 to 1. Several within 0.1 s become one."""


Run = Callable[[Call], Any]
"""Does what the command says and gives its result; a `HeliographError` it raises is the reason of its failure.

One that ends early because `Call.cancelled` is set raises, too: what returns has done what it says.
"""


@dataclass(frozen=True, slots=True)
class Command:
    """A command that a part of the node offers."""

    definition: CommandDefinition
    run: Run
    prompt: bool = False
    """Ends at once and waits behind no long one: cancels, or makes safe."""


class Submit(Protocol):
    """Runs a command on the node's own behalf, as a sequence does: through the same journal, with the same stages."""

    def __call__(self, name: str, arguments: Mapping[str, Any], *, user: str, id: str) -> Any:
        """Run it and wait; gives the last `StageReport`. An id that the journal knows is not run a second time."""
