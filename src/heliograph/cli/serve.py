"""`heliograph serve`: put cameras on the network."""

from __future__ import annotations

import json
import logging
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

import heliograph
from heliograph.cameras.modes import presets_for
from heliograph.core import AddressError, OutputError, SettingError
from heliograph.core.state import state_folder
from heliograph.gige.device.server import GigeDeviceServer
from heliograph.gige.interface import interfaces

_SWITCH_S = 0.0005
_LOOPBACK = [f"127.0.0.{host}" for host in range(1, 255)]


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
    served: list[tuple[str, GigeDeviceServer]] = []
    with ExitStack() as resources:
        for index, url in enumerate(urls):
            camera = resources.enter_context(heliograph.open(url))
            make_server = partial(
                GigeDeviceServer,
                camera,
                name=names[index] if names else "",
                presets=presets_for(camera),
                state_dir=state_dir or state_folder(),
                allow=allow or (),
                taken_serials=[server.identity.serial for _, server in served],
            )
            server = _start(make_server, [addresses[index]] if addresses else _LOOPBACK)
            resources.callback(server.close)
            served.append((url, server))
        # Whoever reads these lines may rely on all of them.
        for url, server in served:
            _tell(url, server, as_json)
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


def _start(make_server: Callable[[str], GigeDeviceServer], candidates: list[str]) -> GigeDeviceServer:
    for address in candidates[:-1]:
        with suppress(AddressError):
            return _started(make_server(address))
    return _started(make_server(candidates[-1]))


def _started(server: GigeDeviceServer) -> GigeDeviceServer:
    server.start()
    return server


def _tell(url: str, server: GigeDeviceServer, as_json: bool) -> None:
    told = {"url": url, "name": server.name, "address": server.address, "open": f"gige://{server.address}"}
    typer.echo(json.dumps(told) if as_json else f"{url} is served as {server.name} at {told['open']}")


def _hint() -> None:
    own = [each.address for each in interfaces() if not each.loopback]
    if own:
        typer.echo(f"only this machine sees it; --address {own[0]} serves it to the network", err=True)
