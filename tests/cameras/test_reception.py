"""The receiving process: real packets in, frames out, and what is left when either side dies."""

from __future__ import annotations

import itertools
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from heliograph.cameras.reception import Reception, ReceptionConfig
from heliograph.core import CameraLostError, Clock, Frame, FrameTimeoutError, PixelFormat
from heliograph.gige.device.sender import StreamConfig, StreamSender

WIDTH, HEIGHT = 640, 480
NV12 = PixelFormat.parse("NV12")
PAYLOAD_BYTES = NV12.payload_bytes(WIDTH, HEIGHT)


def config(address: str, tick_hz: int = 1_000_000_000) -> ReceptionConfig:
    return ReceptionConfig(address, PAYLOAD_BYTES, 1500, tick_hz, Clock.BOOTTIME, depth=4)


def frame(frame_id: int) -> Frame:
    data = np.random.default_rng(frame_id).integers(0, 256, NV12.shape(WIDTH, HEIGHT), np.uint8)
    return Frame(data, NV12, frame_id, frame_id * 1000)


@contextmanager
def udp(address: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((address, 0))
        yield sock


@contextmanager
def stream(address: str, tick_hz: int = 1_000_000_000) -> Iterator[tuple[StreamSender, Reception]]:
    with udp(address) as source, udp(address) as host:
        host.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_000_000)
        reception = Reception(host, config(address, tick_hz))
        try:
            yield StreamSender(source, StreamConfig(host.getsockname(), PAYLOAD_BYTES), lambda: False), reception
        finally:
            reception.close()


def ended(pid: int) -> bool:
    """Wait until a process has ended, 10 s at most."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], 10)[0])
    finally:
        os.close(descriptor)


def test_frames_arrive_whole_and_in_order(address: str) -> None:
    with stream(address) as (sender, reception):
        for frame_id in range(1, 20):
            sender.send(frame(frame_id), frame_id)
            got = reception.reader.next(5)
            assert (got.id, got.timestamp_ns, got.missing_packets) == (frame_id, frame_id * 1000, 0)
            assert got.pixel_format is NV12
            assert np.array_equal(got.data, frame(frame_id).data)


def test_ticks_become_nanoseconds(address: str) -> None:
    with stream(address, tick_hz=8_000_000) as (sender, reception):
        sender.send(frame(8), 8)
        assert reception.reader.next(5).timestamp_ns == 1_000_000
    with stream(address, tick_hz=0) as (sender, reception):
        before_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        sender.send(frame(8), 8)
        assert before_ns <= reception.reader.next(5).timestamp_ns <= time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def test_the_first_frame_is_frame_1_where_block_ids_begin_anywhere(address: str) -> None:
    with udp(address) as source, udp(address) as host:
        host.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_000_000)
        reception = Reception(host, replace(config(address), counts_from_1=False))
        try:
            sender = StreamSender(source, StreamConfig(host.getsockname(), PAYLOAD_BYTES), lambda: False)
            ids = []
            for frame_id in (40_000, 40_001, 40_004):
                sender.send(frame(frame_id), frame_id)
                ids.append(reception.reader.next(5).id)
            assert ids == [1, 2, 5]
        finally:
            reception.close()


def test_a_timestamp_that_cannot_be_is_the_time_of_arrival(address: str) -> None:
    with stream(address, tick_hz=1) as (sender, reception):
        sender.send(replace(frame(8), timestamp_ns=2**63), 8)
        got = reception.reader.next(5)
        assert (got.id, got.clock) == (8, Clock.BOOTTIME)
        assert got.timestamp_ns <= time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def test_a_frame_that_lost_packets_says_so_after_its_retention(address: str) -> None:
    with udp(address) as source, udp(address) as host:
        host.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_000_000)
        reception = Reception(host, config(address))
        try:
            sender = StreamSender(source, StreamConfig(host.getsockname(), PAYLOAD_BYTES), lambda: False)
            lossy(sender, source)
            sender.send(frame(1), 1)
            got = reception.reader.next(5)
            # The run of 44 packets and the trailer that were not sent.
            assert got.missing_packets == 45
            flat, sent = got.data.reshape(-1), frame(1).data.reshape(-1)
            lost = slice(44 * 1464, 88 * 1464)
            assert not flat[lost].any()
            assert np.array_equal(np.delete(flat, lost), np.delete(sent, lost))
        finally:
            reception.close()


def lossy(sender: StreamSender, source: socket.socket) -> None:
    """Have a sender lose the second run of a frame, and its trailer."""
    runs, real = itertools.count(1), sender._transmitter.send
    sender._transmitter.send = lambda run: real(run) if next(runs) != 2 else None  # type: ignore[method-assign]
    sender._socket = Deaf(source)  # type: ignore[assignment]


class Deaf:
    """A socket that sends no trailer."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock

    def sendto(self, data: bytes, address: tuple[str, int]) -> None:
        if len(data) != 16:
            self._socket.sendto(data, address)


def test_no_stream_is_a_timeout_and_not_a_loss(address: str) -> None:
    with stream(address) as (_, reception), pytest.raises(FrameTimeoutError):
        reception.reader.next(0.01)


def test_a_killed_receiver_is_a_clear_error_and_held_frames_stay(address: str) -> None:
    with stream(address) as (sender, reception):
        sender.send(frame(1), 1)
        held = reception.reader.next(5)
        os.kill(reception.pid, signal.SIGKILL)
        with pytest.raises(CameraLostError, match="process that receives frames"):
            reception.reader.next(10)
        assert np.array_equal(held.data, frame(1).data)


def test_the_receiver_ignores_ctrl_c_and_ends_when_the_camera_is_closed(address: str) -> None:
    with stream(address) as (sender, reception):
        # Blocked from the start: a Ctrl-C may come before the process can say that it ignores it.
        status = Path(f"/proc/{reception.pid}/status").read_text()
        blocked = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigBlk"))
        assert blocked & 1 << (signal.SIGINT - 1)
        os.kill(reception.pid, signal.SIGINT)
        sender.send(frame(1), 1)
        assert reception.reader.next(5).id == 1
        pid = reception.pid
    assert ended(pid)


PARENT = """
import socket, sys, time
from heliograph.cameras.reception import Reception, ReceptionConfig
host = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
host.bind((sys.argv[1], 0))
reception = Reception(host, ReceptionConfig(sys.argv[1], 1000, 1500, 1, "device", 4))
print(reception.pid, flush=True)
time.sleep(60)
"""


def test_a_killed_user_takes_the_receiver_along_and_leaves_nothing(address: str) -> None:
    before = set(Path("/dev/shm").iterdir())
    with subprocess.Popen([sys.executable, "-c", PARENT, address], stdout=subprocess.PIPE, text=True) as parent:
        stdout = parent.stdout
        assert stdout is not None
        receiver = int(stdout.readline())
        parent.kill()
    assert ended(receiver)
    assert set(Path("/dev/shm").iterdir()) - before == set()


def test_a_receiver_that_cannot_start_says_why(address: str) -> None:
    with udp(address) as host:
        bad = ReceptionConfig("no address", 1000, 1500, 1, Clock.DEVICE, 4)
        with pytest.raises(CameraLostError, match="did not start: OSError: illegal IP address"):
            Reception(host, bad)
