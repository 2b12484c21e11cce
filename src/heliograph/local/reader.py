"""The reading end of a frame ring."""

from __future__ import annotations

import os
import socket
import time
from typing import Self

from heliograph.core import Frame
from heliograph.core.errors import (
    CameraBusyError,
    CameraLostError,
    FramesHeldError,
    FrameTimeoutError,
    RemoteProtocolError,
)
from heliograph.local import memory
from heliograph.local.connection import ReaderConnection
from heliograph.local.message import MAX_MESSAGE_BYTES, FrameMessage, GoodbyeMessage, HelloMessage, unpack

_LOST = "the process that receives frames ended: open the camera again"
_CLOSED = "this reader of frames is closed"


class RingReader:
    """Takes frames from a ring, without a copy.

    >>> reader = RingReader(sock)                                               # doctest: +SKIP
    >>> frame = reader.next(timeout_s=2)                                        # doctest: +SKIP

    `Frame.data` is a read-only view on the ring. Its slot goes back to the writer when the last reference to it or to
    any array made from it is dropped, in any thread, and also after `close`. Several threads may use one reader; a
    forked child must not use its parent's.

    `sock` is the reader's end of the socket that the writer was given, and is ours from now on.
    Raises `CameraBusyError` when the writer takes no more readers, `CameraLostError` when it is gone,
    `RemoteProtocolError` when it speaks another version.
    """

    def __init__(self, sock: socket.socket, timeout_s: float = 5.0) -> None:
        self._dropped = 0
        self._lost = _LOST
        try:
            hello, memfd = _receive_hello(sock, timeout_s)
            try:
                self._layout = memory.SlotLayout(hello.slot_count, hello.slot_bytes)
                mapping = memory.attach(memfd, self._layout)
            finally:
                os.close(memfd)
        except BaseException:
            sock.close()
            raise
        self._depth = hello.depth
        self._connection = ReaderConnection(sock, mapping, self._layout)

    @property
    def dropped(self) -> int:
        """Frames that passed this reader by because the program held `depth` of them, as of the newest frame."""
        return self._dropped

    def next(self, timeout_s: float = 5.0) -> Frame:
        """Give the next frame in order, waiting for it if need be.

        Raises `FrameTimeoutError` when none comes in time, `FramesHeldError` at once when the program itself holds
        every frame it may have, `CameraLostError` when the writer has ended or this reader is closed.
        """
        deadline_s = time.monotonic() + timeout_s
        while True:
            message = self._connection.receive()
            if message is not None:
                return self._frame(self._unpack_lease(message))
            held = self._connection.held
            if held >= self._depth:
                raise FramesHeldError(
                    f"the program holds {held} frames and may hold {self._depth}: drop frames that are done with, "
                    "copy what must stay (frame.data.copy()), or open the camera with more buffers"
                )
            remaining_s = deadline_s - time.monotonic()
            if remaining_s <= 0:
                raise FrameTimeoutError(f"no frame arrived within {timeout_s:g} s: check that the camera is streaming")
            self._connection.wait(remaining_s)

    def newest(self, timeout_s: float = 5.0) -> Frame:
        """Give back every frame that waits, then give the first one that is published after this call.

        Raises what `next` raises.
        """
        # No more can have been queued before this call; without a bound, a fast writer would keep this loop busy.
        for _ in range(self._depth - self._connection.held):
            message = self._connection.receive()
            if message is None:
                break
            lease = self._unpack_lease(message)
            self._count_dropped(lease)
            self._connection.give_back(lease.slot)
        return self.next(timeout_s)

    def latest(self, timeout_s: float = 5.0) -> Frame:
        """Give the newest frame that waits and give back those before it, or wait for the next one.

        Raises what `next` raises.
        """
        lease: FrameMessage | None = None
        for _ in range(self._depth - self._connection.held):  # a bound, as in `newest`
            message = self._connection.receive()
            if message is None:
                break
            if lease is not None:
                self._count_dropped(lease)
                self._connection.give_back(lease.slot)
            lease = self._unpack_lease(message)
        return self.next(timeout_s) if lease is None else self._frame(lease)

    def close(self) -> None:
        """Take no more frames. Frames held stay as they are; each still goes back when it is dropped."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _unpack_lease(self, message: bytes) -> FrameMessage:
        if not message:
            raise CameraLostError(_CLOSED if self._connection.closing else self._lost)
        unpacked = unpack(message)
        if isinstance(unpacked, GoodbyeMessage):
            self._lost = unpacked.reason or _LOST
            raise CameraLostError(self._lost)
        if isinstance(unpacked, HelloMessage):
            raise RemoteProtocolError("a frame ring's writer said hello twice")
        if unpacked.slot >= self._layout.slot_count or unpacked.info.payload_bytes > self._layout.slot_bytes:
            raise RemoteProtocolError("a frame ring's writer published a picture outside its memory")
        return unpacked

    def _count_dropped(self, message: FrameMessage) -> None:
        self._dropped = max(self._dropped, message.dropped)

    def _frame(self, message: FrameMessage) -> Frame:
        info = message.info
        frame = Frame(
            self._connection.borrow(message),
            info.pixel_format,
            info.id,
            info.timestamp_ns,
            info.clock,
            info.exposure_us,
            info.gain_db,
            info.wall_time_ns,
            info.line_time_ns,
            info.temperature_c,
            info.missing_packets,
            info.resent_packets,
            info.color_matrix,
            info.color_range,
            metadata=info.metadata,
        )
        if self._connection.closing:
            # Closed by another thread meanwhile, maybe before it could see this lease: the slot may be gone.
            raise CameraLostError(_CLOSED)
        self._count_dropped(message)
        return frame


def _receive_hello(sock: socket.socket, timeout_s: float) -> tuple[HelloMessage, int]:
    sock.settimeout(timeout_s)
    try:
        message, memfds, _, _ = socket.recv_fds(sock, MAX_MESSAGE_BYTES, 1, socket.MSG_CMSG_CLOEXEC)
    except TimeoutError:
        raise CameraLostError(f"the process that receives frames did not answer within {timeout_s:g} s") from None
    except OSError:
        message, memfds = b"", []
    try:
        if not message:
            raise CameraLostError(_LOST)
        hello = unpack(message)
        if isinstance(hello, GoodbyeMessage):
            raise CameraBusyError(hello.reason) if hello.busy else CameraLostError(hello.reason or _LOST)
        if isinstance(hello, FrameMessage) or not memfds:
            raise RemoteProtocolError("a frame ring's writer did not begin with hello and its memory")
    except BaseException:
        for memfd in memfds:
            os.close(memfd)
        raise
    return hello, memfds[0]
