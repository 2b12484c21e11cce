"""Small whole files below the node's root: written by commands on board, read by sequences."""

from __future__ import annotations

import os

from heliograph.core import HeliographError, OutputError, SettingError, SourceError
from heliograph.link.paths import names_of
from heliograph.link.roots import Root


def stow(root: Root, path: str, content: bytes) -> None:
    """Put a new file below the root; it has its name when it is whole and on the disk.

    Raises `OutputError` when there is one of this name, or no room, and what `Root` raises for paths that cannot be.
    """
    *above, name = names_of(path) or ("",)
    if not name:
        raise SettingError("the file root is no file: give a path below it")
    try:
        with root.folder(tuple(above), make=True) as folder:
            _place(folder, name, content)
    except FileExistsError as error:
        raise OutputError(f"{path} is there already: delete it, or choose another name") from error
    except OSError as error:
        if isinstance(error, HeliographError):
            raise
        raise OutputError(f"cannot write {path} ({error.strerror}): free some room") from error


def _place(folder: int, name: str, content: bytes) -> None:
    """A file without a name leaves nothing behind when the power goes: open(2), O_TMPFILE."""
    file = os.open(".", os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o644, dir_fd=folder)
    try:
        left = memoryview(content)
        while left:
            left = left[os.write(file, left) :]
        os.fsync(file)
        os.link(f"/proc/self/fd/{file}", name, dst_dir_fd=folder, follow_symlinks=True)
        os.fsync(folder)
    finally:
        os.close(file)


def fetch(root: Root, path: str, most_bytes: int) -> bytes:
    """Give the content of a file below the root. Raises `SourceError` for a larger one, and what `Root` raises."""
    with root.open(path) as stream:
        content = stream.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise SourceError(f"{path} has more than {most_bytes} bytes: it is not what it should be")
    return content
