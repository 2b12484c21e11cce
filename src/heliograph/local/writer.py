"""The writing end of a frame ring."""

from __future__ import annotations

import logging
import os
import select
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from heliograph.core.errors import CameraBusyError, CameraLostError, PixelFormatError, RemoteProtocolError
from heliograph.local import memory
from heliograph.local.ledger import SlotLedger
from heliograph.local.message import (
    FrameInfo,
    FrameMessage,
    GoodbyeMessage,
    HelloMessage,
    set_dropped,
    unpack_release,
)

logger = logging.getLogger(__name__)

# More than a release has, so that a longer message is seen to be none.
_RECEIVE_BYTES = 16


@dataclass(frozen=True, slots=True, eq=False)
class WriterSlot:
    """A slot that the writer fills."""

    index: int
    buffer: npt.NDArray[np.uint8]
    """Flat writable uint8 of the ring's `slot_bytes`; it holds an older picture. Leave it alone once published."""


class RingWriter:
    """Publishes frames to the readers of a ring, and waits for none of them.

    >>> import socket
    >>> from heliograph.core import PixelFormat
    >>> from heliograph.local import RingReader
    >>> ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    >>> with RingWriter(slot_bytes=640 * 480) as writer:
    ...     writer.add_reader(ours)
    ...     with RingReader(theirs) as reader:      # in another process: hand it the socket
    ...         slot = writer.acquire()
    ...         slot.buffer[:] = 7
    ...         writer.publish(slot, FrameInfo(PixelFormat.Mono8, width=640, height=480, id=1, timestamp_ns=0))
    ...         frame = reader.next()
    >>> frame.data.shape, int(frame.data.max())
    ((480, 640), 7)

    A reader may hold `depth` frames; a frame that finds it at that limit is dropped for that reader alone. Of
    `max_readers` readers each has its own share of slots, `writer_slots` more are the writer's. One thread may use it.

    Raises `SettingError` for sizes that make no ring.
    """

    def __init__(self, slot_bytes: int, depth: int = 8, max_readers: int = 4, writer_slots: int = 4) -> None:
        self._ledger = SlotLedger(depth, max_readers, writer_slots)
        self._layout = memory.SlotLayout(self._ledger.slot_count, slot_bytes)
        self._memfd, self._memory = memory.create(self._layout)
        self._sockets: dict[int, socket.socket] = {}
        # Asked before every recv: an exception for each empty socket would be half the cost of a publish.
        self._poll = select.poll()

    @property
    def filenos(self) -> list[int]:
        """Descriptors that become readable when `serve` has something to do."""
        return list(self._sockets)

    def add_reader(self, sock: socket.socket) -> None:
        """Take the reader at the other end of a connected AF_UNIX SOCK_SEQPACKET socket, which is ours from now on.

        It gets the frames published from now on. Raises `CameraBusyError` when there are `max_readers` already; the
        reader gets the same words. Raises `CameraLostError` when the ring is closed.
        """
        if self._memfd < 0:
            raise CameraLostError("this frame ring is closed: it takes no more readers")
        self.serve()
        sock.setblocking(False)
        try:
            self._ledger.add_reader(sock.fileno())
        except CameraBusyError as error:
            with sock, suppress(OSError):
                sock.send(GoodbyeMessage(str(error), busy=True).pack(), socket.MSG_NOSIGNAL)
            raise
        self._sockets[sock.fileno()] = sock
        self._poll.register(sock, select.POLLIN)
        hello = HelloMessage(self._ledger.depth, self._layout.slot_count, self._layout.slot_bytes)
        try:
            socket.send_fds(sock, [hello.pack()], [self._memfd], socket.MSG_NOSIGNAL)
        except OSError:
            self._disconnect(sock.fileno())

    def acquire(self) -> WriterSlot:
        """Give a slot to fill; there always is one while the writer fills fewer than `writer_slots`.

        Raises `FramesHeldError` when the writer fills that many.
        """
        index = self._ledger.acquire()
        start = index * self._layout.stride_bytes
        return WriterSlot(index, self._memory[start : start + self._layout.slot_bytes])

    def publish(self, slot: WriterSlot, info: FrameInfo) -> None:
        """Lease a filled slot to every reader that has room for it.

        Raises `PixelFormatError` when the picture does not fit the slot, `SettingError` when `info` cannot be sent
        or the slot is not being filled; the slot is then as it was.
        """
        if info.payload_bytes > self._layout.slot_bytes:
            raise PixelFormatError(
                f"{info.width}x{info.height} {info.pixel_format.name} takes {info.payload_bytes} bytes, "
                f"a slot of this ring has {self._layout.slot_bytes}"
            )
        message = FrameMessage(slot.index, info).pack()
        self.serve()
        for reader in self._ledger.publish(slot.index):
            set_dropped(message, self._ledger.dropped(reader))
            try:
                self._sockets[reader].send(message, socket.MSG_NOSIGNAL)
            except OSError:  # full, or closed and about to be seen by serve()
                self._ledger.withdraw(reader, slot.index)

    def discard(self, slot: WriterSlot) -> None:
        """Give a slot back unpublished; raises `SettingError` when the slot is not being filled."""
        self._ledger.discard(slot.index)

    def serve(self) -> None:
        """Hear what readers have sent, without waiting. `publish` does it too; call it while nothing is published."""
        # Ends: a reader holds finitely many slots, and a message that gives back none of them is its last.
        while ready := self._poll.poll(0):
            for reader, _ in ready:
                self._serve_reader(reader)

    def close(self, reason: str = "") -> None:
        """End the ring; readers get what is queued for them, then `CameraLostError` with the reason."""
        for reader, sock in list(self._sockets.items()):
            with suppress(OSError):  # gone, or so far behind that it will see the end of the stream instead
                sock.send(GoodbyeMessage(reason).pack(), socket.MSG_NOSIGNAL)
            self._disconnect(reader)
        if self._memfd >= 0:
            os.close(self._memfd)
            self._memfd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _serve_reader(self, reader: int) -> None:
        try:
            message = self._sockets[reader].recv(_RECEIVE_BYTES)
        except OSError:
            message = b""
        if not message:
            self._disconnect(reader)
            return
        try:
            self._ledger.release(reader, unpack_release(message))
        except RemoteProtocolError as error:
            logger.warning("disconnected a reader of a frame ring: %s", error)
            self._disconnect(reader)

    def _disconnect(self, reader: int) -> None:
        self._poll.unregister(reader)
        self._ledger.remove_reader(reader)
        self._sockets.pop(reader).close()
