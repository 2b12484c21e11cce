"""Checksum and SHA-256 of a file, taken as its beginning grows, so that the end of a large one is no stop."""

from __future__ import annotations

import hashlib
import os
import zlib
from typing import BinaryIO

import fastcrc
import numpy as np

from heliograph.core import TransferError
from heliograph.link.cfdp.pdu import ChecksumType

_CHUNK_BYTES = 1 << 22
KNOWN = frozenset((ChecksumType.MODULAR, ChecksumType.CRC_32C, ChecksumType.CRC_32, ChecksumType.NULL_CHECKSUM))
"""Checksums that can be taken; Proximity-1's CRC is not among them."""


class Checksum:
    """A checksum of CFDP (clause 4.2.2; identifiers in the SANA registry), in pieces of any length, in order.

    >>> checksum = Checksum(ChecksumType.MODULAR)
    >>> checksum.update(bytes((1, 2, 3, 4, 5)))
    >>> hex(checksum.value)
    '0x6020304'
    """

    def __init__(self, kind: ChecksumType) -> None:
        self._kind = kind
        self._length = 0
        self.value = 0
        """Of all so far."""

    def update(self, data: bytes) -> None:
        """Add a piece."""
        match self._kind:
            case ChecksumType.CRC_32:
                self.value = zlib.crc32(data, self.value)
            case ChecksumType.CRC_32C:
                self.value = fastcrc.crc32.iscsi(data, self.value)
            case ChecksumType.MODULAR:
                # Words of four bytes at offsets that are multiples of four, the last one filled up with zeros.
                before = self._length % 4
                words = bytes(before) + data + bytes(-(before + len(data)) % 4)
                self.value = (self.value + int(np.frombuffer(words, ">u4").sum(dtype=np.uint64))) & 0xFFFF_FFFF
        self._length += len(data)


class Digest:
    """Checksum and SHA-256 of the beginning of a file."""

    def __init__(self, file: BinaryIO, kind: ChecksumType, *, hashed: bool) -> None:
        self._file = file
        self._kind = kind
        self._checksum = Checksum(kind)
        self._hash = hashlib.sha256() if hashed else None
        self.done_bytes = 0
        """How much was taken."""

    @property
    def checksum(self) -> int:
        """Checksum of what was taken."""
        return self._checksum.value

    @property
    def sha256(self) -> bytes | None:
        """SHA-256 of what was taken; None when nobody wants it."""
        return None if self._hash is None else self._hash.digest()

    def advance(self, end: int) -> bool:
        """Take a few megabytes more, up to `end`; tells whether there is more to take.

        Raises `OSError`, and `TransferError` when the file is shorter.
        """
        # After a full disk less may be there than was taken already, which comes again as it was.
        if end < self.done_bytes:
            return False
        if self._kind is ChecksumType.NULL_CHECKSUM and self._hash is None:
            self.done_bytes = end
            return False
        data = os.pread(self._file.fileno(), min(_CHUNK_BYTES, end - self.done_bytes), self.done_bytes)
        if not data and self.done_bytes < end:
            raise TransferError("the file became shorter while it was read: send it again")
        self._checksum.update(data)
        if self._hash is not None:
            self._hash.update(data)
        self.done_bytes += len(data)
        return self.done_bytes < end
