"""Frame ids from block ids, which wrap, and which some cameras begin anew within a stream."""

from __future__ import annotations

from heliograph.gige.gvsp import LAST_BLOCK_ID, LAST_EXTENDED_BLOCK_ID


class BlockNumbering:
    """Gives each block the frame id nearest to the newest one; cameras may begin a stream with any block id.

    >>> numbering = BlockNumbering(extended=False)
    >>> numbering.newest_id = numbering.frame_id(65535)
    >>> numbering.frame_id(1), numbering.block_id(65536)
    (65536, 1)
    """

    def __init__(self, *, extended: bool) -> None:
        self.newest_id = 0
        """Highest frame id so far, 0 before the first."""
        self._span = LAST_EXTENDED_BLOCK_ID if extended else LAST_BLOCK_ID
        self._shift = 0

    def frame_id(self, block_id: int) -> int:
        """Give the frame id of a block."""
        if not self.newest_id:
            return block_id
        ahead = (block_id + self._shift - self.newest_id) % self._span
        return self.newest_id + (ahead if ahead <= self._span // 2 else ahead - self._span)

    def block_id(self, frame_id: int) -> int:
        """Give the block id of a frame."""
        return (frame_id - self._shift - 1) % self._span + 1

    def restart(self, block_id: int) -> None:
        """Go on with the next frame id at this block."""
        self._shift = self.newest_id + 1 - block_id
