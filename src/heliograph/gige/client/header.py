"""Headers of many packets at once, standard or extended, as columns of numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from heliograph.gige.gvsp import PacketFormat, header_bytes

Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.unsignedinteger[Any]]
Numbers = npt.NDArray[Any]

_EXTENDED = 0x80


class HeaderColumns:
    """Reads the headers of a stream's packets, one packet a row.

    `packets` is the number of payload packets of a frame.
    """

    def __init__(self, packets: int, *, extended: bool) -> None:
        self.extended = extended
        self.size_bytes = header_bytes(extended=extended)
        # The widest words that fit: fewest to compare.
        self._word = np.dtype(np.uint32 if extended else np.uint64)
        ids = np.arange(1, packets + 1, dtype=np.uint32)
        self._template = np.zeros((packets, self.size_bytes // 4), ">u4")
        if extended:
            self._template[:, 1] = (_EXTENDED | PacketFormat.PAYLOAD) << 24
            self._template[:, 4] = ids
        else:
            self._template[:, 1] = ids | (PacketFormat.PAYLOAD << 24)

    def raw(self, rows: Bytes) -> Words:
        """Give the headers as words in wire order, to compare with `of_block`; rows may have several leading axes."""
        return rows[..., : self.size_bytes].view(self._word)

    def of_block(self, block_id: int) -> Words:
        """Give the headers that all payload packets of a block have, as words in wire order."""
        words = self._template.copy()
        if self.extended:
            words[:, 2:4] = block_id >> 32, block_id & 0xFFFF_FFFF
        else:
            words[:, 0] = block_id
        return words.view(self._word)

    def fields(self, rows: Bytes) -> tuple[Numbers, Numbers, Numbers, Numbers]:
        """Give status, block id, format and packet id of each row; the format of the other kind of header is none."""
        words = rows[:, : self.size_bytes].view(">u4").astype(np.uint64)
        status, kind = words[:, 0] >> 16, words[:, 1] >> 24
        if self.extended:
            return status, words[:, 2] << 32 | words[:, 3], kind ^ _EXTENDED, words[:, 4]
        return status, words[:, 0] & 0xFFFF, kind, words[:, 1] & 0xFF_FFFF
