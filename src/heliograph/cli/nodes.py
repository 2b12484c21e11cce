"""`heliograph nodes`: which nodes are there."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from heliograph.cli.argument import JsonOption
from heliograph.cli.ground import Connect, TlsCa, TlsCertificate, TlsKey, ground_bus
from heliograph.cli.table import show

if TYPE_CHECKING:
    from heliograph.link.discovery import Node

_CLOCK_OFF_S = 1.0


def nodes(
    timeout_s: Annotated[
        float, typer.Option("--timeout", help="Seconds to wait for answers.", min=0.05, max=3600)
    ] = 3.0,
    connect: Connect = None,
    tls_ca: TlsCa = None,
    tls_certificate: TlsCertificate = None,
    tls_key: TlsKey = None,
    as_json: JsonOption = False,
) -> None:
    """List the nodes that answer on the link."""
    with ground_bus(connect, tls_ca, tls_certificate, tls_key, wait_s=timeout_s) as bus:
        from heliograph.link.discovery import find_nodes

        found = find_nodes(bus, timeout_s=timeout_s)
    if not found and not as_json:
        typer.echo("no node answered: does one run and listen, or is it connected to the same router?", err=True)
        return
    show([_facts(node) if as_json else _row(node) for node in found], as_json)


def _facts(node: Node) -> dict[str, Any]:
    return {
        "name": node.name,
        "id": node.id,
        "key": node.key.hex,
        "boot": node.boot,
        "since": _since(node).isoformat(timespec="seconds"),
        "up_s": _up_s(node),
        "clock_off_s": node.wall_ahead_ns / 1e9,
        "spooled": node.hello.spooled,
        "files": node.hello.files,
        "version": node.hello.version,
    }


def _row(node: Node) -> dict[str, Any]:
    off_s = node.wall_ahead_ns / 1e9
    return {
        "name": node.name,
        "id": node.id,
        "up": _duration(_up_s(node)),
        "clock": f"{off_s:+.0f} s" if abs(off_s) > _CLOCK_OFF_S else "ok",
        "spooled": node.hello.spooled,
        "version": node.hello.version,
    }


def _up_s(node: Node) -> float:
    return (node.hello.boot_time_ns - node.hello.started_boot_time_ns) / 1e9


def _since(node: Node) -> datetime:
    """By our own clock: the node's may be wrong."""
    return datetime.now().astimezone() - timedelta(seconds=_up_s(node))


def _duration(seconds: float) -> str:
    """Give the two largest units.

    >>> _duration(59.9), _duration(3_700), _duration(200_000)
    ('59 s', '1 h 01 min', '2 d 07 h')
    """
    whole = int(seconds)
    for size, name, small, small_name in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            return f"{whole // size} {name} {whole % size // small:02d} {small_name}"
    return f"{whole} s"
