"""Collecting while somebody looks on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from heliograph.cli.terminal import shown
from heliograph.link.archive import SqliteArchive
from heliograph.link.collector import Collector

if TYPE_CHECKING:
    from collections.abc import Callable

    from heliograph.link.bus import Bus
    from heliograph.link.collection import Tally
    from heliograph.link.discovery import Node
    from heliograph.link.keys import PrivateKey
    from heliograph.link.telemetry import Block


@contextmanager
def archiving(bus: Bus, node: Node, file: Path, key: PrivateKey, on_block: Callable[[Block], None]) -> Iterator[None]:
    """Collect what a node says into a file, and tell at the end what came."""
    with SqliteArchive(file) as archive:
        archive.name_node(node.id, node.name)
        if node.hello.archive != key.public.short:
            typer.echo(shown(_unheeded(node, key)), err=True)
        collector = Collector(bus, archive, key, [node.id], on_block=on_block)
        try:
            yield
        finally:
            collector.close()
            typer.echo(_told(collector.tally, file), err=True)


def _unheeded(node: Node, key: PrivateKey) -> str:
    other = f"its archive has the key {node.hello.archive}" if node.hello.archive else "it has no archive"
    return (
        f"{node.name} does not heed our acknowledgements, {other}: only what comes live is stored, until its node.toml"
        f" trusts this key with archive = true: {key.public.text()}"
    )


def _told(tally: Tally, file: Path) -> str:
    told = f"stored {tally.stored_samples} samples and events in {file}"
    for count, what in (
        (tally.backlog_blocks, "of backlog"),
        (tally.undeclared_blocks, "left out until their declaration comes"),
        (tally.refused_blocks, "refused as they made no sense"),
        (tally.dropped_blocks, "left out as the disk was too slow, to come again"),
    ):
        told += f"; messages {what}: {count}" if count else ""
    return shown(told)
