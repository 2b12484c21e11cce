"""Frames that were sent, kept so that packets of them can be sent again. Sans-IO."""

from __future__ import annotations

from collections import deque

from heliograph.gige.gvcp import Status
from heliograph.gige.gvsp import LAST_BLOCK_ID, RESENT, PacketFormat, PacketHeader, PayloadPackets

KEPT_NS = 500_000_000
"""A frame is kept for this long after its last packet, memory permitting: as long as our own client asks for it.

Aravis asks for 100 ms, unless it is told otherwise.
"""
KEPT_BYTES = 64_000_000
"""Memory of kept frames: 0.5 s of a link of 1 Gbit/s. Frames too large for it are kept in twos."""
_FEWEST = 2


class KeptFrame:
    """The packets of one frame, and how many of them have been sent."""

    __slots__ = ("block_id", "leader", "packets", "sent", "sent_ns", "trailer")

    def __init__(self, packets: PayloadPackets) -> None:
        self.packets = packets
        self.block_id = 0
        self.leader = self.trailer = b""
        self.sent = 0
        """Packet ids below this have been sent: 0 is the leader, the trailer comes last."""
        self.sent_ns = 0

    def begin(self, block_id: int, leader: bytes) -> None:
        """Take the leader of a new frame; nothing of it is sent yet."""
        self.block_id, self.leader, self.sent = block_id, leader, 0

    def edge_again(self, packet_id: int) -> bytes:
        """Give the leader (0) or the trailer marked as resent."""
        packet = self.leader if packet_id == 0 else self.trailer
        header = PacketHeader.unpack(packet)
        marked = PacketHeader(header.block_id, header.format, header.packet_id, RESENT, header.extended).pack()
        return marked + packet[len(marked) :]


class KeptFrames:
    """The last frames of a stream: their pictures, and headers that are used again and again.

    One more is kept while the oldest frame is younger than `KEPT_NS`, as long as all fit into `KEPT_BYTES`, and two in
    any case. One thread may use it.
    """

    def __init__(self, payload_bytes: int, packet_size_bytes: int, *, extended: bool) -> None:
        self._shape = payload_bytes, packet_size_bytes
        self._extended = extended
        self._frames: deque[KeptFrame] = deque()

    def take(self, now_ns: int) -> KeptFrame:
        """Give what the next frame goes into; the oldest frame may be gone then."""
        frame = self._frames.popleft() if self._enough(now_ns) else self._made()
        self._frames.append(frame)
        return frame

    def find(self, block_id: int) -> KeptFrame | None:
        """Give a frame that is still kept."""
        return next((frame for frame in reversed(self._frames) if frame.block_id == block_id), None)

    def refusal(self, block_id: int, packet_id: int) -> bytes:
        """Give the packet that says that another one cannot be sent: an empty one, with the reason as its status."""
        status = Status.PACKET_NOT_YET_AVAILABLE if self._is_ahead(block_id) else Status.PACKET_UNAVAILABLE
        return PacketHeader(block_id, PacketFormat.PAYLOAD, packet_id, status, self._extended).pack()

    def _is_ahead(self, block_id: int) -> bool:
        newest = self._frames[-1].block_id if self._frames else 0
        if self._extended:
            return block_id >= newest
        return (block_id - newest) % LAST_BLOCK_ID < LAST_BLOCK_ID // 2

    def _enough(self, now_ns: int) -> bool:
        count = len(self._frames)
        if count < _FEWEST:
            return False
        oldest = self._frames[0]
        full = (count + 1) * self._shape[0] > KEPT_BYTES
        return full or now_ns - oldest.sent_ns > KEPT_NS

    def _made(self) -> KeptFrame:
        return KeptFrame(PayloadPackets(*self._shape, extended=self._extended))
