"""A folder of products that changes as a whole or not at all."""

from __future__ import annotations

import errno
import fcntl
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from heliograph.core import OutputError
from heliograph.core.atomic import write_whole

_TEMPORARY = re.compile(r"\.heliograph-.*\.part")


class OutputFolder:
    """A folder held by one job, checked for writing when it is entered.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place, OutputFolder(Path(place) / "data") as folder:
    ...     folder.replace({"note.txt": b"hello"}, own=re.compile("note.txt"))
    ...     (Path(place) / "data" / "note.txt").read_text()
    'hello'

    Entering makes the folder, locks it against other jobs, removes what a killed job left half-written, and tries to
    write. Raises `OutputError` when any of this cannot be.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = -1

    def __enter__(self) -> Self:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise self._unusable(error) from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The lock is ours, so nobody is writing these any more.
            for left_over in filter(lambda file: _TEMPORARY.fullmatch(file.name), self.path.iterdir()):
                left_over.unlink()
            self._stage("probe", b"can this be written?").unlink()
        except BlockingIOError as error:
            os.close(self._descriptor)
            raise OutputError(f"another job writes into {self.path}: wait for it or choose another folder") from error
        except OSError as error:
            os.close(self._descriptor)
            raise self._unusable(error) from error
        return self

    def __exit__(self, *exception: object) -> None:
        os.close(self._descriptor)

    def replace(self, products: Mapping[str, bytes], own: re.Pattern[str]) -> None:
        """Put `products` in the place of every file whose name matches `own`; the last of them appears last.

        All contents are on the disk under temporary names before the first final name changes: a full disk leaves the
        folder as it was. The old file of the last name goes first, so while it stands, the set with it is whole.
        Raises `OutputError`.
        """
        staged: dict[str, Path] = {}
        try:
            for name, content in products.items():
                staged[name] = self._stage(name, content)
            self._swap(staged, own)
        except OSError as error:
            raise self._unusable(error) from error
        finally:
            for file in staged.values():
                file.unlink(missing_ok=True)

    def _stage(self, name: str, content: bytes) -> Path:
        file = self.path / _temporary_name(name)
        write_whole(file, content)
        return file

    def _swap(self, staged: Mapping[str, Path], own: re.Pattern[str]) -> None:
        *others, last = staged
        (self.path / last).unlink(missing_ok=True)
        for file in list(self.path.iterdir()):
            if own.fullmatch(file.name) and file.name not in staged:
                file.unlink()
        for name in others:
            staged[name].replace(self.path / name)
        # What came before must be in the directory before the name that vouches for it.
        os.fsync(self._descriptor)
        staged[last].replace(self.path / last)
        os.fsync(self._descriptor)

    def _unusable(self, error: OSError) -> OutputError:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return OutputError(
                f"no room to write into {self.path} ({error.strerror}): free some; what was there is untouched"
            )
        if isinstance(error, FileExistsError):
            return OutputError(f"cannot write into {self.path}: it is a file; choose a folder")
        return OutputError(f"cannot write into {self.path}: {error.strerror or error}; choose another folder")


def _temporary_name(name: str) -> str:
    return f".heliograph-{name}.part"
