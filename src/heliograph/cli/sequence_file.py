"""A sequence in a file of this machine: read, checked, and what is wrong in it shown at its place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from heliograph.cli.terminal import shown
from heliograph.core import SequenceError, SourceError, SourceNotFoundError

if TYPE_CHECKING:
    from heliograph.link.dictionary import CommandDefinition
    from heliograph.link.sequence import Fault, Step

_LARGEST_BYTES = 1_000_000


def read_text(file: Path) -> str:
    """Read a sequence. Raises `SourceNotFoundError`, `SourceError`, or `SequenceError` for what is no text."""
    try:
        with file.open("rb") as stream:
            content = stream.read(_LARGEST_BYTES + 1)
        if len(content) > _LARGEST_BYTES:
            raise SequenceError(f"{file} has more than {_LARGEST_BYTES} bytes: make several sequences of it")
        return content.decode()
    except FileNotFoundError as error:
        raise SourceNotFoundError(f"there is no file {file}") from error
    except OSError as error:
        raise SourceError(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SequenceError(f"{file} is no text in UTF-8 (byte {error.start}): save it as UTF-8") from error


def checked_steps(file: Path, text: str, definitions: Mapping[str, CommandDefinition] | None) -> tuple[Step, ...]:
    """Give the steps of a sequence, checked against commands where they are known; all that is wrong is shown.

    Raises `SequenceError` when anything is.
    """
    from heliograph.link.sequence import check, parse

    steps, faults = parse(text)
    if definitions is not None:
        faults = sorted(
            [*faults, *check(steps, definitions.get, list(definitions))], key=lambda each: (each.line, each.column)
        )
    for fault in faults:
        show_fault(fault, file, text)
    if faults:
        count = "one mistake" if len(faults) == 1 else f"{len(faults)} mistakes"
        raise SequenceError(f"{count} in {file}: mend what is shown above")
    return steps


def show_fault(fault: Fault, file: Path, text: str, kind: str = "") -> None:
    """Show one place of the text on stderr, with a caret below it."""
    for number, line in enumerate(fault.shown(str(file), text).split("\n")):
        typer.echo(shown(f"{kind}{line}" if number == 0 else line), err=True)
