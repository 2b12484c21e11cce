from __future__ import annotations

import gc
import math
import socket
import subprocess
import sys
import threading
from typing import Any

import numpy as np
import pytest

from heliograph.local import RingReader, RingWriter


def test_the_last_of_all_views_gives_the_slot_back(
    writer: RingWriter, publish: Any, join_reader: Any, is_picture: Any
) -> None:
    reader = join_reader(writer)
    publish(writer, 1)
    views = [reader.next(1).data[3:9, ::2]]
    views.append(views[0].reshape(-1)[::-1].view(np.int8))
    views[0] = views[0][0]
    for frame_id in range(2, 200):
        publish(writer, frame_id)
        reader.next(1)
    assert reader._connection.held == 1
    assert all(bool((view == 1).all()) for view in views)
    views.pop()
    assert reader._connection.held == 1
    views.pop()
    assert reader._connection.held == 0
    writer.serve()
    assert len(writer._ledger._free) == writer._ledger.slot_count


def test_pixels_cannot_be_written(writer: RingWriter, publish: Any, join_reader: Any) -> None:
    reader = join_reader(writer)
    publish(writer, 1)
    data = reader.next(1).data
    with pytest.raises(ValueError, match="read-only"):
        data[0, 0] = 1
    with pytest.raises(ValueError, match="WRITEABLE"):
        data.flags.writeable = True


def test_a_frame_in_a_reference_cycle_goes_back_when_it_is_collected(
    writer: RingWriter, publish: Any, join_reader: Any
) -> None:
    reader = join_reader(writer)
    publish(writer, 1)
    cycle: list[Any] = [reader.next(1)]
    cycle.append(cycle)
    del cycle
    gc.collect()
    assert reader._connection.held == 0


def test_frames_dropped_in_other_threads_while_one_takes(publish: Any, join_reader: Any, is_picture: Any) -> None:
    with RingWriter(64 * 48, depth=16, max_readers=1) as writer:
        reader = join_reader(writer)
        wrong: list[int] = []
        gates = [threading.Semaphore(0) for _ in range(4)]
        boxes: list[list[Any]] = [[] for _ in gates]

        def drop(gate: threading.Semaphore, box: list[Any]) -> None:
            while gate.acquire(timeout=20):
                frame = box.pop(0)
                if frame is None:
                    return
                if not is_picture(frame.data, frame.id):
                    wrong.append(frame.id)

        threads = [threading.Thread(target=drop, args=pair) for pair in zip(gates, boxes, strict=True)]
        for thread in threads:
            thread.start()
        for frame_id in range(1, 2_000):
            publish(writer, frame_id)
            if reader._connection.held < 15:
                boxes[frame_id % 4].append(reader.next(5))
                gates[frame_id % 4].release()
        for gate, box in zip(gates, boxes, strict=True):
            box.append(None)
            gate.release()
        for thread in threads:
            thread.join(20)
        assert not wrong
        while True:
            try:
                reader.next(0)
            except TimeoutError:
                break
        writer.serve()
        assert len(writer._ledger._free) == writer._ledger.slot_count


def test_releases_that_do_not_fit_the_socket_are_sent_later(publish: Any) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)  # the kernel's least: a few messages
    with RingWriter(64 * 48, depth=32, max_readers=1) as writer:
        writer.add_reader(ours)
        with RingReader(theirs) as reader:
            for frame_id in range(1, 33):
                publish(writer, frame_id)
            frames = [reader.next(1) for _ in range(32)]
            frames.clear()
            assert reader._connection._unsent
            for _ in range(32):
                writer.serve()
                with pytest.raises(TimeoutError):
                    reader.next(0)
            assert len(writer._ledger._free) == writer._ledger.slot_count
            publish(writer, 33)
            assert reader.next(1).id == 33


def test_frames_outlive_their_reader_unchanged(
    writer: RingWriter, publish: Any, join_reader: Any, is_picture: Any
) -> None:
    reader = join_reader(writer)
    for frame_id in range(1, 4):
        publish(writer, frame_id)
    kept = [reader.next(1), reader.next(1)]  # the third stays queued
    reader.close()
    del reader
    for frame_id in range(10, 500):
        publish(writer, frame_id)
    assert [is_picture(frame.data, frame.id) for frame in kept] == [True, True]
    assert len(writer.filenos) == 1
    kept.pop()
    writer.serve()
    assert len(writer.filenos) == 1
    kept.pop()
    writer.serve()
    assert writer.filenos == []
    assert len(writer._ledger._free) == writer._ledger.slot_count


def test_a_forked_child_gives_back_nothing_of_its_parents(writer: RingWriter, publish: Any, start_child: Any) -> None:
    program = """
reader = RingReader(sock)
frame = reader.next(20)
forked = os.fork()
if not forked:
    del frame
    os._exit(0)
say(os.waitpid(forked, 0)[1])
sys.stdin.readline()
del frame
say("dropped")
sys.stdin.readline()
"""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child = start_child(program, theirs)
    writer.add_reader(ours)
    publish(writer, 1)
    assert child.hear() == 0
    writer.serve()
    assert len(writer._ledger._free) == writer._ledger.slot_count - 1
    child.tell("drop")
    assert child.hear() == "dropped"
    writer.serve()
    assert len(writer._ledger._free) == writer._ledger.slot_count


def test_frames_alive_at_interpreter_shutdown_are_dropped_in_silence() -> None:
    program = """
import socket, sys, threading
from heliograph.core import PixelFormat
from heliograph.local import FrameInfo, RingReader, RingWriter
ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
writer = RingWriter(64 * 48)
writer.add_reader(ours)
reader = RingReader(theirs)
for frame_id in range(1, 5):
    writer.publish(writer.acquire(), FrameInfo(PixelFormat.Mono8, 64, 48, frame_id, 0))
kept = reader.next(1)
cycle = [reader.next(1)]
cycle.append(cycle)
sys.kept = reader.next(1)
threading.Thread(target=lambda frame: threading.Event().wait(), args=[reader.next(1)], daemon=True).start()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_wait_without_end_is_one_that_the_kernel_takes(writer: RingWriter, publish: Any, join_reader: Any) -> None:
    reader = join_reader(writer)
    publish(writer, 1)
    reader._connection.wait(math.inf)
    assert reader.next(math.inf).id == 1
