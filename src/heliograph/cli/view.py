"""`heliograph view`: a camera in the browser."""

from __future__ import annotations

import signal
import threading
import webbrowser
from typing import Annotated

import typer

import heliograph
from heliograph.cli.argument import CameraArgument, SetOption, assignment, camera_url
from heliograph.core import Camera


def view(
    cam: CameraArgument,
    port: Annotated[
        int, typer.Option("--port", help="Port on 127.0.0.1; a free one by default.", min=0, max=65535)
    ] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")] = True,
    read_only: Annotated[bool, typer.Option("--read-only", help="Only look: the page can set nothing.")] = False,
    monitor: Annotated[
        bool, typer.Option("--monitor", help="Only look, while another client controls the camera and sends multicast.")
    ] = False,
    settings: SetOption = None,
) -> None:
    """Show a camera in the browser, with its histogram, focus and controls, until Ctrl-C.

    The page is served on this machine only, for whoever has its address.
    """
    from heliograph.desk.view import ViewedCamera, ViewServer

    looking = read_only or monitor
    values = [assignment(setting) for setting in settings or ()]

    def open_camera() -> Camera:
        opened = heliograph.open(camera_url(cam), control=not monitor)
        try:
            for name, value in values:
                opened.features[name] = value
        except BaseException:
            opened.close()
            raise
        return opened

    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with ViewedCamera(open_camera) as viewed, ViewServer(viewed, port, read_only=looking) as server:
        typer.echo(server.url)
        may = "see" if looking else "see and set"
        typer.echo(f"Ctrl-C ends it; whoever has this address can {may} the camera", err=True)
        if browser:
            webbrowser.open(server.url)
        ended.wait()
