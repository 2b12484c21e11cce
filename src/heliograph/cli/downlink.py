"""`heliograph downlink`: files from a node to here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from heliograph.cli.carrying import Porter, Priority, Replace
from heliograph.cli.ground import Connect, KeyFile, TlsCa, TlsCertificate, TlsKey, ground_bus, ground_key
from heliograph.cli.interruption import stop_on_signals
from heliograph.cli.place import Place, needed_place, place
from heliograph.core import OutputError, SettingError
from heliograph.core.state import state_folder


def downlink(
    words: Annotated[
        list[str],
        typer.Argument(metavar="NODE:PATH... [LOCAL]", help="Files on a node, and a file or folder here to put them."),
    ],
    priority: Priority = 0,
    replace: Replace = False,
    connect: Connect = None,
    tls_ca: TlsCa = None,
    tls_certificate: TlsCertificate = None,
    tls_key: TlsKey = None,
    key: KeyFile = None,
) -> None:
    """Fetch files from a node; each gets its name when it is whole. After an interruption the same command goes on."""
    sources, locals_ = _parsed(words)
    private = ground_key(key)
    stop = stop_on_signals()
    from heliograph.link.commander import Commander
    from heliograph.link.discovery import find_node

    with ground_bus(connect, tls_ca, tls_certificate, tls_key) as bus:
        commander = Commander(bus, private, state_folder() / "counters")
        nodes = {name: find_node(bus, name, key=private) for name in dict.fromkeys(each.node for each in sources)}
        for source, local in zip(sources, locals_, strict=True):
            porter = Porter(commander, nodes[source.node], private.public, stop)
            porter.down(source, local, priority, replace)


def _parsed(words: list[str]) -> tuple[list[Place], list[Path]]:
    """Give the files on board, and the file of each here."""
    last = None if place(words[-1]) else words[-1]
    sources = [needed_place(word) for word in (words[:-1] if last is not None else words)]
    if not sources:
        raise SettingError(f"which file? {last!r} is no NODE:PATH, such as cam-1:images/one.png")
    for source in sources:
        if source.is_folder:
            raise SettingError(f"{source} is a folder: `heliograph ls {source}` lists its files, name them one by one")
    local = Path(last) if last is not None else Path()
    if not (local.is_dir() or (last or "").endswith("/")):
        if len(sources) > 1:
            raise SettingError(f"{len(sources)} files need a folder: write {local}/")
        _check_folder(local.parent)
        return sources, [local]
    _check_folder(local)
    names = [source.name for source in sources]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise SettingError(f"two files would be called {local / twice}: fetch them one by one")
    return sources, [local / name for name in names]


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise OutputError(f"{folder} is no folder: make it first")
