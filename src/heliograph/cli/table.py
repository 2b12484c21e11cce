"""Tables for people, or the same rows as JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import typer

from heliograph.cli.terminal import shown

if TYPE_CHECKING:
    from rich.table import Table

_PROSE = 12
_GAP = 3


def show(rows: Sequence[Mapping[str, Any]], as_json: bool = False, styles: Sequence[str] = ()) -> None:
    """Print rows that all have the same keys, which become the columns; `styles` are rich's, one for each row."""
    if as_json:
        typer.echo(json.dumps(list(rows), indent=2, ensure_ascii=False))
        return
    from rich.console import Console

    table, needed = draw(rows, styles)
    # In a pipe there is no width to fit into; a terminal too narrow breaks the lines itself, and loses nothing.
    width = max(Console().width, needed) if sys.stdout.isatty() else 400
    Console(width=width, markup=False, highlight=False).print(table)


def draw(rows: Sequence[Mapping[str, Any]], styles: Sequence[str] = ()) -> tuple[Table, int]:
    """Give the table of rows, and the width that it needs at least."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    needed = -_GAP
    for column in rows[0] if rows else ():
        cells = [column.replace("_", " "), *(_cell(row[column]) for row in rows)]
        # A name or an address that is cut in two cannot be copied; sentences can be folded.
        sentences = any(" " in cell for cell in cells[1:])
        width = _PROSE if sentences else max(map(len, " ".join(cells).split()), default=0)
        table.add_column(cells[0], overflow="fold", min_width=width, no_wrap=not sentences)
        needed += width + _GAP
    for row, style in zip_longest(rows, styles):
        # As text: names come from cameras, and [brackets] in them are no style.
        table.add_row(*(Text(_cell(value)) for value in row.values()), style=style)
    return table, needed


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else ""
    return "" if value is None else shown(value)
