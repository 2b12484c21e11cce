"""One node, one program: its state is nobody else's."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from heliograph.core import OutputError, SettingError
from heliograph.link.keys import PublicKey


@contextmanager
def held(state: Path, node: PublicKey) -> Iterator[None]:
    """Keep a second program out of a folder, and a second node: two would number samples and commands alike.

    The file `lock` says whose it is. Raises `SettingError` for a folder of another, `OutputError` for one that cannot
    be used.
    """
    try:
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(state / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise OutputError(f"cannot use {state} ({error.strerror}): give another with --state-dir") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SettingError(f"another node uses {state}: end it, or give another with --state-dir") from error
        owner = os.pread(lock, 100, 0).decode("ascii", "replace").strip()
        if owner not in ("", node.hex):
            raise SettingError(
                f"{state} is that of the node {owner[:16]}, and this is {node.short}: give another with --state-dir"
            )
        if not owner:
            with suppress(OSError):  # where the disk is full, the next start writes it
                os.pwrite(lock, f"{node.hex}\n".encode(), 0)
        yield
    finally:
        os.close(lock)
