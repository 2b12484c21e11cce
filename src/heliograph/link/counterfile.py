"""The counter that a key uses next for a node: on the disk before it is used, and never the same for two programs."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from heliograph.core import OutputError


def next_counter(file: Path, *, above: int, wall_time_us: int) -> int:
    """Give a counter above the last one of this file and above another that is known to have been used.

    It follows the wall clock, so that it stays above the used ones when the file is lost; a clock that was set back
    changes nothing while the file is there.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [next_counter(Path(folder) / "node", above=0, wall_time_us=time) for time in (50, 40, 70)]
    [50, 51, 70]

    Raises `OutputError` when it cannot be kept.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            # Until the file is closed no other program or thread gets a counter.
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            kept = os.pread(descriptor, 32, 0).strip()
            last = int(kept) if kept.isdigit() else 0
            counter = max(last + 1, above + 1, wall_time_us)
            # Of one width, so that what was there is covered.
            os.pwrite(descriptor, b"%020d\n" % counter, 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise OutputError(f"the counter of commands cannot be kept in {file} ({error.strerror})") from error
    return counter
