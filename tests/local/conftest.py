"""Two ends of a ring in this process, and other processes at the far end of one."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from heliograph.core import PixelFormat
from heliograph.local import FrameInfo, RingReader, RingWriter

WIDTH_PX, HEIGHT_PX = 64, 48

PRELUDE = """
import json, os, socket, sys, time
import numpy as np
from heliograph.core import *
from heliograph.local import FrameInfo, RingReader, RingWriter

def say(value):
    print(json.dumps(value), flush=True)

sock = socket.socket(fileno=int(sys.argv[1]))
"""

Publish = Callable[..., None]
JoinReader = Callable[[RingWriter], RingReader]


class Child:
    """A Python process with one end of a socket; it says JSON lines, and is told lines."""

    def __init__(self, program: str, sock: socket.socket) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PRELUDE + program, str(sock.fileno())],
            pass_fds=[sock.fileno()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        sock.close()

    @property
    def pid(self) -> int:
        return self.process.pid

    def hear(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.stderr()
        return json.loads(line)

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def stderr(self) -> str:
        return self.process.communicate(timeout=20)[1]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(20)


@pytest.fixture
def start_child() -> Iterator[Callable[[str, socket.socket], Child]]:
    children: list[Child] = []

    def start(program: str, sock: socket.socket) -> Child:
        children.append(Child(program, sock))
        return children[-1]

    yield start
    for child in children:
        child.kill()
        for pipe in (child.process.stdin, child.process.stdout, child.process.stderr):
            if pipe is not None and not pipe.closed:
                pipe.close()


@pytest.fixture
def socket_pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    yield pair
    for sock in pair:
        sock.close()


@pytest.fixture
def writer() -> Iterator[RingWriter]:
    """A ring of small pictures with room for 2 readers of 3 frames."""
    with RingWriter(WIDTH_PX * HEIGHT_PX, depth=3, max_readers=2, writer_slots=2) as ring:
        yield ring


@pytest.fixture
def publish() -> Publish:
    """Publish picture number `frame_id`, which is filled with that number."""

    def do(ring: RingWriter, frame_id: int, **info: Any) -> None:
        slot = ring.acquire()
        slot.buffer[:] = frame_id % 251
        ring.publish(slot, FrameInfo(PixelFormat.Mono8, WIDTH_PX, HEIGHT_PX, frame_id, timestamp_ns=frame_id, **info))

    return do


@pytest.fixture
def join_reader() -> Iterator[JoinReader]:
    readers: list[RingReader] = []

    def join(ring: RingWriter) -> RingReader:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ring.add_reader(ours)
        readers.append(RingReader(theirs))
        return readers[-1]

    yield join
    for reader in readers:
        reader.close()


@pytest.fixture
def await_condition() -> Callable[[Callable[[], bool]], None]:
    def wait(condition: Callable[[], bool], within_s: float = 20) -> None:
        deadline_s = time.monotonic() + within_s
        while not condition():
            assert time.monotonic() < deadline_s, "the condition was not met in time"
            time.sleep(0.002)

    return wait


@pytest.fixture
def is_picture() -> Callable[[Any, int], bool]:
    """Whether an array is whole and unchanged picture number `frame_id`."""

    def check(data: Any, frame_id: int) -> bool:
        return data.shape == (HEIGHT_PX, WIDTH_PX) and bool(np.all(data == frame_id % 251))

    return check
