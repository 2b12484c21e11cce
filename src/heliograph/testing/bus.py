"""Buses that are connected to each other over loopback, for tests."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

from heliograph.core import LinkLostError
from heliograph.link.bus import Bus
from heliograph.link.settings import PORT, LinkSettings
from heliograph.link.zenoh import open_bus
from heliograph.testing.addresses import loopback_address

_PATIENCE_S = 20.0
_numbers = itertools.count()


@contextmanager
def connected_buses(count: int) -> Iterator[list[Bus]]:
    """Give buses of which each reaches each; the first one listens, the others are connected to it.

    >>> with connected_buses(2) as (ground, board):
    ...     answering = board.answer("heliograph/test", lambda key, question: [question.upper()])
    ...     settle([ground, board])
    ...     ground.ask("heliograph/test", b"hello")
    [('heliograph/test', b'HELLO')]
    """
    with ExitStack() as stack:
        endpoint = f"tcp/{stack.enter_context(loopback_address())}:{PORT}"
        # Routers pass on what others say, and start before those they connect to.
        buses: list[Bus] = [open_bus(LinkSettings(mode="router", listen=(endpoint,)))]
        stack.callback(buses[0].close)
        for _ in range(1, count):
            buses.append(open_bus(LinkSettings(mode="router", listen=(), connect=(endpoint,))))
            stack.callback(buses[-1].close)
        settle(buses)
        yield buses


def settle(buses: Sequence[Bus]) -> None:
    """Wait until each bus knows what the others have declared so far: a declaration takes a moment to travel.

    Raises `LinkLostError` when they do not reach each other.
    """
    with ExitStack() as stack:
        # Declarations of one bus arrive in their order, so these tokens come after all else.
        tokens = {f"test-bus/{next(_numbers)}": bus for bus in buses}
        for key, bus in tokens.items():
            stack.callback(bus.be_present(key).close)
        for bus in buses:
            missing: set[str] = set(tokens)
            complete = threading.Event()
            stack.callback(bus.watch_presence("test-bus/*", partial(_cross_out, missing, complete)).close)
            if not complete.wait(_PATIENCE_S):
                raise LinkLostError(f"the buses are not connected: one sees {len(missing)} of {len(buses)} not")


def _cross_out(missing: set[str], complete: threading.Event, key: str, there: bool) -> None:
    missing.discard(key)
    if not missing:
        complete.set()
