from __future__ import annotations

import os
import socket
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from heliograph.core import Clock, ColorMatrix, ColorRange, PixelFormat
from heliograph.core.errors import CameraLostError, FramesHeldError, FrameTimeoutError, RemoteProtocolError
from heliograph.local import FrameInfo, RingReader, RingWriter
from heliograph.local.message import FrameMessage, HelloMessage

WRITING = """
writer = RingWriter(64 * 48, depth=4)
writer.add_reader(sock)
frame_id = 0
while True:
    frame_id += 1
    slot = writer.acquire()
    slot.buffer[:] = frame_id % 251
    writer.publish(slot, FrameInfo(PixelFormat.Mono8, 64, 48, frame_id, frame_id))
    if frame_id % 1000 == 0:
        say(frame_id)
"""


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_frame_says_all_that_was_published(join_reader: Any) -> None:
    info = FrameInfo(
        PixelFormat.parse("NV12"),
        width=64,
        height=48,
        id=9,
        timestamp_ns=123,
        clock=Clock.DEVICE,
        exposure_us=2_000.5,
        gain_db=-3.0,
        missing_packets=4,
        color_matrix=ColorMatrix.BT709,
        color_range=ColorRange.LIMITED,
        metadata={"sun": {"elevation_deg": 12.5}},
    )
    with RingWriter(slot_bytes=10_000) as writer:
        reader = join_reader(writer)
        slot = writer.acquire()
        pixels = np.arange(64 * 72, dtype=np.uint32).astype(np.uint8)
        slot.buffer[: 64 * 72] = pixels
        writer.publish(slot, info)
        frame = reader.next(1)
    assert (frame.width, frame.height, frame.data.dtype) == (64, 48, np.uint8)
    assert np.array_equal(frame.data, pixels.reshape(72, 64))
    for name in ("pixel_format", "id", "timestamp_ns", "clock", "exposure_us", "gain_db", "missing_packets"):
        assert getattr(frame, name) == getattr(info, name)
    assert (frame.color_matrix, frame.color_range) == (ColorMatrix.BT709, ColorRange.LIMITED)
    assert dict(frame.metadata) == {"sun": {"elevation_deg": 12.5}}


@pytest.mark.parametrize("name", ["Mono12", "RGB16", "YUYV", "BayerGB8"])
def test_pixels_have_the_type_and_shape_of_their_format(name: str, join_reader: Any) -> None:
    pixel_format = PixelFormat.parse(name)
    with RingWriter(slot_bytes=100_000) as writer:
        reader = join_reader(writer)
        slot = writer.acquire()
        picture = pixel_format.view(slot.buffer, 64, 48)
        picture[...] = np.random.default_rng(1).integers(0, 200, picture.shape)
        writer.publish(slot, FrameInfo(pixel_format, 64, 48, id=1, timestamp_ns=0))
        frame = reader.next(1)
    assert frame.data.dtype == pixel_format.dtype
    assert np.array_equal(frame.data, picture)


def test_frames_come_in_order(writer: RingWriter, publish: Any, join_reader: Any) -> None:
    reader = join_reader(writer)
    for frame_id in (1, 2, 3):
        publish(writer, frame_id)
    assert [reader.next(1).id for _ in range(3)] == [1, 2, 3]


def test_newest_gives_back_what_waits(writer: RingWriter, publish: Any, join_reader: Any) -> None:
    reader = join_reader(writer)
    for frame_id in (1, 2, 3, 4):
        publish(writer, frame_id)
    with pytest.raises(FrameTimeoutError):
        reader.newest(0)
    publish(writer, 5)
    frame = reader.next(1)
    assert (frame.id, reader.dropped) == (5, 1)
    later = threading.Timer(0.05, publish, (writer, 6))
    later.start()
    assert reader.newest(20).id == 6
    later.join()


def test_newest_ends_however_fast_the_writer_is(
    writer: RingWriter, publish: Any, join_reader: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = join_reader(writer)
    receive = reader._connection.receive
    for frame_id in (1, 2, 3):
        publish(writer, frame_id)
    ids = iter(range(4, 50))

    def receive_while_more_comes() -> bytes | None:
        message: bytes | None = receive()
        publish(writer, next(ids))
        return message

    monkeypatch.setattr(reader._connection, "receive", receive_while_more_comes)
    assert 4 <= reader.newest(1).id <= 7


def test_a_slow_reader_learns_what_it_missed(writer: RingWriter, publish: Any, join_reader: Any) -> None:
    reader = join_reader(writer)
    for frame_id in range(1, 11):
        publish(writer, frame_id)
    assert [reader.next(1).id for _ in range(3)] == [1, 2, 3]
    assert reader.dropped == 0  # when those were published nothing was dropped yet
    publish(writer, 11)
    assert reader.next(1).id == 11
    assert reader.dropped == 7


def test_a_program_that_holds_every_frame_is_told_so(writer: RingWriter, publish: Any, join_reader: Any) -> None:
    reader = join_reader(writer)
    held = []
    for frame_id in (1, 2, 3):
        publish(writer, frame_id)
        held.append(reader.next(1).data)
    publish(writer, 4)
    begin_s = time.monotonic()
    for take in (reader.next, reader.newest):
        with pytest.raises(FramesHeldError, match=r"holds 3 frames and may hold 3: drop .* copy .* more buffers"):
            take(20)
    assert time.monotonic() - begin_s < 10
    held.pop()
    publish(writer, 5)
    assert reader.next(1).id == 5


def test_waiting_ends_in_time(writer: RingWriter, join_reader: Any) -> None:
    reader = join_reader(writer)
    begin_s = time.monotonic()
    with pytest.raises(FrameTimeoutError, match=r"within 0\.1 s"):
        reader.next(0.1)
    assert 0.1 <= time.monotonic() - begin_s < 5


@pytest.mark.parametrize(("reason", "words"), [("", "process that receives frames ended"), ("cable out", "cable out")])
def test_a_writer_that_ends_says_why(
    writer: RingWriter, publish: Any, join_reader: Any, is_picture: Any, reason: str, words: str
) -> None:
    reader = join_reader(writer)
    publish(writer, 1)
    publish(writer, 2)
    reader.next(1)  # its release is never read by the writer
    writer.close(reason)
    frame = reader.next(1)
    assert frame.id == 2
    for _ in range(2):
        with pytest.raises(CameraLostError, match=words):
            reader.next(1)
    assert is_picture(frame.data, 2)


def test_a_killed_writer_is_a_lost_camera_and_frames_stay(start_child: Any, is_picture: Any) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child = start_child(WRITING, theirs)
    reader = RingReader(ours, timeout_s=20)
    kept = [reader.next(20)]
    child.hear()
    child.kill()
    with pytest.raises(CameraLostError, match="ended: open the camera again"):
        kept.extend(iter(lambda: reader.next(20), None))  # those queued come first
    assert all(is_picture(frame.data, frame.id) for frame in kept)
    reader.close()
    assert all(is_picture(frame.data, frame.id) for frame in kept)


def test_a_held_frame_never_changes_while_the_writer_laps_the_ring(start_child: Any, is_picture: Any) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child = start_child(WRITING, theirs)
    with RingReader(ours, timeout_s=20) as reader:
        kept = [reader.next(20) for _ in range(3)]
        published = 0
        taken = 0
        while published < 40_000:  # 20 slots: two thousand laps
            frame = reader.next(20)
            assert is_picture(frame.data, frame.id)
            taken += 1
            if taken % 500 == 0:
                kept[taken // 500 % 3] = frame
                assert all(is_picture(old.data, old.id) for old in kept)
            published = frame.id
            del frame
        assert all(is_picture(old.data, old.id) for old in kept)
        assert taken + reader.dropped >= published - 4
    child.kill()


def test_threads_share_one_reader(writer: RingWriter, publish: Any, join_reader: Any) -> None:
    reader = join_reader(writer)
    taken: list[int] = []
    lost = []

    def take() -> None:
        try:
            while True:
                taken.append(reader.next(20).id)
        except CameraLostError as error:
            lost.append(str(error))

    threads = [threading.Thread(target=take) for _ in range(3)]
    for thread in threads:
        thread.start()
    deadline_s = time.monotonic() + 20
    for frame_id in range(1, 301):
        publish(writer, frame_id)
        while len(taken) < frame_id and time.monotonic() < deadline_s:
            time.sleep(0)
    reader.close()  # wakes those who wait
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert sorted(taken) == list(range(1, 301))
    assert lost == ["this reader of frames is closed"] * 3


def test_a_closed_reader_gives_no_frames(writer: RingWriter, publish: Any, join_reader: Any) -> None:
    reader = join_reader(writer)
    publish(writer, 1)
    reader.close()
    reader.close()
    for take in (reader.next, reader.newest):
        with pytest.raises(CameraLostError, match="this reader of frames is closed"):
            take(1)


def test_a_frame_taken_while_another_thread_closes_is_not_given_out(
    writer: RingWriter, publish: Any, join_reader: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its slot went back to the writer with the socket, before the lease was known."""
    reader = join_reader(writer)
    connection, borrow = reader._connection, reader._connection.borrow

    def close_then_borrow(message: FrameMessage) -> Any:
        reader.close()
        return borrow(message)

    monkeypatch.setattr(connection, "borrow", close_then_borrow)
    publish(writer, 1)
    with pytest.raises(CameraLostError, match="closed"):
        reader.next(1)
    assert connection.held == 0


def test_a_reader_keeps_no_descriptor_open(writer: RingWriter, publish: Any, join_reader: Any) -> None:
    before = open_descriptors()
    reader = join_reader(writer)
    publish(writer, 1)
    frame = reader.next(1)
    reader.close()
    del frame
    writer.serve()
    # Python's mmap keeps a descriptor of its own until the mapping goes, which the reader object still holds.
    connection = reader._connection
    assert connection._socket.fileno() == -1
    assert open_descriptors() == before + 1


def hello_with(sock: socket.socket, message: bytes, memory_bytes: int | None = None) -> None:
    memfds = []
    if memory_bytes is not None:
        memfds = [os.memfd_create("test")]
        os.ftruncate(memfds[0], memory_bytes)
    socket.send_fds(sock, [message], memfds)
    for memfd in memfds:
        os.close(memfd)


@pytest.mark.parametrize(
    ("message", "memory_bytes"),
    [
        (b"garbage", None),
        (b"garbage", 4096),
        (HelloMessage(4, 4, 4096).pack(), None),
        (HelloMessage(4, 4, 4096).pack(), 4096),
        (HelloMessage(4, 4, 4096).pack(), 4 * 4096),
        (bytes(FrameMessage(0, FrameInfo(PixelFormat.Mono8, 4, 4, 1, 0)).pack()), 4096),
    ],
    ids=["garbage", "garbage and memory", "no memory", "small memory", "memory that may shrink", "a frame"],
)
def test_a_writer_that_begins_wrongly_is_an_error_and_leaves_nothing_open(
    socket_pair: tuple[socket.socket, socket.socket], message: bytes, memory_bytes: int | None
) -> None:
    hello_with(socket_pair[0], message, memory_bytes)
    before = open_descriptors()
    with pytest.raises(RemoteProtocolError):
        RingReader(socket_pair[1])
    assert open_descriptors() == before - 1  # the reader's socket is closed too


@pytest.mark.parametrize(
    "message",
    [
        b"\x09",
        HelloMessage(3, 8, 64 * 48).pack(),
        bytes(FrameMessage(8, FrameInfo(PixelFormat.Mono8, 4, 4, 1, 0)).pack()),
        bytes(FrameMessage(0, FrameInfo(PixelFormat.Mono8, 65, 48, 1, 0)).pack()),
    ],
    ids=["garbage", "hello again", "slot outside", "picture too large"],
)
def test_a_writer_that_goes_on_wrongly_is_an_error(writer: RingWriter, join_reader: Any, message: bytes) -> None:
    reader = join_reader(writer)
    next(iter(writer._sockets.values())).send(message)
    with pytest.raises(RemoteProtocolError, match="frame ring's writer"):
        reader.next(1)


def test_a_writer_that_says_nothing_is_a_lost_camera(socket_pair: tuple[socket.socket, socket.socket]) -> None:
    with pytest.raises(CameraLostError, match=r"did not answer within 0\.05 s"):
        RingReader(socket_pair[1], timeout_s=0.05)


def test_a_writer_gone_before_hello_is_a_lost_camera(socket_pair: tuple[socket.socket, socket.socket]) -> None:
    socket_pair[0].close()
    with pytest.raises(CameraLostError, match="ended"):
        RingReader(socket_pair[1])
