"""Takes datagrams from sockets in batches: one `recvmmsg` call fills many buffers.

Where the kernel coalesces (UDP_GRO), each buffer holds a run of packets; elsewhere it holds one.

`recvmmsg` is called through ctypes, which lets other threads run meanwhile; Python's own `recvmsg` takes one at a time.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

# linux/udp.h and linux/socket.h; the socket module names neither before Python 3.12.
_UDP_GRO = 104
_MSG_DONTWAIT = 0x40
_MESSAGES = 128
# The largest datagram, and a stride that is no multiple of 4096: equal low address bits would share cache lines.
_MESSAGE_BYTES = 65_536
_STRIDE_BYTES = _MESSAGE_BYTES + 4_160
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
    """Receives up to 128 messages a call into memory of its own.

    `memory` has shape (128, stride); after `receive`, message i is `memory[i, :lengths[i]]`, made of packets of
    `segments[i]` bytes (the last may be shorter), or of one packet where that is 0. `source` is the only address
    whose packets count: the length of all others is set to 0. The sockets stay the caller's.
    """

    def __init__(self, sockets: Sequence[socket.socket], source: str) -> None:
        for sock in sockets:
            _coalesce(sock)
        self.memory = np.zeros((_MESSAGES, _STRIDE_BYTES), np.uint8)
        self._source = struct.unpack("=I", socket.inet_aton(source))[0]
        self._names = np.zeros((_MESSAGES, _NAME_BYTES // 4), np.uint32)
        self._control = np.zeros((_MESSAGES, _CONTROL_BYTES // 4), np.int32)
        self._iov = np.zeros((_MESSAGES, 2), np.uintp)
        self._iov[:, 0] = _addresses(self.memory)
        self._iov[:, 1] = _MESSAGE_BYTES
        messages = np.zeros(_MESSAGES, _MMSGHDR)
        headers = messages["header"]
        headers["name"] = _addresses(self._names)
        headers["iov"] = _addresses(self._iov)
        headers["iov_count"] = 1
        headers["control"] = _addresses(self._control)
        headers["name_bytes"] = _NAME_BYTES
        self._control_bytes = headers["control_bytes"]
        self._lengths = messages["length"]
        self._recvmmsg = ctypes.CDLL(None, use_errno=True).recvmmsg
        self._arguments = (ctypes.c_void_p(messages.ctypes.data), _MESSAGES, _MSG_DONTWAIT, None)

    def receive(self, descriptor: int) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int32]]:
        """Take what a socket holds, without waiting, and give lengths and segment sizes in bytes; empty when nothing.

        Raises `OSError` when the socket fails.
        """
        self._control_bytes[:] = _CONTROL_BYTES
        count = self._recvmmsg(descriptor, *self._arguments)
        if count < 0:
            code = ctypes.get_errno()
            if code not in (errno.EAGAIN, errno.EINTR, errno.ECONNREFUSED):
                raise OSError(code, os.strerror(code))
            count = 0
        lengths = self._lengths[:count] * (self._names[:count, 1] == self._source)
        # The only control message this socket gets (udp_cmsg_recv in linux/udp.h).
        segments = self._control[:count, _SEGMENT_AT // 4] * (self._control_bytes[:count] >= _SEGMENT_AT + 4)
        return lengths, segments


def _coalesce(sock: socket.socket) -> None:
    try:
        sock.setsockopt(socket.IPPROTO_UDP, _UDP_GRO, 1)
    except OSError as error:
        # Kernels before 5.0 do not coalesce; every message is then one packet.
        if error.errno != errno.ENOPROTOOPT:
            raise


def _addresses(array: npt.NDArray[np.generic]) -> npt.NDArray[np.uintp]:
    return np.arange(len(array), dtype=np.uintp) * np.uintp(array.strides[0]) + np.uintp(array.ctypes.data)
