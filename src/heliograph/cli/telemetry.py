"""`heliograph telemetry`: what a node measures, now, as it comes, and what an archive has of it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from heliograph.cli.argument import JsonOption
from heliograph.cli.ground import Connect, KeyFile, TlsCa, TlsCertificate, TlsKey, ground_bus, ground_key, installed
from heliograph.cli.interruption import stop_on_signals
from heliograph.cli.moment import EVER_NS, wall_time_ns
from heliograph.cli.presence import tell_presence
from heliograph.cli.table import show
from heliograph.cli.terminal import shown
from heliograph.core import SettingError

if TYPE_CHECKING:
    from heliograph.cli.readings import Reading

_LOOK_S = 0.25


def telemetry(
    node: Annotated[str, typer.Argument(metavar="NODE", help="Name of a node, or the beginning of its id.")],
    streams: Annotated[list[str] | None, typer.Argument(metavar="[STREAM]...", help="Only these streams.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C, as samples come.")] = False,
    archive: Annotated[
        Path | None,
        typer.Option("--archive", metavar="FILE", help="With --follow collect into this file; without it, read it."),
    ] = None,
    begin: Annotated[str | None, typer.Option("--from", metavar="TIME", help="Archived samples from then on.")] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="TIME", help="Archived samples before then.")] = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write one stream's archived samples to this file.")
    ] = None,
    connect: Connect = None,
    tls_ca: TlsCa = None,
    tls_certificate: TlsCertificate = None,
    tls_key: TlsKey = None,
    key: KeyFile = None,
    as_json: JsonOption = False,
) -> None:
    """Show the newest value of every channel; follow them, collect them, or read what was collected."""
    wanted = tuple(streams or ())
    if archive is not None and not follow:
        _read(archive, node, wanted, (begin, end), csv, as_json)
        return
    if (begin, end, csv) != (None, None, None):
        raise SettingError("--from, --to and --csv read an archive: name it with --archive, and leave --follow out")
    private = None if archive is None else ground_key(key)
    with ground_bus(connect, tls_ca, tls_certificate, tls_key) as bus, ExitStack() as resources:
        from heliograph.cli.watching import Newest, lines_or_table
        from heliograph.link.discovery import find_node
        from heliograph.link.follow import Follow

        newest = Newest(bus, find_node(bus, node, key=private), wanted)
        if not follow:
            _show(newest.readings(), as_json)
            return
        stop = stop_on_signals()
        following = resources.enter_context(Follow(bus, newest.node.id, wanted, listen=archive is None))
        if archive is not None and private is not None:
            from heliograph.cli.archiving import archiving

            resources.enter_context(archiving(bus, newest.node, archive, private, following.offer))
        view = resources.enter_context(lines_or_table(newest, as_json))
        resources.enter_context(closing(tell_presence(bus, newest.node)))
        while not stop.is_set():
            view(following.next(_LOOK_S))
    if following.missed:
        typer.echo(
            f"{following.missed} blocks were not shown: they came faster than they could be, or unknown", err=True
        )


def _read(
    archive: Path,
    node: str,
    streams: Sequence[str],
    span: tuple[str | None, str | None],
    csv: Path | None,
    as_json: bool,
) -> None:
    """Show what an archive has; no node need be there."""
    begin_ns, end_ns = (
        ever_ns if text is None else wall_time_ns(text) for text, ever_ns in zip(span, EVER_NS, strict=True)
    )
    with installed():
        from heliograph.cli.history import archived_node, check_streams, newest, print_samples, write_csv
        from heliograph.link.archive import SqliteArchive
    if csv is not None and len(streams) != 1:
        raise SettingError("--csv writes one stream: name it after the node")
    if begin_ns >= end_ns:
        raise SettingError("--to is not after --from: nothing can be between them")
    with SqliteArchive(archive, read_only=True) as opened:
        id_ = archived_node(opened, node)
        check_streams(opened, id_, streams)
        if csv is not None:
            count = write_csv(opened, id_, streams[0], begin_ns, end_ns, csv)
            typer.echo(shown(f"{count} samples of {streams[0]} are in {csv}"))
        elif span != (None, None):
            print_samples(opened, id_, streams, begin_ns, end_ns, as_json)
        else:
            _show(newest(opened, id_, streams), as_json)


def _show(found: Sequence[Reading], as_json: bool) -> None:
    if not found and not as_json:
        typer.echo("there is no sample yet", err=True)
        return
    show([each.facts() if as_json else each.row() for each in found], as_json, [each.style for each in found])
    sys.stdout.flush()
