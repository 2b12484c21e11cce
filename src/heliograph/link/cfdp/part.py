"""What has come of a file: written to its part file, and on the disk as far as the journal says."""

from __future__ import annotations

import errno
from typing import BinaryIO

from heliograph.link.cfdp.extents import Extents
from heliograph.link.cfdp.files import Target

NO_ROOM = frozenset((errno.ENOSPC, errno.EDQUOT))
"""Errors that pass when somebody makes room."""

# What a crash of the machine may cost: it is received again.
_SAVE_EVERY_NS = 1_000_000_000
_SAVE_EVERY_BYTES = 64_000_000


class Part:
    """The part file of one transfer, and which extents of it are good."""

    def __init__(self, target: Target, stored: bytes) -> None:
        self.received = Extents(stored)
        self.verified_bytes = self.received.prefix
        """How much is on the disk, from the beginning."""
        self._target = target
        self._file: BinaryIO | None = None
        self._stored = stored
        self._unsaved_bytes = 0
        self._unsaved_since_ns: int | None = None
        self._saving = False

    def write(self, offset: int, data: bytes | memoryview, now_ns: int) -> None:
        """Write what is new; what came before is not touched again. Raises `OSError` or `HeliographError`."""
        for start, end in list(self.received.missing(offset, offset + len(data))):
            if self._file is None:
                self._file = self._target.open()
            self._file.seek(start)
            rest = memoryview(data)[start - offset : end - offset]
            while rest:
                rest = rest[self._file.write(rest) :]
            self._unsaved_bytes += self.received.add(start, end)
            if self._unsaved_since_ns is None:
                self._unsaved_since_ns = now_ns

    def save_due_ns(self) -> int | None:
        """Give when to save; None while that is under way or there is nothing to save."""
        if self._saving or self._unsaved_since_ns is None:
            return None
        return 0 if self._unsaved_bytes >= _SAVE_EVERY_BYTES else self._unsaved_since_ns + _SAVE_EVERY_NS

    def save(self) -> bytes:
        """Begin to save; gives the extents for the journal."""
        self._saving = True
        self._unsaved_bytes, self._unsaved_since_ns = 0, None
        return self.received.pack()

    def saved(self, extents: bytes) -> bool:
        """Note that these are on the disk and in the journal; tells whether that is news."""
        self._saving = False
        news = extents != self._stored
        if news:
            self._stored = extents
            self.verified_bytes = Extents(extents).prefix
        return news

    def revert(self) -> None:
        """Forget what could not be written to the disk: all that is not in the journal."""
        self.received = Extents(self._stored)
        self._saving = False
        self._unsaved_bytes, self._unsaved_since_ns = 0, None
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None
