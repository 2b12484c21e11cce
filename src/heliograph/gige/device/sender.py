"""Sends frames as GVSP packets: a frame is laid out once and given to the kernel in batches, paced between them."""

from __future__ import annotations

import errno
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from heliograph.core import Frame
from heliograph.gige.gvsp import IP_UDP_BYTES, ImageLeader, ImageTrailer, PayloadPackets, block_id_of, datagram_bytes

# linux/udp.h; the socket module names neither before Python 3.12.
_UDP_SEGMENT = 103
_MAX_SEGMENTS = 44
# A paced stream goes in smaller bursts, 0.24 ms at 1 Gbit/s: what switches and stock socket buffers have to hold.
_PACED_SEGMENTS = 20
_MAX_DATAGRAM_BYTES = 65_507
# Errors of a kernel or interface that cannot segment: too old, no checksum offload, segment larger than the path's MTU.
_NO_SEGMENTATION = (errno.EINVAL, errno.EIO, errno.EOPNOTSUPP, errno.ENOPROTOOPT)
# What a pause may be made up for by sending faster: two batches at 1 Gbit/s, which the smallest socket buffer holds.
_BURST_NS = 500_000
_TURN_S = 0.1


@dataclass(frozen=True, slots=True)
class StreamConfig:
    """Where a stream goes and how fast.

    `throughput_limit_bytes_per_s` counts packet sizes, IP header included; None sends as fast as the kernel takes it.
    """

    destination: tuple[str, int]
    packet_size_bytes: int = 1500
    packet_delay_ns: int = 0
    throughput_limit_bytes_per_s: int | None = None


class StreamSender:
    """Sends frames from one socket to one destination.

    `send` blocks until the whole frame is with the kernel, which pacing makes take as long as the link would.
    """

    def __init__(self, source: socket.socket, config: StreamConfig, stopping: Callable[[], bool]) -> None:
        self._socket = source
        self._config = config
        self._stopping = stopping
        self._packets: PayloadPackets | None = None
        self._payload_bytes = 0
        self._segments = True
        paced = config.packet_delay_ns or config.throughput_limit_bytes_per_s
        segments = _PACED_SEGMENTS if paced else _MAX_SEGMENTS
        self._batch_packets = min(segments, _MAX_DATAGRAM_BYTES // datagram_bytes(config.packet_size_bytes))
        self._due_ns = 0

    def send(self, frame: Frame) -> None:
        """Send leader, payload and trailer; returns early when the stream is stopping."""
        block_id = block_id_of(frame.id)
        offsets = (int(frame.metadata.get("offset_x", 0)), int(frame.metadata.get("offset_y", 0)))
        leader = ImageLeader(frame.timestamp_ns, frame.pixel_format, frame.width, frame.height, *offsets)
        payload = np.ascontiguousarray(frame.data).reshape(-1).view(np.uint8)
        packets = self._laid_out(payload.nbytes)
        packets.fill(payload, block_id)
        self._socket.sendto(leader.pack(block_id), self._config.destination)
        for batch in packets.batches(self._batch_packets):
            if self._stopping():
                return
            self._send_batch(batch)
        trailer = ImageTrailer(frame.height)
        self._socket.sendto(trailer.pack(block_id, packets.count + 1), self._config.destination)

    def _laid_out(self, payload_bytes: int) -> PayloadPackets:
        if self._packets is None or self._payload_bytes != payload_bytes:
            self._packets = PayloadPackets(payload_bytes, self._config.packet_size_bytes)
            self._payload_bytes = payload_bytes
        return self._packets

    def _send_batch(self, batch: memoryview) -> None:
        self._pace(len(batch))
        segment_bytes = datagram_bytes(self._config.packet_size_bytes)
        if self._segments and len(batch) > segment_bytes:
            control = [(socket.IPPROTO_UDP, _UDP_SEGMENT, struct.pack("=H", segment_bytes))]
            try:
                self._socket.sendmsg([batch], control, 0, self._config.destination)
            except OSError as error:
                if error.errno not in _NO_SEGMENTATION:
                    raise
                self._segments = False
            else:
                return
        for start in range(0, len(batch), segment_bytes):
            self._socket.sendto(batch[start : start + segment_bytes], self._config.destination)

    def _pace(self, batch_bytes: int) -> None:
        packets = -(-batch_bytes // datagram_bytes(self._config.packet_size_bytes))
        wait_ns = packets * self._config.packet_delay_ns
        limit = self._config.throughput_limit_bytes_per_s
        if limit:
            wait_ns += (batch_bytes + packets * IP_UDP_BYTES) * 1_000_000_000 // limit
        if not wait_ns:
            return
        # In turns: a client may ask for 4 s between packets, and stop long before.
        while (left_ns := self._due_ns - (now_ns := time.monotonic_ns())) > 0 and not self._stopping():
            time.sleep(min(left_ns / 1e9, _TURN_S))
        self._due_ns = max(self._due_ns, now_ns - _BURST_NS) + wait_ns
