"""A bus inside one test: what is said is heard before `publish` returns, and the link can be cut."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import TypeVar

from heliograph.core import LinkLostError
from heliograph.link.bus import Answerer, Handler, PresenceHandler, Urgency

T = TypeVar("T")


class MemoryBus:
    """Implements `link.bus.Bus` for everybody in this process.

    >>> bus = MemoryBus()
    >>> said = bus.answer("heliograph/test", lambda key, question: [question.upper()])
    >>> bus.ask("heliograph/test", b"hello")
    [('heliograph/test', b'HELLO')]
    """

    def __init__(self) -> None:
        self.said: list[tuple[str, bytes, Urgency]] = []
        """Everything that was published while the link was up."""
        self.up = True
        self._closed = False
        self._lock = threading.RLock()
        self._handlers: list[tuple[str, Handler]] = []
        self._answerers: list[tuple[str, Answerer]] = []
        self._watchers: list[tuple[str, PresenceHandler]] = []
        self._tokens: list[str] = []

    def publish(self, key: str, payload: bytes, urgency: Urgency = Urgency.LIVE) -> None:
        """Say something; it is lost while the link is down."""
        if self._closed:
            raise LinkLostError("the bus is closed")
        if not self.up:
            return
        with self._lock:
            self.said.append((key, payload, urgency))
            heard = [handler for expression, handler in self._handlers if _fits(expression, key)]
        for handler in heard:
            handler(key, payload)

    def subscribe(self, key: str, handler: Handler) -> _Declared:
        """Have everything said under a key expression."""
        return self._kept(self._handlers, (key, handler))

    def ask(self, key: str, payload: bytes = b"", *, timeout_s: float = 5.0) -> list[tuple[str, bytes]]:
        """Ask whoever answers."""
        del timeout_s
        with self._lock:
            asked = [(about, answerer) for about, answerer in self._answerers if self.up and _fits(key, about)]
        return [(about, answer) for about, answerer in asked for answer in answerer(about, payload)]

    def answer(self, key: str, answerer: Answerer) -> _Declared:
        """Answer questions."""
        return self._kept(self._answerers, (key, answerer))

    def be_present(self, key: str) -> _Declared:
        """Show a token."""
        self._tokens.append(key)
        self._tell(key, True)

        def leave() -> None:
            self._tokens.remove(key)
            self._tell(key, False)

        return _Declared(leave)

    def watch_presence(self, key: str, handler: PresenceHandler) -> _Declared:
        """Be told of tokens."""
        for token in [each for each in self._tokens if _fits(key, each)]:
            handler(token, True)
        return self._kept(self._watchers, (key, handler))

    def close(self) -> None:
        """Leave."""
        self._closed = True

    def _tell(self, key: str, there: bool) -> None:
        for expression, handler in list(self._watchers):
            if _fits(expression, key):
                handler(key, there)

    def _kept(self, kept: list[T], entry: T) -> _Declared:
        with self._lock:
            kept.append(entry)
        return _Declared(lambda: kept.remove(entry))


class _Declared:
    def __init__(self, undo: Callable[[], object]) -> None:
        self._undo: Callable[[], object] | None = undo

    def close(self) -> None:
        undo, self._undo = self._undo, None
        if undo is not None:
            undo()


def _fits(expression: str, key: str) -> bool:
    pattern = re.escape(expression).replace(r"\*\*", ".*").replace(r"\*", "[^/]*")
    return re.fullmatch(pattern, key) is not None
