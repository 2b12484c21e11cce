"""Pages of the documentation that follow from the code.

    python -m heliograph.testing.documents

writes them anew; a test tells when one is stale.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from heliograph.cli.exit_code import MEANINGS, exit_code
from heliograph.core import HeliographError
from heliograph.node.settings import NodeSettings

_NOTE = "<!-- Written by `python -m heliograph.testing.documents`; change the code, not this page. -->"


def error_page() -> str:
    """Give the page of all errors, with the builtins each one also is and the exit status it leads to."""
    rows = [_row(error, depth) for error, depth in _tree(HeliographError, 0)]
    return "\n".join(
        [
            "# Errors",
            "",
            _NOTE,
            "",
            "Everything that Heliograph raises on purpose is a `heliograph.HeliographError`, and also the builtin that",
            "one would expect. The message is one line and says what to do. The number is the exit status of the",
            "command line ([exit status](exit-status.md)).",
            "",
            "| Error | Also a | Exit | Meaning |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
        ]
    )


def exit_status_page() -> str:
    """Give the page of all exit statuses."""
    rows = [f"| {code.value} | {meaning} |" for code, meaning in MEANINGS.items()]
    return "\n".join(
        [
            "# Exit status",
            "",
            _NOTE,
            "",
            "What `heliograph` ends with. Scripts may rely on the numbers. Every failure is one line on stderr; with",
            "`HELIOGRAPH_TRACEBACK=1` a defect (1) shows where it is.",
            "",
            "| Status | Meaning |",
            "| --- | --- |",
            *rows,
            "",
        ]
    )


def node_schema() -> str:
    """Give the JSON Schema of node.toml."""
    return msgspec.json.format(msgspec.json.encode(msgspec.json.schema(NodeSettings)), indent=2).decode() + "\n"


PAGES = {"errors.md": error_page, "exit-status.md": exit_status_page, "node.schema.json": node_schema}
"""Each page of docs/reference that follows from the code, and what writes it."""


def _row(error: type[HeliographError], depth: int) -> str:
    name = f"{'&emsp;' * depth}`{error.__name__}`"
    return f"| {name} | {_builtins(error)} | {exit_code(error('')).value} | {_summary(error)} |"


def _tree(error: type[HeliographError], depth: int) -> list[tuple[type[HeliographError], int]]:
    below = [row for leaf in error.__subclasses__() if _public(leaf) for row in _tree(leaf, depth + 1)]
    return [(error, depth), *below]


def _public(error: type[HeliographError]) -> bool:
    return error.__module__ == HeliographError.__module__


def _builtins(error: type[HeliographError]) -> str:
    return ", ".join(f"`{each.__name__}`" for each in error.__bases__ if each.__module__ == "builtins") or "`Exception`"


def _summary(error: type[HeliographError]) -> str:
    return (error.__doc__ or "").strip().splitlines()[0]


def main(folder: Path) -> None:
    """Write every page into `folder`."""
    for name, write in PAGES.items():
        (folder / name).write_text(write(), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/reference"))
