"""SHA-256 of files, remembered for as long as a file is the same."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections import OrderedDict
from typing import BinaryIO

from heliograph.core import TransferError

_PIECE_BYTES = 1 << 20
# What was written less than this ago may be written once more within one tick of the file system's clock.
_SETTLED_NS = 1_000_000_000

_Identity = tuple[int, int, int, int, int]


class Digests:
    """Computes digests, and knows those of the last files it was asked for; for use by several threads.

    A file is the same while device, inode, size and both times are.
    """

    def __init__(self, most: int = 10_000) -> None:
        self._known: OrderedDict[_Identity, bytes] = OrderedDict()
        self._most = most
        self._lock = threading.Lock()

    def of(self, stream: BinaryIO, cancelled: threading.Event) -> bytes:
        """Give the SHA-256 of an open file, 32 bytes; raises `TransferError` when cancelled or the file changes."""
        before = _identity(stream)
        with self._lock:
            if known := self._known.get(before):
                self._known.move_to_end(before)
                return known
        digest = hashlib.sha256()
        stream.seek(0)
        while piece := stream.read(_PIECE_BYTES):
            if cancelled.is_set():
                raise TransferError("the digest was not computed to its end: cancelled")
            digest.update(piece)
        if _identity(stream) != before:
            raise TransferError("the file was written to while its digest was computed: try again when it is done")
        # Two labels of the same clock are compared; where it stepped between them, the digest is computed once more.
        if abs(time.time_ns() - max(before[3:])) > _SETTLED_NS:
            self._remember(before, digest.digest())
        return digest.digest()

    def _remember(self, identity: _Identity, digest: bytes) -> None:
        with self._lock:
            self._known[identity] = digest
            while len(self._known) > self._most:
                self._known.popitem(last=False)


def _identity(stream: BinaryIO) -> _Identity:
    found = os.fstat(stream.fileno())
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
