"""Telemetry as it comes: a table that changes on a terminal, lines in a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from heliograph.cli.readings import Reading, json_lines, lines, readings
from heliograph.cli.table import draw
from heliograph.core import SettingError
from heliograph.link.bus import Bus
from heliograph.link.discovery import Node
from heliograph.link.event import ArchivedEvent
from heliograph.link.follow import newest_of, streams_of
from heliograph.link.intake import Samples
from heliograph.link.limits import LimitState

_REDRAW_S = 0.2
_HEAD_AND_FOOT = 4
"""Lines of a terminal: the table's head, what is told of rows without room, and the cursor's."""

View = Callable[[Samples | list[ArchivedEvent] | None], None]
"""Is given what came, or None when nothing did for a while."""


class Newest:
    """The newest sample of each stream of a node, of all or some streams, as it was when this was made and came since.

    Raises `SettingError` for a stream that the node has not, `LinkLostError` when it does not answer.
    """

    def __init__(self, bus: Bus, node: Node, streams: Sequence[str]) -> None:
        self.node = node
        now_ns, found = newest_of(bus, node.id)
        at_s = time.monotonic()
        there = {each.name for each in streams_of(bus, node.id)} | {each.stream.name for each in found}
        if unknown := [each for each in streams if each not in there]:
            raise SettingError(f"{node.name} has no stream {unknown[0]!r}: it has {', '.join(sorted(there)) or 'none'}")
        # With the time on our clock, which no clock of the node's can change, at which each was taken.
        self._newest = {
            each.stream.name: (each, at_s - (now_ns - int(each.boot_times_ns[-1])) / 1e9)
            for each in found
            if not streams or each.stream.name in streams
        }

    def take(self, samples: Samples) -> None:
        """Take note of samples that just came."""
        self._newest[samples.stream.name] = (samples, time.monotonic())

    def readings(self) -> list[Reading]:
        """Give the newest value of each channel."""
        now_s = time.monotonic()
        return [
            reading
            for _, (samples, at_s) in sorted(self._newest.items())
            for reading in readings(samples, now_s - at_s)
        ]


@contextmanager
def lines_or_table(newest: Newest, as_json: bool) -> Iterator[View]:
    """Give what shows samples: a table on a terminal, else a line for each."""
    if as_json or not sys.stdout.isatty():
        yield lambda came: _print(came, json_lines if as_json else lines)
        return
    console = Console(markup=False, highlight=False)
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        drawn_s = 0.0

        def view(came: Samples | list[ArchivedEvent] | None) -> None:
            nonlocal drawn_s
            if isinstance(came, Samples):
                newest.take(came)
            if time.monotonic() - drawn_s >= _REDRAW_S:
                live.update(_table(newest.readings(), console.height - _HEAD_AND_FOOT), refresh=True)
                drawn_s = time.monotonic()

        yield view


def _table(found: Sequence[Reading], room: int) -> Group:
    """Show as many rows as there is room for, and tell of the others."""
    shown, others = found[: max(room, 1)], found[max(room, 1) :]
    table, _ = draw([each.row() for each in shown], [each.style for each in shown])
    if not others:
        return Group(table)
    beyond = sum(each.state is not LimitState.NORMAL for each in others)
    told = f"{len(others)} more{f', {beyond} beyond a limit' if beyond else ''}: name streams, or make room"
    return Group(table, Text(told, style="bold" if beyond else "dim"))


def _print(came: Samples | list[ArchivedEvent] | None, lines_of: Callable[[Samples], Iterator[str]]) -> None:
    if isinstance(came, Samples):
        typer.echo("\n".join(lines_of(came)))
        sys.stdout.flush()
