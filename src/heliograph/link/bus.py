"""What carries messages between board and ground, as its users see it; `link.zenoh` is the one there is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum
from typing import Protocol

Handler = Callable[[str, bytes], None]
"""Is given the key and the payload; called from a thread of the bus, so it hands over and returns."""
Answerer = Callable[[str, bytes], Iterable[bytes]]
"""Is given the key and the payload of a question; gives the answers. An error it raises is logged, never sent."""
PresenceHandler = Callable[[str, bool], None]
"""Is given the key of a token and whether it is there (True) or went (False)."""


class Urgency(Enum):
    """What goes first when the link is short."""

    COMMAND = "command"
    LIVE = "live"
    BACKLOG = "backlog"


class Closable(Protocol):
    """Something declared on a bus, until it is closed."""

    def close(self) -> None:
        """Take it back; after this its handler is not called again."""


class Bus(Protocol):
    """Publish, subscribe, ask, answer, and know who is there; safe for use from any thread."""

    def publish(self, key: str, payload: bytes, urgency: Urgency = Urgency.LIVE) -> None:
        """Say something to whoever listens; raises `LinkLostError` when closed.

        On a full link a command waits for seconds; live and backlog wait for 0.1 s and are dropped without a word.
        """

    def subscribe(self, key: str, handler: Handler) -> Closable:
        """Have everything said under a key expression (`*` one word, `**` any number)."""

    def ask(self, key: str, payload: bytes = b"", *, timeout_s: float = 5.0) -> list[tuple[str, bytes]]:
        """Ask whoever answers a key expression; gives (key, answer) of all. Empty when nobody did."""

    def answer(self, key: str, answerer: Answerer) -> Closable:
        """Answer questions about a key expression."""

    def be_present(self, key: str) -> Closable:
        """Let it be known that this program is there, until closed or dead."""

    def watch_presence(self, key: str, handler: PresenceHandler) -> Closable:
        """Be told of tokens under a key expression: those that are there now, then each change."""

    def close(self) -> None:
        """Leave; everything declared goes with it."""
