"""`heliograph uplink`: files from here to a node."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from heliograph.cli.carrying import Porter, Priority, Replace
from heliograph.cli.ground import Connect, KeyFile, TlsCa, TlsCertificate, TlsKey, ground_bus, ground_key
from heliograph.cli.interruption import stop_on_signals
from heliograph.cli.place import Place, needed_place, place
from heliograph.core import SettingError, SourceError, SourceNotFoundError
from heliograph.core.state import state_folder


def uplink(
    words: Annotated[
        list[str], typer.Argument(metavar="FILE... NODE:PATH", help="Files of this machine, and where to.")
    ],
    priority: Priority = 0,
    replace: Replace = False,
    rate_mbit_per_s: Annotated[
        float | None, typer.Option("--rate", min=0.001, help="Mbit/s to send at most; found out without it.")
    ] = None,
    connect: Connect = None,
    tls_ca: TlsCa = None,
    tls_certificate: TlsCertificate = None,
    tls_key: TlsKey = None,
    key: KeyFile = None,
) -> None:
    """Send files to a node; each gets its name when it is whole. After an interruption the same command goes on."""
    files, target = _parsed(words)
    private = ground_key(key)
    stop = stop_on_signals()
    from heliograph.link.commander import Commander
    from heliograph.link.discovery import find_node

    with ground_bus(connect, tls_ca, tls_certificate, tls_key) as bus:
        node = find_node(bus, target.node, key=private)
        commander = Commander(bus, private, state_folder() / "counters")
        porter = Porter(commander, node, private.public, stop, rate_mbit_per_s)
        for file in files:
            path = f"{target.path}{file.name}" if target.is_folder else target.path
            porter.up(file, Place(target.node, path), priority, replace)


def _parsed(words: list[str]) -> tuple[list[Path], Place]:
    *names, last = words
    target = needed_place(last)
    if not names:
        raise SettingError(f"which file? write heliograph uplink FILE {last}")
    if strays := [name for name in names if place(name) and not Path(name).exists()]:
        raise SettingError(f"{strays[0]} is on a node: heliograph downlink fetches files, uplink takes them there")
    if len(names) > 1 and not target.is_folder:
        raise SettingError(f"{len(names)} files need a folder: write {target}/")
    files = [Path(name) for name in names]
    for file in files:
        if not file.exists():
            raise SourceNotFoundError(f"there is no file {file}")
        if not file.is_file():
            raise SourceError(f"{file} is no plain file: name the files in a folder one by one")
    return files, target
