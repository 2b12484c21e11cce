"""`heliograph events`: what happened on board."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from heliograph.cli.argument import JsonOption
from heliograph.cli.ground import Connect, TlsCa, TlsCertificate, TlsKey, ground_bus, installed
from heliograph.cli.interruption import stop_on_signals
from heliograph.cli.moment import EVER_NS, local_time
from heliograph.cli.presence import tell_presence
from heliograph.cli.terminal import shown
from heliograph.core import LinkLostError, SettingError

if TYPE_CHECKING:
    from heliograph.link.bus import Bus
    from heliograph.link.discovery import Node
    from heliograph.link.event import ArchivedEvent, EventsRequest, Severity

_COLOURS = {"warning": "yellow", "alarm": "red", "fatal": "bright_red", "diagnostic": "bright_black"}
_LOOK_S = 0.25
_NAME_WIDTH = 17


def events(
    node: Annotated[str, typer.Argument(metavar="NODE", help="Name of a node, or the beginning of its id.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C, as events come.")] = False,
    severity: Annotated[
        str, typer.Option(help="The least: diagnostic, activity, command, warning, alarm or fatal.")
    ] = "diagnostic",
    text: Annotated[str, typer.Option(help="Only those with this in name or message.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many of those that were.")] = 100,
    archive: Annotated[
        Path | None, typer.Option("--archive", metavar="FILE", help="From this archive; no node need be there.")
    ] = None,
    connect: Connect = None,
    tls_ca: TlsCa = None,
    tls_certificate: TlsCertificate = None,
    tls_key: TlsKey = None,
    as_json: JsonOption = False,
) -> None:
    """Show what happened on board: a line for each event, the newest last."""
    with installed():
        from heliograph.link.event import EventsRequest
    request = EventsRequest(limit=limit, severity=_severity(severity), text=text)
    if archive is not None:
        if follow:
            raise SettingError("an archive does not grow by looking: telemetry NODE --follow --archive FILE collects")
        _print(_archived(archive, node, request), as_json)
        return
    with ground_bus(connect, tls_ca, tls_certificate, tls_key) as bus:
        from heliograph.link.discovery import find_node
        from heliograph.link.follow import events_on_board

        found = find_node(bus, node)
        if follow:
            _follow(bus, found, request, as_json)
        else:
            _print(events_on_board(bus, found.id, request), as_json)


def _severity(text: str) -> Severity:
    from heliograph.link.event import Severity

    try:
        return Severity(text.lower())
    except ValueError:
        raise SettingError(f"no severity {text!r}: there are {', '.join(each.value for each in Severity)}") from None


def _archived(archive: Path, node: str, request: EventsRequest) -> list[ArchivedEvent]:
    from heliograph.cli.history import archived_node
    from heliograph.link.archive import SqliteArchive

    with SqliteArchive(archive, read_only=True) as opened:
        id_ = archived_node(opened, node)
        return opened.events(id_, *EVER_NS, severity=request.severity, text=request.text, limit=request.limit)


def _follow(bus: Bus, node: Node, request: EventsRequest, as_json: bool) -> None:
    from heliograph.link.follow import Follow, events_on_board
    from heliograph.link.telemetry import EVENTS_STREAM

    stop = stop_on_signals()
    back = threading.Event()
    told: dict[str, int] = {}
    heard: dict[str, int] = {}

    def tell(found: Iterable[ArchivedEvent]) -> None:
        new = [each for each in found if each.sequence > told.get(each.boot, 0) and _fits(each, request)]
        told.update({each.boot: each.sequence for each in new})
        _print(new, as_json)

    def ask() -> None:
        # Without an answer there is none to tell now; it is asked again when the node is back.
        with suppress(LinkLostError):
            tell(events_on_board(bus, node.id, request))

    # Listening before asking: what happens in between is among the one or the other.
    with Follow(bus, node.id, [EVENTS_STREAM]) as following, closing(tell_presence(bus, node, back.set)):
        tell(events_on_board(bus, node.id, request))
        while not stop.is_set():
            came = following.next(_LOOK_S)
            if back.is_set():
                back.clear()
                ask()
            if isinstance(came, list):
                if heard and came[0].sequence != heard.get(came[0].boot, 0) + 1:
                    # A link that is short leaves some out.
                    ask()
                heard[came[-1].boot] = came[-1].sequence
                tell(came)


def _fits(event: ArchivedEvent, request: EventsRequest) -> bool:
    told = f"{event.event.name}\n{event.event.message}".casefold()
    return event.event.severity.rank >= request.severity.rank and request.text.casefold() in told


def _print(found: Iterable[ArchivedEvent], as_json: bool) -> None:
    for each in found:
        typer.echo(_json(each) if as_json else _line(each))
    sys.stdout.flush()


def _line(event: ArchivedEvent) -> str:
    severity = event.event.severity.value
    told = typer.style(f"{severity:<10}", fg=_COLOURS.get(severity), bold=severity == "fatal")
    name = f"{shown(event.event.name):<{_NAME_WIDTH}}"
    return f"{local_time(event.wall_time_ns)} {told} {name}  {shown(event.event.message)}"


def _json(event: ArchivedEvent) -> str:
    import msgspec

    # msgspec makes null of what is no number, as JSON wants it.
    return msgspec.json.encode(
        {
            "time": local_time(event.wall_time_ns),
            "severity": event.event.severity.value,
            "name": event.event.name,
            "message": event.event.message,
            "arguments": event.event.arguments,
            "boot": event.boot,
            "sequence": event.sequence,
            "boot_time_ns": event.event.boot_time_ns,
            "wall_time_ns": event.wall_time_ns,
        },
        enc_hook=str,
    ).decode()
