from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from heliograph.core import PixelFormat, PixelFormatError
from heliograph.core.errors import CameraBusyError, CameraLostError, FramesHeldError, FrameTimeoutError, SettingError
from heliograph.local import FrameInfo, RingReader, RingWriter
from heliograph.local.message import pack_release

SOME_INFO = FrameInfo(PixelFormat.Mono8, 64, 48, id=1, timestamp_ns=0)

HOLDING_READER = """
reader = RingReader(sock)
frames = [reader.next(20) for _ in range(3)]
say([frame.id for frame in frames])
sys.stdin.read()
"""

TAKING_READER = """
reader = RingReader(sock)
say("ready")
last = 0
while last < 1000:
    frame = reader.next(20)
    if not (frame.data == frame.id % 251).all() or frame.id <= last:
        sys.exit(f"frame {frame.id} after {last} is not what was published")
    last = frame.id
say(reader.dropped)
"""


def ring_inodes(process: Path) -> set[str]:
    """Inodes of the rings that a process maps or has open."""
    maps = (process / "maps").read_text().splitlines()
    mapped = {line.split()[4] for line in maps if "memfd:heliograph-ring" in line}
    links = [link for link in (process / "fd").iterdir() if "memfd:heliograph-ring" in str(link.readlink())]
    return mapped | {str(link.stat().st_ino) for link in links}


def all_ring_inodes() -> set[str]:
    inodes = set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended while we looked
            inodes |= ring_inodes(process)
    return inodes


def files_in_shared_memory() -> set[str]:
    """Names in /dev/shm that could be ours; other programs of this machine come and go there."""
    return {path.name for path in Path("/dev/shm").iterdir() if "heliograph" in path.name}


def test_a_published_picture_needs_no_reader(writer: RingWriter, publish: Any) -> None:
    indexes = set()
    for frame_id in range(1, 20):
        slot = writer.acquire()
        indexes.add(slot.index)
        writer.publish(slot, SOME_INFO)
        publish(writer, frame_id)
    assert len(indexes) == 1


def test_a_slot_is_flat_and_writable_and_of_the_size_asked_for(writer: RingWriter) -> None:
    slot = writer.acquire()
    assert slot.buffer.shape == (64 * 48,)
    assert slot.buffer.dtype == np.uint8
    slot.buffer[:] = 255


def test_a_writer_that_fills_too_many_slots_is_told(writer: RingWriter) -> None:
    first, _ = writer.acquire(), writer.acquire()
    with pytest.raises(FramesHeldError, match="fills 2 slots already"):
        writer.acquire()
    writer.discard(first)
    assert writer.acquire().index == first.index


@pytest.mark.parametrize("end", ["publish", "discard"])
def test_a_slot_ends_once(writer: RingWriter, end: str) -> None:
    slot = writer.acquire()
    writer.publish(slot, SOME_INFO)
    with pytest.raises(SettingError, match="publish or discard a slot once"):
        writer.publish(slot, SOME_INFO) if end == "publish" else writer.discard(slot)


@pytest.mark.parametrize(
    ("info", "error"),
    [
        (FrameInfo(PixelFormat.Mono8, 65, 48, id=1, timestamp_ns=0), PixelFormatError),
        (FrameInfo(PixelFormat.Mono8, 64, 48, id=-1, timestamp_ns=0), SettingError),
        (FrameInfo(PixelFormat.Mono8, 64, 48, id=1, timestamp_ns=0, metadata={"a": object()}), SettingError),
    ],
)
def test_what_cannot_be_published_leaves_the_slot_as_it_was(
    writer: RingWriter, info: FrameInfo, error: type[Exception]
) -> None:
    slot = writer.acquire()
    with pytest.raises(error):
        writer.publish(slot, info)
    writer.publish(slot, SOME_INFO)


def test_one_reader_too_many_is_refused_and_told_why(writer: RingWriter, join_reader: Any) -> None:
    join_reader(writer)
    second = join_reader(writer)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with pytest.raises(CameraBusyError):
        writer.add_reader(ours)
    with pytest.raises(CameraBusyError, match="2 programs read this camera's frames already"):
        RingReader(theirs)
    second.close()
    join_reader(writer)  # the place is free as soon as a reader is gone


def test_a_reader_that_is_gone_before_hello_takes_no_place(
    writer: RingWriter, socket_pair: tuple[socket.socket, socket.socket]
) -> None:
    socket_pair[1].close()
    writer.add_reader(socket_pair[0])
    assert writer.filenos == []


@pytest.mark.parametrize(
    "message",
    [b"x", b"", pack_release(0), pack_release(2**32 - 1), pack_release(1)[:5], b"\x03" * 9, os.urandom(5_000)],
    ids=["byte", "empty", "not held", "no such slot", "truncated", "too long", "garbage"],
)
def test_a_reader_that_breaks_the_protocol_is_disconnected_alone(
    writer: RingWriter, publish: Any, join_reader: Any, message: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    good = join_reader(writer)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    writer.add_reader(ours)
    theirs.send(message)
    with caplog.at_level(logging.WARNING):
        publish(writer, 1)
    assert len(writer.filenos) == 1
    assert good.next(1).id == 1
    assert bool(caplog.records) == bool(message)
    theirs.close()


@given(messages=st.lists(st.binary(max_size=40) | st.integers(0, 12).map(pack_release), max_size=6))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_from_a_reader_stop_the_writer(publish: Any, messages: list[bytes]) -> None:
    with RingWriter(64 * 48, depth=2, max_readers=1, writer_slots=1) as writer:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            writer.add_reader(ours)
            for frame_id, message in enumerate(messages):
                publish(writer, frame_id)
                try:
                    theirs.send(message)
                except (BrokenPipeError, ConnectionResetError):
                    break
            for frame_id in range(10):
                publish(writer, frame_id)


def test_descriptors_tell_when_there_is_something_to_serve(
    writer: RingWriter, publish: Any, join_reader: Any, await_condition: Any
) -> None:
    reader = join_reader(writer)
    publish(writer, 1)
    frame = reader.next(1)
    (fileno,) = writer.filenos
    sock = writer._sockets[fileno]
    assert not _readable(sock)
    del frame
    assert _readable(sock)
    writer.serve()
    assert not _readable(sock)
    reader.close()
    writer.serve()
    assert writer.filenos == []


def _readable(sock: socket.socket) -> bool:
    try:
        return bool(sock.recv(1, socket.MSG_PEEK)) or True
    except BlockingIOError:
        return False


def test_a_closed_writer_takes_no_readers(writer: RingWriter, socket_pair: tuple[socket.socket, socket.socket]) -> None:
    writer.close()
    writer.close()
    with pytest.raises(CameraLostError, match="closed"):
        writer.add_reader(socket_pair[0])


def test_a_killed_reader_gives_everything_back(
    writer: RingWriter, publish: Any, join_reader: Any, start_child: Any, await_condition: Any
) -> None:
    other = join_reader(writer)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child = start_child(HOLDING_READER, theirs)
    writer.add_reader(ours)
    for frame_id in range(1, 4):
        publish(writer, frame_id)
        assert other.next(1).id == frame_id
    assert child.hear() == [1, 2, 3]
    child.kill()

    def gone() -> bool:
        writer.serve()
        return len(writer.filenos) == 1

    await_condition(gone)
    assert len(writer._ledger._free) == writer._ledger.slot_count


def test_a_stalled_reader_stops_nobody(
    writer: RingWriter, publish: Any, join_reader: Any, start_child: Any, is_picture: Any
) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child = start_child(TAKING_READER, theirs)
    writer.add_reader(ours)
    assert child.hear() == "ready"
    os.kill(child.pid, signal.SIGSTOP)
    other = join_reader(writer)
    for frame_id in range(1, 1000):
        publish(writer, frame_id)
        frame = other.next(1)
        assert frame.id == frame_id
        assert is_picture(frame.data, frame_id)
        del frame
    assert other.dropped == 0
    os.kill(child.pid, signal.SIGCONT)
    # What it took before it was stopped and what waited are whole; then it sees the newest and what it missed.
    deadline_s = time.monotonic() + 20
    while child.process.poll() is None and time.monotonic() < deadline_s:
        publish(writer, 1000)
        time.sleep(0.01)
    assert child.hear() >= 900


@pytest.mark.parametrize("writer_dies_first", [True, False])
def test_nothing_is_left_when_both_sides_are_killed(start_child: Any, writer_dies_first: bool) -> None:
    writer_end, reader_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    writing = start_child(
        """
writer = RingWriter(64 * 48, depth=3)
writer.add_reader(sock)
for frame_id in range(1, 4):
    slot = writer.acquire()
    writer.publish(slot, FrameInfo(PixelFormat.Mono8, 64, 48, frame_id, 0))
say("published")
sys.stdin.read()
""",
        writer_end,
    )
    reading = start_child(HOLDING_READER, reader_end)
    assert writing.hear() == "published"
    assert reading.hear() == [1, 2, 3]
    (inode,) = ring_inodes(Path(f"/proc/{writing.pid}"))
    assert ring_inodes(Path(f"/proc/{reading.pid}")) == {inode}
    assert inode in all_ring_inodes()
    for child in (writing, reading) if writer_dies_first else (reading, writing):
        child.kill()
    assert inode not in all_ring_inodes()
    assert not files_in_shared_memory()


def test_frames_whose_words_do_not_fit_the_socket_count_as_dropped(publish: Any, join_reader: Any) -> None:
    with RingWriter(64 * 48, depth=64, max_readers=1) as writer:
        reader = join_reader(writer)
        for frame_id in range(1, 41):
            publish(writer, frame_id, metadata={"text": "x" * 16_000})
        got = 0
        with contextlib.suppress(FrameTimeoutError):
            while reader.next(0).metadata:
                got += 1
        assert 8 <= got < 40
        publish(writer, 41)
        assert reader.next(1).id == 41
        assert reader.dropped == 40 - got


def test_publishing_is_cheap(writer: RingWriter, publish: Any, join_reader: Any) -> None:
    """A guard against accidents on a noisy machine; benchmarks/ring.py has the figure, which is under 20 us."""
    reader = join_reader(writer)
    took_us = []
    for frame_id in range(1, 500):
        slot = writer.acquire()
        info = FrameInfo(PixelFormat.Mono8, 64, 48, frame_id, timestamp_ns=0)
        begin_ns = time.perf_counter_ns()
        writer.publish(slot, info)
        took_us.append((time.perf_counter_ns() - begin_ns) / 1000)
        reader.next(1)
    assert statistics.median(took_us) < 200
