"""Collecting while somebody looks on: whether the node heeds what is acknowledged."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from heliograph.cli.terminal import shown
from heliograph.core import NodeNotFoundError
from heliograph.link.archive import SqliteArchive
from heliograph.link.collector import Collector
from heliograph.link.discovery import find_node

if TYPE_CHECKING:
    from collections.abc import Callable

    from heliograph.link.bus import Bus
    from heliograph.link.collection import Tally
    from heliograph.link.discovery import Node
    from heliograph.link.keys import PrivateKey
    from heliograph.link.telemetry import Block

_CHECK_S = 2.0
_ENOUGH = 2


@contextmanager
def archiving(bus: Bus, node: Node, file: Path, key: PrivateKey, on_block: Callable[[Block], None]) -> Iterator[Heed]:
    """Collect what a node says into a file, and tell at the end what came."""
    with SqliteArchive(file) as archive:
        archive.name_node(node.id, node.name)
        collector = Collector(bus, archive, key, [node.id], on_block=on_block)
        try:
            yield Heed(bus, node, key, collector.tally)
        finally:
            collector.close()
            typer.echo(_told(collector.tally, file), err=True)


class Heed:
    """Finds out, in the first seconds, whether a node heeds what is acknowledged, and says so when it does not."""

    def __init__(self, bus: Bus, node: Node, key: PrivateKey, tally: Tally) -> None:
        self._bus = bus
        self._node = node
        self._key = key
        self._tally = tally
        self._before = node.hello.spooled
        self._due_s = time.monotonic() + _CHECK_S
        self._ignored = 0
        self._decided = False

    def check(self) -> None:
        """Ask the node from time to time how much it still keeps."""
        if self._decided or time.monotonic() < self._due_s:
            return
        self._due_s = time.monotonic() + _CHECK_S
        try:
            now = find_node(self._bus, self._node.key.hex, timeout_s=1.0).hello.spooled
        except NodeNotFoundError:
            return
        if not is_ignored(self._before, now, self._tally):
            self._decided = self._tally.stored_samples > 0
            return
        self._ignored += 1
        # Once may be chance: a sample that was on its way.
        if self._ignored == _ENOUGH:
            self._decided = True
            typer.echo(
                shown(
                    f"{self._node.name} does not heed our acknowledgements and keeps {now} samples: its node.toml must"
                    f' trust this key with role = "archive" and archive = true: {self._key.public.text()}'
                ),
                err=True,
            )


def is_ignored(spooled: int, still_spooled: int, tally: Tally) -> bool:
    """Tell whether a node keeps what was acknowledged: then its spool grows by it, and no backlog comes.

    >>> from heliograph.link.collection import Tally
    >>> is_ignored(0, 100, Tally(stored_samples=100)), is_ignored(0, 2, Tally(stored_samples=100))
    (True, False)
    """
    if tally.stored_samples == 0 or tally.backlog_blocks:
        return False
    return still_spooled >= max(spooled, tally.stored_samples // 2, 1)


def _told(tally: Tally, file: Path) -> str:
    told = f"{tally.stored_samples} samples and events are in {file}"
    for count, what in (
        (tally.backlog_blocks, "blocks of them out of the node's spool"),
        (tally.undeclared_blocks, "blocks left out as their declaration had not come; they come again"),
        (tally.refused_blocks, "blocks refused as they made no sense"),
        (tally.dropped_blocks, "blocks left out as the disk was too slow; they come again"),
    ):
        told += f", {count} {what}" if count else ""
    return shown(told)
