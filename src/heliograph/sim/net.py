"""A network path that is not perfect: packets are late, overtake one another, come twice, or not at all."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PathModel:
    """What happens to a packet on its way; shares are of all packets, 0 to 1."""

    shortest_ns: int = 0
    """Least time that a packet takes."""
    longest_ns: int = 0
    """Most time that a packet takes; times are spread evenly, so packets overtake one another."""
    duplicated: float = 0.0
    """Share that arrives twice, each at a time of its own."""
    lost: float = 0.0
    rate_bps: float = 0.0
    """What the narrowest place on the path carries; 0 where nothing limits it."""
    queue_bytes: int = 250_000
    """What may wait there; what comes on top of it is lost."""


class NetworkPath:
    """Packets in at one end, out at the other: sans-IO, and the same seed gives the same fate.

    >>> path = NetworkPath(PathModel(shortest_ns=1_000, longest_ns=1_000), seed=1)
    >>> path.send(b"hello", now_ns=0)
    >>> path.arrived(now_ns=999), path.arrived(now_ns=1_000)
    ([], [b'hello'])
    """

    def __init__(self, model: PathModel, seed: int) -> None:
        self._model = model
        self._random = random.Random(seed)
        self._travelling: list[tuple[int, int, bytes]] = []
        self._sent = 0
        self._free_ns = 0

    def send(self, packet: bytes, now_ns: int) -> None:
        """Let a packet set out."""
        if not self._pass(len(packet), now_ns) or self._random.random() < self._model.lost:
            return
        now_ns = max(now_ns, self._free_ns)
        for _ in range(2 if self._random.random() < self._model.duplicated else 1):
            arrival_ns = now_ns + self._random.randint(self._model.shortest_ns, self._model.longest_ns)
            self._sent += 1
            heapq.heappush(self._travelling, (arrival_ns, self._sent, packet))

    def _pass(self, size_bytes: int, now_ns: int) -> bool:
        """Go through the narrowest place; tells whether there was room to wait before it."""
        if self._model.rate_bps:
            bytes_per_ns = self._model.rate_bps / 8e9
            if (self._free_ns - now_ns) * bytes_per_ns > self._model.queue_bytes:
                return False
            self._free_ns = max(self._free_ns, now_ns) + round(size_bytes / bytes_per_ns)
        return True

    def arrived(self, now_ns: int) -> list[bytes]:
        """Give the packets that are there by now, in the order of their arrival."""
        packets = []
        while self._travelling and self._travelling[0][0] <= now_ns:
            packets.append(heapq.heappop(self._travelling)[2])
        return packets

    def next_arrival_ns(self) -> int | None:
        """When the next packet arrives; None when none is on its way."""
        return self._travelling[0][0] if self._travelling else None
