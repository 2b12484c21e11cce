"""Hands packets to the kernel in runs, from where their bytes lie: nothing is copied in between.

A run goes in one call and is cut by the kernel or the interface (UDP_SEGMENT), or packet by packet in one `sendmmsg`
where they cannot. `sendmmsg` is called through ctypes, which lets other threads run meanwhile.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct

import numpy as np
import numpy.typing as npt

from heliograph.gige.gvsp import PacketRun

MOST_PACKETS = 44
"""Packets of 1500 bytes that fit into the 64 kB of one call."""

# linux/udp.h; the socket module does not name it before Python 3.12.
_UDP_SEGMENT = 103
# Errors of a kernel or interface that cannot segment: too old, no checksum offload, segment larger than the path's MTU.
_NO_SEGMENTATION = (errno.EINVAL, errno.EIO, errno.EOPNOTSUPP, errno.ENOPROTOOPT)
# struct mmsghdr of linux/socket.h, whose head is a struct msghdr: name and its length, pieces and their number, control
# message and its length, flags; then the length sent. `@` and `0P` put the padding where C puts it.
_MESSAGE = struct.Struct("@PIPNPNi0PI0P")
_PIECE_BYTES = struct.calcsize("@PN")


class Transmitter:
    """Sends runs of packets from a socket to one destination; `segment_bytes` is the length of a full datagram.

    The socket stays the caller's. Raises `OSError` when the network or the socket fails.
    """

    def __init__(self, source: socket.socket, destination: tuple[str, int], segment_bytes: int) -> None:
        self._descriptor = source.fileno()
        self._name = _array(_socket_address(destination))
        self._control = _array(_segmentation(segment_bytes))
        self._name_at = self._name.ctypes.data, self._name.size
        self._control_at = self._control.ctypes.data, self._control.size
        self._messages = _array(bytes(MOST_PACKETS * _MESSAGE.size))
        self._messages_at = self._messages.ctypes.data
        self._segments = True
        self._sendmmsg = ctypes.CDLL(None, use_errno=True).sendmmsg
        self._sendmmsg.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)

    def send(self, run: PacketRun) -> None:
        """Send a run of at most `MOST_PACKETS` packets."""
        if run.count > 1 and self._segments and self._send_whole(run):
            return
        for packet in range(run.count):
            at = run.address + 2 * packet * _PIECE_BYTES
            _MESSAGE.pack_into(self._messages.data, packet * _MESSAGE.size, *self._name_at, at, 2, 0, 0, 0, 0)
        sent = 0
        while sent < run.count:
            sent += self._call(sent, run.count - sent)
        # Only what goes uncut has shown that nobody can cut: an address that is gone for a moment is refused alike.
        self._segments = self._segments and run.count == 1

    def _send_whole(self, run: PacketRun) -> bool:
        """Send a run in one message; False where nobody can cut it."""
        pieces = run.address, 2 * run.count
        _MESSAGE.pack_into(self._messages.data, 0, *self._name_at, *pieces, *self._control_at, 0, 0)
        try:
            self._call(0, 1)
        except OSError as error:
            if error.errno not in _NO_SEGMENTATION:
                raise
            return False
        return True

    def _call(self, first: int, count: int) -> int:
        at = self._messages_at + first * _MESSAGE.size
        while (sent := self._sendmmsg(self._descriptor, at, count, 0)) < 0:
            code = ctypes.get_errno()
            if code != errno.EINTR:
                raise OSError(code, os.strerror(code))
        return int(sent)


def _socket_address(address: tuple[str, int]) -> bytes:
    """Give struct sockaddr_in (linux/in.h)."""
    host, port = address
    return struct.pack("=H", socket.AF_INET) + struct.pack(">H", port) + socket.inet_aton(host) + bytes(8)


def _segmentation(segment_bytes: int) -> bytes:
    """Give the control message that has a datagram cut into segments of this length."""
    head = struct.pack("@nii", socket.CMSG_LEN(2), socket.IPPROTO_UDP, _UDP_SEGMENT)
    return (head + struct.pack("=H", segment_bytes)).ljust(socket.CMSG_SPACE(2), b"\0")


def _array(data: bytes) -> npt.NDArray[np.uint8]:
    return np.frombuffer(data, np.uint8).copy()
