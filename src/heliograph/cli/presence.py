"""Whether a node that somebody follows is there."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from heliograph.cli.terminal import shown

if TYPE_CHECKING:
    from heliograph.link.bus import Bus, Closable
    from heliograph.link.discovery import Node


def tell_presence(bus: Bus, node: Node, on_back: Callable[[], None] = lambda: None) -> Closable:
    """Say on stderr when a node goes and comes back; silence alone looks the same as nothing to tell."""
    from heliograph.link.topic import ALIVE, topic

    gone = False

    def tell(_: str, there: bool) -> None:
        nonlocal gone
        if there == gone:
            gone = not there
            told = "is back" if there else "is gone: its program ended or the link is cut; waiting for it"
            # Not by typer, which would write past a table that is redrawn: rich has this sys.stderr print above it.
            sys.stderr.write(f"{shown(f'heliograph: {node.name} {told}')}\n")
            sys.stderr.flush()
        if there:
            on_back()

    return bus.watch_presence(topic(node.id, ALIVE), tell)
