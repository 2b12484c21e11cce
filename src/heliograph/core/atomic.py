"""Files that are whole or not there: under their final name nothing half-written is ever seen."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Write a new file and have it on the disk; on failure nothing stays. Raises `OSError`."""
    try:
        with path.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
    except BaseException:
        # Where it cannot go, it never came to be; an error here would hide the one above.
        with contextlib.suppress(OSError):
            path.unlink()
        raise


def replace_file(path: Path, content: bytes) -> None:
    """Put `content` in the place of a file, or of none: after a power cut there is the old file or the new one.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     replace_file(Path(folder) / "note.txt", b"hello")
    ...     [file.name for file in Path(folder).iterdir()]
    ['note.txt']

    Raises `OSError`.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    write_whole(part, content)
    try:
        part.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk, as `write_whole` has contents. Raises `OSError`."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
