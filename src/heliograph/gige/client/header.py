"""Headers of many packets at once, standard or extended, as columns of numbers."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from heliograph.gige.gvsp import header_bytes

Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[Any]

_EXTENDED = 0x80
# Looking for what can be taken at once costs as much as taking four messages singly.
_WORTH_JOINING = 4


class HeaderColumns:
    """Reads the headers of a stream's packets, one packet a row."""

    def __init__(self, *, extended: bool) -> None:
        self.extended = extended
        self.size_bytes = header_bytes(extended=extended)

    def follows(self, rows: Bytes) -> npt.NDArray[np.bool_]:
        """Tell of each row but the first whether its header is that of the row before with the next packet id.

        Packets that follow each other are of one block and format, and have one status. Rows may have leading axes.
        """
        if not self.extended:
            # The packet id ends the header: as one number, each is one more than the one before.
            words = rows[..., : self.size_bytes].view(">u8").astype(np.uint64).reshape(-1)
            following: npt.NDArray[np.bool_] = words[1:] == words[:-1] + np.uint64(1)
            return following
        parts = rows[..., : self.size_bytes].view(">u4").astype(np.uint32).reshape(-1, self.size_bytes // 4)
        parts[:, -1] -= np.arange(len(parts), dtype=np.uint32)
        alike: npt.NDArray[np.bool_] = (parts[1:] == parts[:-1]).all(axis=1)
        return alike

    def joined(
        self, rows: Bytes, lengths: npt.NDArray[np.uint32], segments: npt.NDArray[np.int32]
    ) -> Iterable[tuple[int, int]]:
        """Give ranges of messages of which each goes on where the one before ended, as far as first packets tell.

        `rows` are these first packets, each as long as a full one.
        """
        count, row_bytes = len(lengths), rows.shape[1]
        if count < _WORTH_JOINING:
            return ((message, message + 1) for message in range(count))
        _, blocks, _, ids = self.fields(rows)
        packets = lengths // row_bytes
        apart = (
            (lengths[1:] != lengths[:-1])
            | (lengths[1:] != packets[1:] * row_bytes)
            | (segments[1:] != row_bytes)
            | (segments[:-1] != row_bytes)
            | (blocks[1:] != blocks[:-1])
            | (ids[1:] != ids[:-1] + packets[:-1])
        )
        return pairwise([0, *(np.flatnonzero(apart) + 1).tolist(), count])

    def fields(self, rows: Bytes) -> tuple[Numbers, Numbers, Numbers, Numbers]:
        """Give status, block id, format and packet id of each row; the format of the other kind of header is none."""
        words = rows[:, : self.size_bytes].view(">u4").astype(np.uint64)
        status, kind = words[:, 0] >> 16, words[:, 1] >> 24
        if self.extended:
            return status, words[:, 2] << 32 | words[:, 3], kind ^ _EXTENDED, words[:, 4]
        return status, words[:, 0] & 0xFFFF, kind, words[:, 1] & 0xFF_FFFF
