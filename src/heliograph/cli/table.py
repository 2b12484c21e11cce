"""Tables for people, or the same rows as JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import typer

from heliograph.cli.terminal import shown

_PROSE = 12
_GAP = 3


def show(rows: Sequence[Mapping[str, Any]], as_json: bool = False) -> None:
    """Print rows that all have the same keys, which become the columns."""
    if as_json:
        typer.echo(json.dumps(list(rows), indent=2, ensure_ascii=False))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    needed = -_GAP
    for column in rows[0] if rows else ():
        cells = [column.replace("_", " "), *(_cell(row[column]) for row in rows)]
        # A name or an address that is cut in two cannot be copied; sentences can be folded.
        sentences = any(" " in cell for cell in cells[1:])
        width = _PROSE if sentences else max(map(len, " ".join(cells).split()), default=0)
        table.add_column(cells[0], overflow="fold", min_width=width, no_wrap=not sentences)
        needed += width + _GAP
    for row in rows:
        # markup off: names come from cameras, and [brackets] in them are no style.
        table.add_row(*(_cell(value) for value in row.values()))
    # In a pipe there is no width to fit into; a terminal too narrow breaks the lines itself, and loses nothing.
    width = max(Console().width, needed) if sys.stdout.isatty() else 400
    Console(width=width, markup=False, highlight=False).print(table)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else ""
    return "" if value is None else shown(value)
