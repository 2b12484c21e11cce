"""`heliograph cameras`: what is on the network."""

from __future__ import annotations

from typing import Annotated

import typer

import heliograph
from heliograph.cli.argument import JsonOption
from heliograph.cli.table import show


def cameras(
    timeout_s: Annotated[
        float, typer.Option("--timeout", help="Seconds to wait for answers.", min=0.05, max=3600)
    ] = 0.5,
    interfaces: Annotated[
        list[str] | None, typer.Option("--interface", help="Ask here only: interface name or own address; repeatable.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the cameras that answer on the network."""
    found = heliograph.discover(timeout_s=timeout_s, interfaces=interfaces)
    rows = [
        {
            "name": camera.name,
            "vendor": camera.vendor,
            "model": camera.model,
            "serial": camera.serial,
            "mac": camera.mac,
            "address": camera.address,
        }
        for camera in found
    ]
    if not rows and not as_json:
        typer.echo("no camera answered: is it powered, on this network, and UDP port 3956 not blocked?", err=True)
        return
    show(rows, as_json)
