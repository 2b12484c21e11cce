"""Frames on their way to the disk: held in bounded memory, written by a thread, and named when they are whole."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from heliograph.core import Frame, OutputError
from heliograph.core.atomic import sync_folder
from heliograph.desk.medium import Medium, open_medium
from heliograph.desk.sidecar import FrameTable, write_summary

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Spool:
    """Takes frames for a recording at `path`, which appears when `finish` is through.

    Until then, and for ever when that fails, it is what `part_of` says, readable as far as it goes.
    """

    def __init__(self, path: Path, count: int | None, memory_bytes: int) -> None:
        self._path = path
        self._count = count
        self._free_bytes = memory_bytes
        self._waiting: deque[tuple[Frame, int]] = deque()
        self._changed = threading.Condition()
        self._ending = False
        self._error: Exception | None = None
        self._written = False
        self._thread = threading.Thread(target=self._run, name=f"spool of {path.name}")

    @property
    def failed(self) -> bool:
        """True when nothing more can be written; `finish` tells why."""
        return self._error is not None

    def offer(self, frame: Frame) -> bool:
        """Take a copy of a frame, if there is room for it."""
        size_bytes = frame.data.nbytes
        with self._changed:
            # An empty spool takes a frame of any size.
            if self._waiting and size_bytes > self._free_bytes:
                return False
            self._free_bytes -= size_bytes
        held = replace(frame, data=frame.data.copy())
        with self._changed:
            self._waiting.append((held, time.time_ns()))
            self._changed.notify()
        return True

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Wait until all is on the disk, and give it its name; raises `OutputError`."""
        self._end()
        try:
            if self._error:
                self._discard_nothing()
                raise self._error
            table, summary_file = beside(part_of(self._path))
            write_summary(summary_file, summary)
            self._publish((table, summary_file))
        except OSError as error:
            raise self._told(error) from error

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._end()

    def _end(self) -> None:
        with self._changed:
            self._ending = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        medium: Medium | None = None
        table: FrameTable | None = None
        try:
            while taken := self._next():
                frame, received_ns = taken
                if medium is None or table is None:
                    medium = open_medium(part_of(self._path), frame, self._count)
                    table = FrameTable(beside(part_of(self._path))[0])
                medium.write(frame)
                table.write(frame, received_ns)
                self._written = True
                with self._changed:
                    self._free_bytes += frame.data.nbytes
        except Exception as error:  # whatever it is, it is raised by `finish`, in the user's thread
            self._error = error
        finally:
            for close in [each.close for each in (medium, table) if each is not None]:
                try:
                    close()
                except Exception as error:
                    self._error = self._error or error

    def _next(self) -> tuple[Frame, int] | None:
        with self._changed:
            while not self._waiting and not self._ending:
                self._changed.wait()
            return self._waiting.popleft() if self._waiting else None

    def _publish(self, sidecars: tuple[Path, Path]) -> None:
        part = part_of(self._path)
        written = sorted(part.iterdir()) if part.is_dir() else [part, *sidecars]
        for file in written:
            with file.open("rb") as stream:
                os.fsync(stream.fileno())
        if part.is_dir():
            sync_folder(part)
        else:
            for file, name in zip(sidecars, beside(self._path), strict=True):
                file.rename(name)
        # Last: a recording that has its name has its table and its summary.
        part.rename(self._path)
        sync_folder(self._path.parent)

    def _discard_nothing(self) -> None:
        """Remove files in which there is no frame: they would only be in the way of the next recording."""
        part = part_of(self._path)
        if not self._written:
            with contextlib.suppress(OSError):
                beside(part)[0].unlink(missing_ok=True)
                part.rmdir() if part.is_dir() else part.unlink()

    def _told(self, error: OSError) -> OutputError:
        kept = f"what was written of it is {part_of(self._path)}" if self._written else "nothing was written"
        if isinstance(error, OutputError):
            return OutputError(f"{error}; {kept}")
        if error.errno in _FULL:
            return OutputError(f"no room to record {self._path} ({error.strerror}): free some; {kept}")
        return OutputError(f"cannot record {self._path}: {error.strerror or error}; {kept}")


def part_of(path: Path) -> Path:
    """Give the name that a recording has while it grows.

    >>> str(part_of(Path("flight.mkv")))
    'flight-part.mkv'
    """
    return path.with_name(f"{path.stem}-part{path.suffix}")


def beside(path: Path) -> tuple[Path, Path]:
    """Give the names of a recording's table and summary: beside a file, in a folder.

    >>> [str(each) for each in (*beside(Path("flight.mkv")), *beside(Path("flight")))]
    ['flight.mkv.csv', 'flight.mkv.json', 'flight/frames.csv', 'flight/recording.json']
    """
    if path.suffix:
        return path.with_name(f"{path.name}.csv"), path.with_name(f"{path.name}.json")
    return path / "frames.csv", path / "recording.json"
