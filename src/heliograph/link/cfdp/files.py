"""The files at both ends: what a transfer needs of them, and plain ones by path."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from heliograph.core import TransferError
from heliograph.core.atomic import sync_folder


@dataclass(frozen=True, slots=True)
class Identity:
    """By which a file is known to be the same as before a restart."""

    size_bytes: int
    modified_wall_ns: int
    inode: int

    @classmethod
    def of(cls, file: BinaryIO) -> Identity:
        """Give that of an open file."""
        status = os.fstat(file.fileno())
        return cls(status.st_size, status.st_mtime_ns, status.st_ino)


class Source(Protocol):
    """A file to send. Its methods may be called from several threads."""

    @property
    def name(self) -> str:
        """What the journal keeps, and `Transfers(sources=…)` makes it anew from after a restart."""

    def open(self) -> BinaryIO:
        """Open it for reading, unbuffered, with a file descriptor. Raises `OSError` or `HeliographError`."""


class Target(Protocol):
    """A place for a file that comes. Its methods may be called from several threads."""

    @property
    def name(self) -> str:
        """What the journal keeps, and `Transfers(targets=…)` makes it anew from after a restart."""

    def open(self) -> BinaryIO:
        """Open the part file for reading and writing, unbuffered, with a descriptor; make it when it is not there."""

    def commit(self) -> None:
        """Give the part file, which is on the disk, its final name, and have the name on the disk.

        Called again after a crash: a part file that is gone has got its name before. Raises `OSError` or
        `HeliographError`, for instance when there is another file of that name that is not to be replaced.
        """

    def discard(self) -> None:
        """Remove the part file, if there is one."""


@dataclass(frozen=True, slots=True)
class FileSource:
    """A file by its path.

    >>> FileSource("/data/picture.tif").name
    '/data/picture.tif'
    """

    name: str

    def open(self) -> BinaryIO:
        """Open it for reading."""
        return Path(self.name).open("rb", buffering=0)


@dataclass(frozen=True, slots=True)
class FileTarget:
    """A file by its path; while it is not whole it lies beside that path, hidden, as `.NAME.part`."""

    path: Path
    replace: bool = False

    @property
    def name(self) -> str:
        """The path, after `=` where an older file is to be replaced and `:` where not."""
        return f"{'=' if self.replace else ':'}{self.path}"

    @classmethod
    def named(cls, name: str) -> FileTarget:
        """Make it from its name.

        >>> FileTarget.named("=/data/picture.tif").replace
        True
        """
        return cls(Path(name[1:]), replace=name[0] == "=")

    @property
    def _part(self) -> Path:
        return self.path.with_name(f".{self.path.name}.part")

    def open(self) -> BinaryIO:
        """Open the part file."""
        descriptor = os.open(self._part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        return open(descriptor, "r+b", buffering=0)  # noqa: PTH123 (by descriptor)

    def commit(self) -> None:
        """Give the part file its final name; raises `TransferError` when that is taken."""
        if self._part.exists():
            if self.replace:
                self._part.replace(self.path)
            else:
                self._link()
        sync_folder(self.path.parent)

    def _link(self) -> None:
        # A rename would replace a file that came between a check and it; a link does not.
        try:
            os.link(self._part, self.path)
        except FileExistsError:
            if not self.path.samefile(self._part):
                raise TransferError(f"{self.path} exists already: remove it, or ask for it to be replaced") from None
        self._part.unlink()

    def discard(self) -> None:
        """Remove the part file."""
        self._part.unlink(missing_ok=True)
