"""The process that receives a stream: packets in, frames out through a ring. Started by `Reception`."""

from __future__ import annotations

import contextlib
import gc
import select
import signal
import socket
import sys
import time
from ipaddress import IPv4Address
from itertools import count
from typing import Any

from heliograph.cameras.reception import ReceptionConfig
from heliograph.core import Clock, SettingError
from heliograph.gige import sockets
from heliograph.gige.client.assembly import FrameAssembler, ReceivedFrame
from heliograph.gige.client.batch import BatchReceiver
from heliograph.gige.client.block import StreamShape
from heliograph.gige.client.chunks import ChunkReader
from heliograph.gige.client.resend import ResendRequest
from heliograph.gige.gvcp import PORT
from heliograph.gige.gvsp import datagram_bytes
from heliograph.gige.scheduling import prefer_promptness
from heliograph.local import FrameInfo, RingWriter, WriterSlot

# A socket buffer this large holds 20 ms at 1 Gbit/s; several sockets share the stream where it cannot be had. Either
# way there is time to let packets gather, which saves most of the work where every packet comes alone.
_PATIENT_BUFFER_BYTES = 4_000_000
_GATHER_NS = 8_000_000
# Somebody waits for the end of a frame: it is not slept through, nor for its sake.
_SHORTEST_NS = 100_000
_LATEST_NS = 2**63 - 1
# Chunks that are fields of a frame, in the same units; the others go into its metadata by their names.
_KNOWN_CHUNKS = {
    "ChunkExposureTime": ("exposure_us", float),
    "ChunkGain": ("gain_db", float),
    "ChunkWallTime": ("wall_time_ns", int),
    "ChunkLineTime": ("line_time_ns", int),
    "ChunkDeviceTemperature": ("temperature_c", float),
}


class _RingStore:
    """Publishes what the assembler finishes."""

    def __init__(self, writer: RingWriter, config: ReceptionConfig) -> None:
        self._writer = writer
        self._tick_hz = config.tick_hz
        self._clock = Clock(config.clock)
        self._ids_before: int | None = 0 if config.counts_from_1 else None
        self._chunks = ChunkReader(config.chunks)
        self._malformed = 0
        self.acquire = writer.acquire
        self.discard = writer.discard

    def publish(self, slot: WriterSlot, frame: ReceivedFrame) -> None:
        timestamp_ns, clock = frame.timestamp_ticks * 1_000_000_000 // (self._tick_hz or 1), self._clock
        # A time beyond 292 years is no time: the camera does not count what it says it counts.
        if not self._tick_hz or timestamp_ns > _LATEST_NS:
            timestamp_ns, clock = time.clock_gettime_ns(time.CLOCK_BOOTTIME), Clock.BOOTTIME
        if self._ids_before is None:
            self._ids_before = frame.id - 1
        values = self._chunk_values(slot, frame)
        known = {
            field: kind(values.pop(name))
            for name, (field, kind) in _KNOWN_CHUNKS.items()
            if isinstance(value := values.get(name), int | float) and abs(value) <= _LATEST_NS
        }
        info = FrameInfo(
            frame.pixel_format,
            frame.width,
            frame.height,
            frame.id - self._ids_before,
            timestamp_ns,
            clock,
            missing_packets=frame.missing_packets,
            resent_packets=frame.resent_packets,
            metadata=values | self._new_malformed(frame.malformed_packets + self._chunks.malformed),
            **known,
        )
        try:
            self._writer.publish(slot, info)
        except SettingError:
            # A frame id beyond 64 bits: whoever sent it is no camera.
            self._writer.discard(slot)

    def _chunk_values(self, slot: WriterSlot, frame: ReceivedFrame) -> dict[str, Any]:
        if not frame.chunk_bytes:
            return {}
        image_bytes = frame.pixel_format.payload_bytes(frame.width, frame.height)
        return self._chunks.values(slot.buffer[: frame.chunk_bytes], image_bytes)

    def _new_malformed(self, count: int) -> dict[str, int]:
        """Give by how much a count has grown since the last frame; chunks that are none count as a packet."""
        grown, self._malformed = count - self._malformed, count
        return {"malformed_packets": grown} if grown else {}


class _Asking:
    """Sends requests for packets that are missing, from the socket that the stream arrives at."""

    def __init__(self, sock: socket.socket, config: ReceptionConfig) -> None:
        self._socket = sock
        self._camera = (config.source, PORT)
        self._extended = config.extended_ids
        self._numbers = count(1)

    def ask(self, requests: list[ResendRequest]) -> None:
        """Send requests; one that cannot be sent now is made again."""
        for request in requests:
            number = next(self._numbers) % 0xFFFF + 1
            with contextlib.suppress(OSError):
                self._socket.sendto(request.pack(number, extended=self._extended), self._camera)


def receive(sock: socket.socket, ring: socket.socket, config: ReceptionConfig) -> None:
    """Receive frames from `sock` and publish them on `ring` until its other end is closed."""
    shape = StreamShape(config.payload_bytes, config.packet_size_bytes, config.extended_ids)
    with RingWriter(shape.slot_bytes, config.depth, max_readers=1, writer_slots=shape.open_blocks + 1) as writer:
        ample = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) >= _PATIENT_BUFFER_BYTES
        # Every socket of a group gets all its packets.
        sinks = [sock] if ample or _is_group(sock) else sockets.spread_stream_sink(sock)
        patient = ample or len(sinks) > 1
        batches = BatchReceiver(sinks, config.source, datagram_bytes(config.packet_size_bytes))
        assembler = FrameAssembler(batches.memory, shape, _RingStore(writer, config), resend=config.resend)
        asking = _Asking(sock, config)
        poller = select.epoll()
        for descriptor in (*(sink.fileno() for sink in sinks), ring.fileno()):
            poller.register(descriptor, select.EPOLLIN)
        writer.add_reader(ring)
        while writer.filenos:
            deadline_ns = assembler.next_deadline_ns()
            wait_s = None if deadline_ns is None else max(0, deadline_ns - time.monotonic_ns()) / 1e9
            ready = [descriptor for descriptor, _ in poller.poll(wait_s)]
            if ring.fileno() in ready:
                writer.serve()
                ready.remove(ring.fileno())
            lengths, segments = batches.receive(ready)
            if len(lengths):
                assembler.receive(lengths, segments, time.monotonic_ns())
            drained = len(lengths) < len(batches.memory)
            if batches.settle():
                assembler.read_from(batches.memory)
            now_ns = time.monotonic_ns()
            asking.ask(assembler.handle_timer(now_ns))
            wait_ns = min(assembler.patience_ns(now_ns), _GATHER_NS)
            if patient and drained and wait_ns > _SHORTEST_NS:
                time.sleep(wait_ns / 1e9)


def _is_group(sock: socket.socket) -> bool:
    return IPv4Address(sock.getsockname()[0]).is_multicast


def main(arguments: list[str]) -> None:
    """Run the receiving process: descriptors of the UDP socket and the ring, then the config as JSON."""
    # The user's program decides when reception ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    prefer_promptness(realtime=True)
    config = ReceptionConfig.from_json(arguments[2])
    gc.disable()
    receive(socket.socket(fileno=int(arguments[0])), socket.socket(fileno=int(arguments[1])), config)


if __name__ == "__main__":
    main(sys.argv[1:])
