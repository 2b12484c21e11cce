"""A reader's borrowed slots, given back from wherever the last reference to one is dropped.

`Lease.__del__` runs in any thread, inside any call, even inside the methods here: there is no lock in this module.
What is shared is changed by single operations of a set, a deque or a socket, each atomic by itself.
"""

from __future__ import annotations

import itertools
import os
import select
import socket
from collections import deque
from contextlib import suppress
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt

from heliograph.local.memory import SlotLayout
from heliograph.local.message import MAX_MESSAGE_BYTES, FrameMessage, pack_release

# poll takes milliseconds as a C int, 24 days; whoever waits for longer asks again.
_LONGEST_WAIT_S = 1e6


class Lease:
    """One borrowed slot; numpy takes it for the owner of the pixels, so it lives as long as any array of them."""

    __slots__ = ("__array_interface__", "_connection", "_serial", "_slot")

    def __init__(self, connection: ReaderConnection, slot: int, interface: dict[str, Any]) -> None:
        self.__array_interface__ = interface
        self._connection = connection
        self._slot = slot
        self._serial = connection.begin_lease()

    def __del__(self) -> None:
        self._connection.end_lease(self._serial, self._slot)


class ReaderConnection:
    """Socket and mapping of a reader; both outlive the reader until its last lease has ended."""

    def __init__(self, sock: socket.socket, mapping: npt.NDArray[np.uint8], layout: SlotLayout) -> None:
        sock.setblocking(False)
        self._socket = sock
        self._mapping = mapping
        self._address = mapping.ctypes.data
        self._layout = layout
        self._serials = itertools.count()
        self._live: set[int] = set()
        self._unsent: deque[int] = deque()
        self._closing = False
        # Bound now: when a lease ends at interpreter shutdown, the names of this module may be gone.
        self._releases = tuple(pack_release(slot) for slot in range(layout.slot_count))
        self._getpid = os.getpid
        self._pid = os.getpid()
        self._send_flags = socket.MSG_NOSIGNAL

    @property
    def held(self) -> int:
        """Leases that live."""
        return len(self._live)

    @property
    def closing(self) -> bool:
        """Whether `close` was called."""
        return self._closing

    def borrow(self, message: FrameMessage) -> npt.NDArray[Any]:
        """Give the picture that a message leases: a read-only array on the ring, whose death ends the lease."""
        info = message.info
        interface = {
            "version": 3,
            # True: read-only, and numpy then refuses to make it writable
            "data": (self._address + message.slot * self._layout.stride_bytes, True),
            "shape": info.shape,
            "typestr": info.pixel_format.dtype.str,
        }
        return np.asarray(Lease(self, message.slot, interface))

    def begin_lease(self) -> int:
        """Note a lease; the number is its own, as its slot may be leased again before this lease is forgotten."""
        serial = next(self._serials)
        self._live.add(serial)
        return serial

    def end_lease(self, serial: int, slot: int) -> None:
        """Give the slot of a lease back to the writer."""
        if self._getpid() != self._pid:
            return  # a fork's copy: the lease is its parent's
        self.give_back(slot)
        # After the send, so that the last one out closes a socket that nobody uses any more.
        self._live.discard(serial)
        if self._closing and not self._live:
            self._socket.close()

    def give_back(self, slot: int) -> bool:
        """Tell the writer that a slot is free again, later if the socket is full now; says whether it was told."""
        try:
            self._socket.send(self._releases[slot], self._send_flags)
        except BlockingIOError:
            # Those that filled the socket give the writer room for another frame, which brings us back to send this.
            self._unsent.append(slot)
            return False
        except OSError:
            return True  # the writer is gone, and its book with it
        return True

    def receive(self) -> bytes | None:
        """Give the next message, None when there is none yet, b"" when there will be none."""
        self._flush()
        for _ in range(2):
            try:
                return self._socket.recv(MAX_MESSAGE_BYTES)
            except BlockingIOError:
                return None
            except ConnectionResetError:
                # Linux says once that the writer died with releases unread; what it sent before is still queued.
                continue
            except OSError:
                return b""
        return b""

    def wait(self, timeout_s: float) -> None:
        """Wait until there may be something to receive."""
        fileno = self._socket.fileno()
        if fileno < 0:
            return
        # One for each call: a poll object serves one thread at a time.
        poll = select.poll()
        poll.register(fileno, select.POLLIN)
        poll.poll(ceil(min(timeout_s, _LONGEST_WAIT_S) * 1000))

    def close(self) -> None:
        """Take no more messages; the socket closes when no lease lives.

        It must stay open until then: when it closes, the writer gives every slot of this reader away.
        """
        self._closing = True
        with suppress(OSError):  # closed already
            self._socket.shutdown(socket.SHUT_RD)
        if not self._live:
            self._socket.close()

    def _flush(self) -> None:
        while self._unsent:
            try:
                slot = self._unsent.popleft()
            except IndexError:
                return  # another thread was faster
            if not self.give_back(slot):
                return
