"""`heliograph serve`: put cameras on the network."""

from __future__ import annotations

import json
import logging
import signal
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

import heliograph
from heliograph.core import OutputError, SettingError
from heliograph.core.state import state_folder
from heliograph.gige.device.server import GigeDeviceServer
from heliograph.gige.interface import interfaces
from heliograph.node.cameras.serving import Serving

_SWITCH_S = 0.0005


def serve(
    urls: Annotated[list[str], typer.Argument(metavar="URL...", help="Cameras to serve.")],
    names: Annotated[
        list[str] | None, typer.Option("--name", help="Name that clients find the camera by; one for each URL.")
    ] = None,
    addresses: Annotated[
        list[str] | None,
        typer.Option("--address", help="Own address to serve at, one for each URL; free loopback ones by default."),
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            "--allow", metavar="NETWORK", help="Answer these networks only; private ones by default. May be repeated."
        ),
    ] = None,
    state_dir: Annotated[
        Path | None,
        typer.Option(help="Folder that keeps names and user sets; the user's own, or the service's, by default."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object a line for each camera.")] = False,
) -> None:
    """Serve cameras as GigE Vision devices until Ctrl-C.

    The port of the protocol is fixed, so each camera needs an address of its own.
    """
    _check_count("--name", names, urls)
    _check_count("--address", addresses, urls)
    if state_dir is not None:
        _make_folder(state_dir)
    # The thread that sends gives the interpreter away 72 times a frame for a few microseconds; with the usual 5 ms the
    # thread that takes frames would get it so late that a sensor above 200 frames/s runs ahead.
    sys.setswitchinterval(_SWITCH_S)
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with ExitStack() as cameras, Serving(state_dir or state_folder(), allow or ()) as serving:
        served = [
            serving.serve(
                url,
                cameras.enter_context(heliograph.open(url)),
                names[index] if names else "",
                addresses[index] if addresses else "",
            )
            for index, url in enumerate(urls)
        ]
        # Whoever reads these lines may rely on all of them.
        for each in served:
            _tell(each.url, each.server, as_json)
        if not addresses:
            _hint()
        ended.wait()


def _check_count(option: str, given: list[str] | None, urls: list[str]) -> None:
    if given and len(given) != len(urls):
        raise SettingError(f"URLs: {len(urls)}, {option}: {len(given)}; give it once for each URL")


def _make_folder(state_dir: Path) -> None:
    """Told now, and not when a client saves something; a default that cannot be written serves without memory."""
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = f"cannot keep names and user sets in {state_dir} ({error.strerror}): choose another folder"
        raise OutputError(reason) from error


def _tell(url: str, server: GigeDeviceServer, as_json: bool) -> None:
    told = {"url": url, "name": server.name, "address": server.address, "open": f"gige://{server.address}"}
    typer.echo(json.dumps(told) if as_json else f"{url} is served as {server.name} at {told['open']}")


def _hint() -> None:
    own = [each.address for each in interfaces() if not each.loopback]
    if own:
        typer.echo(f"only this machine sees it; --address {own[0]} serves it to the network", err=True)
