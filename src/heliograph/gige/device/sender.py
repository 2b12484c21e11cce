"""Sends frames as GVSP packets, in batches that the kernel takes at once; packets asked for again go between them."""

from __future__ import annotations

import logging
import socket
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from heliograph.core import Frame
from heliograph.gige.chunk import Chunk, layout_id, pack_tail
from heliograph.gige.device.chunks import chunk_values
from heliograph.gige.device.kept import KeptFrame, KeptFrames
from heliograph.gige.device.pacing import CATCH_UP_NS, Pacer
from heliograph.gige.device.transmit import MOST_PACKETS, Transmitter
from heliograph.gige.gvsp import ImageLeader, ImageTrailer, PacketRun, block_id_of, datagram_bytes

_log = logging.getLogger(__name__)

_MAX_DATAGRAM_BYTES = 65_507
_TURN_NS = 100_000_000
# Ranges that may wait: a client that loses 5 % of the packets asks for 160 of a frame of 4.6 MB.
_MOST_REQUESTS = 1024


@dataclass(frozen=True, slots=True)
class StreamConfig:
    """Where a stream goes, in which shape and how fast.

    `payload_bytes` is the most that a frame takes, chunks included. `throughput_limit_bytes_per_s` counts packet sizes,
    IP header included; None sends as fast as the kernel takes it. `chunks` is None for images alone.
    """

    destination: tuple[str, int]
    payload_bytes: int
    packet_size_bytes: int = 1500
    packet_delay_ns: int = 0
    throughput_limit_bytes_per_s: int | None = None
    extended_ids: bool = False
    chunks: tuple[Chunk, ...] | None = None
    catch_up_ns: int = CATCH_UP_NS


class StreamSender:
    """Sends frames from one socket to one destination, and packets of the last frames again.

    `send` blocks until the whole frame is with the kernel, which pacing makes take as long as the link would. One
    thread sends; any may call `ask_again`.
    """

    def __init__(self, source: socket.socket, config: StreamConfig, stopping: Callable[[], bool]) -> None:
        self._socket = source
        self._config = config
        self._stopping = stopping
        self._kept = KeptFrames(config.payload_bytes, config.packet_size_bytes, extended=config.extended_ids)
        self._requests: deque[tuple[int, int, int]] = deque()
        self._warned = False
        limits = config.packet_delay_ns, config.throughput_limit_bytes_per_s
        self._pacer = Pacer(*limits, config.packet_size_bytes, config.catch_up_ns)
        segment_bytes = datagram_bytes(config.packet_size_bytes)
        self._transmitter = Transmitter(source, config.destination, segment_bytes)
        most = min(MOST_PACKETS, _MAX_DATAGRAM_BYTES // segment_bytes)
        self._batch_packets = self._pacer.batch_packets(most, config.packet_size_bytes)

    def block_id(self, number: int) -> int:
        """Block id under which frame `number` is sent."""
        return block_id_of(number, extended=self._config.extended_ids)

    def send(self, frame: Frame, number: int) -> None:
        """Send leader, payload and trailer; returns early when the stream is stopping.

        A frame larger than clients were told to expect is left out.
        """
        image = _kept_bytes(frame.data)
        trailer, tail = self._trailer(frame, number, image.nbytes)
        if image.nbytes + len(tail) > self._config.payload_bytes:
            self._warn(frame, image.nbytes + len(tail))
            return
        kept = self._kept.take(time.monotonic_ns())
        kept.begin(self.block_id(number), self._leader(frame).pack(self.block_id(number), extended=self._extended))
        kept.packets.fill(image, kept.block_id, tail)
        kept.trailer = trailer.pack(kept.block_id, kept.packets.count + 1, extended=self._extended)
        self._send_alone(kept.leader)
        kept.sent = 1
        for run in kept.packets.runs(self._batch_packets):
            self._wait()
            if self._stopping():
                return
            self._send_run(run)
            kept.sent = min(kept.sent + self._batch_packets, kept.packets.count + 1)
            # Half of the link at most: who asks for everything again must not stop the stream.
            self.answer()
        self._send_alone(kept.trailer)
        kept.sent = kept.packets.count + 2
        kept.sent_ns = time.monotonic_ns()

    def ask_again(self, block_id: int, first: int, last: int) -> None:
        """Ask for packets `first` to `last` of a block again; forgotten when too much waits: clients ask repeatedly."""
        if first <= last and len(self._requests) < _MOST_REQUESTS:
            self._requests.append((block_id, first, last))

    def answer(self) -> bool:
        """Send a batch of what was asked for again; False when nothing is left."""
        if self._requests:
            self._wait()
            self._answer(self._batch_packets)
        return bool(self._requests)

    @property
    def _extended(self) -> bool:
        return self._config.extended_ids

    def _leader(self, frame: Frame) -> ImageLeader:
        offset_x, offset_y = (int(frame.metadata.get(name, 0)) for name in ("offset_x", "offset_y"))
        return ImageLeader(
            frame.timestamp_ns,
            frame.pixel_format,
            frame.width,
            frame.height,
            offset_x,
            offset_y,
            chunks=self._config.chunks is not None,
        )

    def _trailer(self, frame: Frame, number: int, image_bytes: int) -> tuple[ImageTrailer, bytes]:
        """Give the trailer and the chunks before it."""
        if self._config.chunks is None:
            return ImageTrailer(frame.height), b""
        wall_offset_ns = time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        values = chunk_values(self._config.chunks, frame, number, wall_offset_ns)
        tail = pack_tail(image_bytes, values)
        return ImageTrailer(frame.height, image_bytes + len(tail), layout_id(values)), tail

    def _warn(self, frame: Frame, frame_bytes: int) -> None:
        if not self._warned:
            _log.warning(
                "frame %d has %d bytes, the client was told %d (PayloadSize) when the stream began: it is not sent, "
                "nor are others like it",
                frame.id,
                frame_bytes,
                self._config.payload_bytes,
            )
        self._warned = True

    def _answer(self, packets: int) -> None:
        """Send about this many packets again, or say why not."""
        while packets > 0 and self._requests:
            block_id, first, last = self._requests.popleft()
            frame = self._kept.find(block_id)
            if frame is None or frame.sent <= first:
                # Packets that the frame will never have are not even refused.
                if frame is None or first <= frame.packets.count + 1:
                    self._send_alone(self._kept.refusal(block_id, first))
                packets -= 1
                continue
            last = min(last, frame.sent - 1)
            end = self._send_again(frame, first, min(last, first + packets - 1))
            packets -= end - first
            if end <= last:
                self._requests.appendleft((block_id, end, last))

    def _send_again(self, frame: KeptFrame, first: int, last: int) -> int:
        """Send packets again, up to the end of their kind; gives the first one that is left."""
        if 0 < first <= frame.packets.count:
            last = min(last, frame.packets.count)
            self._send_run(frame.packets.again(first, last))
            return last + 1
        self._send_alone(frame.edge_again(first))
        return first + 1

    def _send_alone(self, packet: bytes) -> None:
        # Leaders, trailers and refusals are small: they wait for nobody, and the next run waits for them.
        self._pacer.sent(1, len(packet), time.monotonic_ns())
        self._socket.sendto(packet, self._config.destination)

    def _send_run(self, run: PacketRun) -> None:
        self._pacer.sent(run.count, run.size_bytes, time.monotonic_ns())
        self._transmitter.send(run)

    def _wait(self) -> None:
        # In turns: a client may ask for 4 s between packets, and stop long before.
        while (left_ns := self._pacer.wait_ns(time.monotonic_ns())) and not self._stopping():
            time.sleep(min(left_ns, _TURN_NS) / 1e9)


def _kept_bytes(data: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Give a picture as flat bytes that may be kept: memory that a driver has lent is copied, so that it goes back.

    So is a small part of something large, all of which would be kept with it.
    """
    flat = np.ascontiguousarray(data).reshape(-1).view(np.uint8)
    owner: Any = flat
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    return flat if owner.flags.owndata and owner.nbytes <= 2 * flat.nbytes else flat.copy()
