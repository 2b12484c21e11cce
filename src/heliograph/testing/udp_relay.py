"""Datagrams that pass by a bad network on their way: late, twice, in another order, lost, or for a while not at all."""

from __future__ import annotations

import selectors
import socket
import threading
import time
from typing import Self

from heliograph.sim.net import NetworkPath, PathModel

_DATAGRAM_BYTES = 65_536
_IDLE_S = 0.2


class UdpRelay:
    """Takes datagrams at an address of its own and passes them on to a target, and what it answers back, until closed.

    >>> with UdpRelay(("127.0.0.1", 7448), PathModel(lost=0.02), seed=1) as relay:
    ...     relay.address[0]
    '127.0.0.1'
    """

    def __init__(self, target: tuple[str, int], model: PathModel, seed: int) -> None:
        self._target = target
        self._paths = (NetworkPath(model, seed), NetworkPath(model, seed + 1))
        self._near = _bound()
        self.address: tuple[str, int] = self._near.getsockname()
        # One socket a client, so that the target's answers find their way.
        self._far: dict[tuple[str, int], socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._near, selectors.EVENT_READ)
        self._cut = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="udp relay", daemon=True)
        self._thread.start()

    def stall(self) -> None:
        """Lose everything from now on."""
        self._cut.set()

    def resume(self) -> None:
        """Pass datagrams on again."""
        self._cut.clear()

    def close(self) -> None:
        """End."""
        self._ended.set()
        self._thread.join()
        for each in (self._near, *self._far.values()):
            each.close()
        self._selector.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        clients: dict[socket.socket, tuple[str, int]] = {}
        while not self._ended.is_set():
            due_ns = min((each for path in self._paths if (each := path.next_arrival_ns()) is not None), default=None)
            wait_s = _IDLE_S if due_ns is None else max(0.0, (due_ns - time.monotonic_ns()) / 1e9)
            for key, _ in self._selector.select(min(wait_s, _IDLE_S)):
                self._take(key.fileobj, clients)  # type: ignore[arg-type]  # only sockets are registered
            for direction, path in enumerate(self._paths):
                for packet in path.arrived(time.monotonic_ns()):
                    self._give(direction, packet)

    def _take(self, source: socket.socket, clients: dict[socket.socket, tuple[str, int]]) -> None:
        try:
            data, address = source.recvfrom(_DATAGRAM_BYTES)
        except (BlockingIOError, ConnectionRefusedError):
            return
        if source is self._near:
            if address not in self._far:
                far = self._far[address] = _bound()
                clients[far] = address
                self._selector.register(far, selectors.EVENT_READ)
            direction = 0
        else:
            address, direction = clients[source], 1
        if not self._cut.is_set():
            # Whose it is travels with it.
            port = address[1].to_bytes(2)
            self._paths[direction].send(port + socket.inet_aton(address[0]) + data, time.monotonic_ns())

    def _give(self, direction: int, packet: bytes) -> None:
        client = (socket.inet_ntoa(packet[2:6]), int.from_bytes(packet[:2]))
        try:
            if direction == 0:
                self._far[client].sendto(packet[6:], self._target)
            else:
                self._near.sendto(packet[6:], client)
        except (BlockingIOError, ConnectionRefusedError):
            return


def _bound() -> socket.socket:
    end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    end.bind(("127.0.0.1", 0))
    end.setblocking(False)
    return end
