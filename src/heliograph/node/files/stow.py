"""Small whole files below the node's root: written by commands on board, read by sequences."""

from __future__ import annotations

import os
import secrets

from heliograph.core import OutputError, SourceError
from heliograph.link.roots import Root


def stow(root: Root, path: str, content: bytes) -> None:
    """Put a new file below the root; it has its name when it is whole and on the disk.

    Raises `OutputError` when there is one of this name, or no room, and what `Root` raises for paths that cannot be.
    """
    label = f"stow-{secrets.token_hex(4)}"
    try:
        with root.open_part(path, label) as stream:
            left = memoryview(content)
            while left:
                left = left[stream.write(left) :]
            os.fsync(stream.fileno())
        root.publish_part(path, label, replace=False)
    except OSError as error:
        root.discard_part(path, label)
        if isinstance(error, OutputError):
            raise
        raise OutputError(f"cannot write {path} ({error.strerror}): free some room") from error


def fetch(root: Root, path: str, most_bytes: int) -> bytes:
    """Give the content of a file below the root. Raises `SourceError` for a larger one, and what `Root` raises."""
    with root.open(path) as stream:
        content = stream.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise SourceError(f"{path} has more than {most_bytes} bytes: it is not what it should be")
    return content
