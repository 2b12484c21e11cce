"""Tables for people, or the same rows as JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import typer


def show(rows: Sequence[Mapping[str, Any]], as_json: bool = False) -> None:
    """Print rows that all have the same keys, which become the columns."""
    if as_json:
        typer.echo(json.dumps(list(rows), indent=2, ensure_ascii=False))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in rows[0] if rows else ():
        table.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        # markup off: names come from cameras, and [brackets] in them are no style.
        table.add_row(*(_cell(value) for value in row.values()))
    # In a pipe there is no width to fit into.
    Console(width=None if sys.stdout.isatty() else 400, markup=False, highlight=False).print(table)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else ""
    return "" if value is None else str(value)
