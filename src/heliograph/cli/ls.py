"""`heliograph ls`: the files on a node."""

from __future__ import annotations

import getpass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from heliograph.cli.argument import JsonOption
from heliograph.cli.ground import Connect, KeyFile, TlsCa, TlsCertificate, TlsKey, ground_bus, ground_key
from heliograph.cli.place import Place, place
from heliograph.cli.table import show
from heliograph.core.state import state_folder

if TYPE_CHECKING:
    from heliograph.link.listing import FileEntry


def ls(
    word: Annotated[str, typer.Argument(metavar="NODE[:PATH]", help="A node, and a folder or file on it.")],
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Also what is in folders below.")] = False,
    hashes: Annotated[bool, typer.Option("--hash", help="With the SHA-256 of every file, computed on board.")] = False,
    connect: Connect = None,
    tls_ca: TlsCa = None,
    tls_certificate: TlsCertificate = None,
    tls_key: TlsKey = None,
    key: KeyFile = None,
    as_json: JsonOption = False,
) -> None:
    """List the files on a node."""
    where = place(word) or Place(word, "")
    private = ground_key(key)
    from msgspec import structs

    from heliograph.link.carrier import files_of
    from heliograph.link.commander import Commander
    from heliograph.link.discovery import find_node

    with ground_bus(connect, tls_ca, tls_certificate, tls_key) as bus:
        node = find_node(bus, where.node, key=private)
        commander = Commander(bus, private, state_folder() / "counters")
        path = where.path.rstrip("/") or "."
        found = files_of(commander, node, path, user=getpass.getuser(), recursive=recursive, hashes=hashes)
        entries = list(found)
    if not entries and not as_json:
        typer.echo(f"{where}: nothing there", err=True)
        return
    show([structs.asdict(entry) for entry in entries] if as_json else _rows(entries, hashes), as_json)


def _rows(entries: list[FileEntry], hashes: bool) -> list[dict[str, Any]]:
    unreachable = any(entry.unreachable for entry in entries)
    rows = []
    for entry in entries:
        modified = datetime.fromtimestamp(entry.modified_wall_ns / 1e9).astimezone()
        row = {
            "kind": entry.kind,
            "bytes": entry.size_bytes if entry.kind == "file" else None,
            "modified": f"{modified:%Y-%m-%d %H:%M:%S}",
            "path": f"{entry.path}/" if entry.kind == "folder" else entry.path,
        }
        if hashes:
            row["sha256"] = entry.sha256
        if unreachable:
            row["note"] = "its name cannot be asked for" if entry.unreachable else ""
        rows.append(row)
    return rows
