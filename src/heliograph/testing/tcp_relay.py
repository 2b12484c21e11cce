"""A TCP connection that passes by a place where a test can cut it, or let it stall as a dead network does."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Self

_CHUNK_BYTES = 65_536


class TcpRelay:
    """Listens at an address of its own and passes on what comes to a target, until closed.

    >>> with TcpRelay(("127.0.0.1", 7447)) as relay:
    ...     relay.address[0]
    '127.0.0.1'
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._listener.getsockname()[:2]
        self._ends: set[socket.socket] = set()
        self._flowing = threading.Event()
        self._flowing.set()
        self._lock = threading.Lock()
        self._left_bytes: dict[bool, int | None] = {True: None, False: None}
        self.struck = threading.Event()
        """Set once what `cut_after` ordered has happened."""
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def stall(self) -> None:
        """Pass no byte from now on, and end no connection: the network is dead and nobody says so."""
        self._flowing.clear()

    def resume(self) -> None:
        """Let bytes flow again."""
        self._flowing.set()

    def cut(self) -> None:
        """End every connection; new ones are taken."""
        for each in list(self._ends):
            _shut(each)

    def cut_after(self, size_bytes: int, *, to_target: bool) -> None:
        """Cut once, when so many more bytes went to the target, or came from it: in the middle of whatever is said."""
        with self._lock:
            self.struck.clear()
            self._left_bytes = {to_target: size_bytes, not to_target: None}

    def close(self) -> None:
        """End every connection, and take none any more."""
        self.resume()
        _shut(self._listener)
        self._accepting.join()
        self._listener.close()
        self.cut()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        # Shutting the listener down ends its accept.
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                self._flowing.wait()
                try:
                    far = socket.create_connection(self._target)
                except OSError:
                    near.close()
                    continue
                self._ends |= {near, far}
                threading.Thread(target=self._pump, args=(near, far, True), daemon=True).start()
                threading.Thread(target=self._pump, args=(far, near, False), daemon=True).start()

    def _pump(self, near: socket.socket, far: socket.socket, to_target: bool) -> None:
        with contextlib.suppress(OSError):
            while data := near.recv(_CHUNK_BYTES):
                self._flowing.wait()
                passed = self._passed(data, to_target)
                try:
                    far.sendall(passed)
                finally:
                    if len(passed) < len(data):
                        self.cut()
                        self.struck.set()
        _shut(far)
        self._ends.discard(near)
        near.close()

    def _passed(self, data: bytes, to_target: bool) -> bytes:
        """Give what goes before an ordered cut: all of it where there is none in it."""
        with self._lock:
            left_bytes = self._left_bytes[to_target]
            if left_bytes is None:
                return data
            if left_bytes < len(data):
                self._left_bytes[to_target] = None
                return data[:left_bytes]
            self._left_bytes[to_target] = left_bytes - len(data)
            return data


def _shut(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
