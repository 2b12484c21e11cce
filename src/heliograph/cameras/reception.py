"""Receives a GigE Vision stream in a process of its own and hands the frames over through a frame ring.

A thread under a busy interpreter lock loses most packets; another process does not notice what the user's code does.
It is an ordinary child, not `multiprocessing`, which would import the user's script a second time. It ends when the
user's end of the ring closes, however that process dies.
"""

from __future__ import annotations

import contextlib
import gc
import json
import select
import signal
import socket
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from ipaddress import IPv4Address
from itertools import count

from heliograph.core import CameraLostError, Clock
from heliograph.gige import sockets
from heliograph.gige.client.assembly import OPEN_BLOCKS, FrameAssembler, ReceivedFrame
from heliograph.gige.client.batch import BatchReceiver
from heliograph.gige.client.block import StreamShape
from heliograph.gige.client.resend import ResendRequest
from heliograph.gige.gvcp import PORT
from heliograph.gige.scheduling import prefer_promptness
from heliograph.local import FrameInfo, RingReader, RingWriter, WriterSlot

# A socket buffer this large holds 20 ms at 1 Gbit/s; several sockets share the stream where it cannot be had. Either
# way there is time to let packets gather, which saves half the work.
_PATIENT_BUFFER_BYTES = 4_000_000
_GATHER_S = 0.001
_SMALL_BATCH = 8
# 1.5 times what arrives in that time at 1 Gbit/s.
_LAST_PACKETS = 120
_LATEST_NS = 2**63 - 1


@dataclass(frozen=True, slots=True)
class ReceptionConfig:
    """What the receiving process needs to know of a stream."""

    source: str
    """Address the packets come from; others are ignored."""
    payload_bytes: int
    packet_size_bytes: int
    tick_hz: int
    """Ticks a second of the camera's timestamps; 0 when the camera does not say."""
    clock: str
    depth: int
    """Frames that the user's program may hold at once."""
    counts_from_1: bool = True
    """Block ids begin at 1 with each stream; where they begin anywhere, the first frame that arrives is frame 1."""
    resend: bool = False
    """Ask the camera again for packets that did not arrive: it says that it can."""
    extended_ids: bool = False
    """Block ids have 64 bits."""


class Reception:
    """A receiving process, seen from the user's process: `reader` gives the frames.

    `sock` is the bound UDP socket that the camera sends to; the process takes it over.
    """

    def __init__(self, sock: socket.socket, config: ReceptionConfig) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        descriptors = (sock.fileno(), theirs.fileno())
        command = [sys.executable, "-P", "-m", __name__, *map(str, descriptors), json.dumps(asdict(config))]
        # Ctrl-C reaches every process of a terminal, and would end this one before it can say that it ignores it.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        try:
            with theirs:
                self._process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, pass_fds=descriptors
                )
        except BaseException:
            ours.close()
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        try:
            # An interpreter with numpy starts in 0.2 s; a busy Pi Zero takes several.
            self.reader = RingReader(ours, timeout_s=30)
        except CameraLostError as error:
            self._process.kill()
            raise CameraLostError(f"the process that receives frames did not start: {self._last_words()}") from error
        except BaseException:
            self._process.kill()
            self._last_words()
            raise

    @property
    def pid(self) -> int:
        """Process id of the receiving process."""
        return self._process.pid

    def close(self) -> None:
        """End the process. Frames that the program holds stay as they are: nobody is left who could write to them."""
        self.reader.close()
        self._process.kill()
        self._last_words()

    def _last_words(self) -> str:
        _, stderr = self._process.communicate()
        lines = stderr.decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"exit code {self._process.returncode}"


class _RingStore:
    """Publishes what the assembler finishes."""

    def __init__(self, writer: RingWriter, config: ReceptionConfig) -> None:
        self._writer = writer
        self._tick_hz = config.tick_hz
        self._clock = Clock(config.clock)
        self._ids_before: int | None = 0 if config.counts_from_1 else None
        self.acquire = writer.acquire
        self.discard = writer.discard

    def publish(self, slot: WriterSlot, frame: ReceivedFrame) -> None:
        timestamp_ns, clock = frame.timestamp_ticks * 1_000_000_000 // (self._tick_hz or 1), self._clock
        # A time beyond 292 years is no time: the camera does not count what it says it counts.
        if not self._tick_hz or timestamp_ns > _LATEST_NS:
            timestamp_ns, clock = time.clock_gettime_ns(time.CLOCK_BOOTTIME), Clock.BOOTTIME
        if self._ids_before is None:
            self._ids_before = frame.id - 1
        info = FrameInfo(
            frame.pixel_format,
            frame.width,
            frame.height,
            frame.id - self._ids_before,
            timestamp_ns,
            clock,
            missing_packets=frame.missing_packets,
        )
        self._writer.publish(slot, info)


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
    with RingWriter(shape.slot_bytes, config.depth, max_readers=1, writer_slots=OPEN_BLOCKS + 1) as writer:
        ample = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) >= _PATIENT_BUFFER_BYTES
        # Every socket of a group gets all its packets.
        sinks = [sock] if ample or _is_group(sock) else sockets.spread_stream_sink(sock)
        patient = ample or len(sinks) > 1
        batches = BatchReceiver(sinks, config.source)
        assembler = FrameAssembler(batches.memory, shape, _RingStore(writer, config), resend=config.resend)
        asking = _Asking(sock, config)
        poller = select.epoll()
        for descriptor in (*(sink.fileno() for sink in sinks), ring.fileno()):
            poller.register(descriptor, select.EPOLLIN)
        writer.add_reader(ring)
        while writer.filenos:
            deadline_ns = assembler.next_deadline_ns()
            wait_s = None if deadline_ns is None else max(0, deadline_ns - time.monotonic_ns()) / 1e9
            messages = 0
            for descriptor, _ in poller.poll(wait_s):
                if descriptor == ring.fileno():
                    writer.serve()
                    continue
                lengths, segments = batches.receive(descriptor)
                if len(lengths):
                    assembler.receive(lengths, segments, time.monotonic_ns())
                messages += len(lengths)
            asking.ask(assembler.handle_timer(time.monotonic_ns()))
            # Not at the end of a frame, which somebody waits for.
            if patient and 0 < messages < _SMALL_BATCH and assembler.packets_left > _LAST_PACKETS:
                time.sleep(_GATHER_S)


def _is_group(sock: socket.socket) -> bool:
    return IPv4Address(sock.getsockname()[0]).is_multicast


def main(arguments: list[str]) -> None:
    """Run the receiving process: descriptors of the UDP socket and the ring, then the config as JSON."""
    # The user's program decides when reception ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    prefer_promptness(realtime=True)
    config = ReceptionConfig(**json.loads(arguments[2]))
    gc.disable()
    receive(socket.socket(fileno=int(arguments[0])), socket.socket(fileno=int(arguments[1])), config)


if __name__ == "__main__":
    main(sys.argv[1:])
