"""Takes datagrams from sockets in batches: one `recvmmsg` call fills many buffers.

Where the kernel coalesces (UDP_GRO), each buffer holds a run of packets; elsewhere it holds one, and once that is seen,
buffers are small, many and close together: 0.2 us less for each packet.

`recvmmsg` is called through ctypes, which lets other threads run meanwhile; Python's own `recvmsg` takes one at a time.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

# linux/udp.h and linux/socket.h; the socket module names neither before Python 3.12.
_UDP_GRO = 104
_MSG_DONTWAIT = 0x40
_MESSAGES = 128
# The largest datagram, and a stride that is no multiple of 4096: equal low address bits would share cache lines.
_MESSAGE_BYTES = 65_536
_STRIDE_BYTES = _MESSAGE_BYTES + 4_160
# Single packets of 1500 bytes: 4 ms at 1 Gbit/s, which the cache of a core holds; larger packets take less memory.
_SINGLE_MESSAGES = 384
_SINGLE_STEP_BYTES = 64
_FEWEST_SINGLE_BYTES = 256
# Messages of one packet in a row that tell that the kernel does not coalesce.
_TELLING = 2000
_CONTROL_BYTES = 32
_NAME_BYTES = 16

# struct msghdr and struct mmsghdr of linux/socket.h; `align` puts the padding where C puts it.
_MSGHDR = np.dtype(
    [
        ("name", np.uintp),
        ("name_bytes", np.uint32),
        ("iov", np.uintp),
        ("iov_count", np.uintp),
        ("control", np.uintp),
        ("control_bytes", np.uintp),
        ("flags", np.int32),
    ],
    align=True,
)
_MMSGHDR = np.dtype([("header", _MSGHDR), ("length", np.uint32)], align=True)
# struct cmsghdr: length (size_t), level, type, and then the segment size.
_SEGMENT_AT = np.dtype(np.uintp).itemsize + 8


class BatchReceiver:
    """Receives up to 128 messages a call into memory of its own, or 384 where the kernel coalesces nothing.

    `memory` has shape (messages, stride); after `receive`, message i is `memory[i, :lengths[i]]`, made of packets of
    `segments[i]` bytes (the last may be shorter), or of one packet where that is 0. `source` is the only address
    whose packets count: the length of all others is set to 0. The sockets stay the caller's.
    """

    def __init__(self, sockets: Sequence[socket.socket], source: str, packet_bytes: int) -> None:
        self._sockets = sockets
        for sock in sockets:
            _coalesce(sock, wanted=True)
        self._source = struct.unpack("=I", socket.inet_aton(source))[0]
        self._packet_bytes = packet_bytes
        self._singles: int | None = 0
        self._recvmmsg = ctypes.CDLL(None, use_errno=True).recvmmsg
        self._lay_out(_MESSAGES, _STRIDE_BYTES, _MESSAGE_BYTES)

    def receive(self, descriptors: Iterable[int]) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int32]]:
        """Take what sockets hold, without waiting, and give lengths and segment sizes in bytes; empty when nothing.

        What finds no room is left in its socket. Raises `OSError` when a socket fails.
        """
        self._control_bytes[:] = _CONTROL_BYTES
        count = 0
        for descriptor in descriptors:
            count += self._fill(descriptor, count)
            if count == len(self.memory):
                break
        lengths = self._lengths[:count] * (self._names[:count, 1] == self._source)
        # The only control message this socket gets (udp_cmsg_recv in linux/udp.h).
        segments = self._control[:count, _SEGMENT_AT // 4] * (self._control_bytes[:count] >= _SEGMENT_AT + 4)
        if self._singles is not None:
            self._singles = 0 if segments.any() else self._singles + count
        return lengths, segments

    def settle(self) -> bool:
        """Turn to single packets once it is seen that the kernel does not coalesce; True when `memory` is a new one.

        Packets are single from then on, whatever the network does. Call it when what was received has been used.
        """
        if self._singles is None or self._singles < _TELLING:
            return False
        self._singles = None
        for sock in self._sockets:
            _coalesce(sock, wanted=False)
        # A packet that is too long for this stream must be seen to be.
        stride_bytes = (max(self._packet_bytes, _FEWEST_SINGLE_BYTES) // _SINGLE_STEP_BYTES + 1) * _SINGLE_STEP_BYTES
        self._lay_out(min(_SINGLE_MESSAGES, self.memory.size // stride_bytes), stride_bytes, stride_bytes)
        return True

    def _lay_out(self, messages: int, stride_bytes: int, message_bytes: int) -> None:
        self.memory = np.zeros((messages, stride_bytes), np.uint8)
        self._names = np.zeros((messages, _NAME_BYTES // 4), np.uint32)
        self._control = np.zeros((messages, _CONTROL_BYTES // 4), np.int32)
        self._iov = np.zeros((messages, 2), np.uintp)
        self._iov[:, 0] = _addresses(self.memory)
        self._iov[:, 1] = message_bytes
        self._messages = np.zeros(messages, _MMSGHDR)
        headers = self._messages["header"]
        headers["name"] = _addresses(self._names)
        headers["iov"] = _addresses(self._iov)
        headers["iov_count"] = 1
        headers["control"] = _addresses(self._control)
        headers["name_bytes"] = _NAME_BYTES
        self._control_bytes = headers["control_bytes"]
        self._lengths = self._messages["length"]

    def _fill(self, descriptor: int, start: int) -> int:
        """Take what one socket holds into the messages from `start` on; gives how many."""
        first = ctypes.c_void_p(self._messages.ctypes.data + start * _MMSGHDR.itemsize)
        count = int(self._recvmmsg(descriptor, first, len(self._messages) - start, _MSG_DONTWAIT, None))
        if count < 0:
            code = ctypes.get_errno()
            if code not in (errno.EAGAIN, errno.EINTR, errno.ECONNREFUSED):
                raise OSError(code, os.strerror(code))
            count = 0
        return count


def _coalesce(sock: socket.socket, *, wanted: bool) -> None:
    try:
        sock.setsockopt(socket.IPPROTO_UDP, _UDP_GRO, wanted)
    except OSError as error:
        # Kernels before 5.0 do not coalesce; every message is then one packet.
        if error.errno != errno.ENOPROTOOPT:
            raise


def _addresses(array: npt.NDArray[np.generic]) -> npt.NDArray[np.uintp]:
    return np.arange(len(array), dtype=np.uintp) * np.uintp(array.strides[0]) + np.uintp(array.ctypes.data)
