"""Whose data goes next: the highest priority first, equals in turn, all within what the paths carry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from heliograph.link.cfdp.pace import TokenBucket
from heliograph.link.cfdp.pdu import encode, file_data_overhead_bytes
from heliograph.link.cfdp.peer import Address, Peer
from heliograph.link.cfdp.sending import NEVER_NS, Sending

# Then the shell looks whether something arrived.
_MOST_DATAGRAMS = 32
# A path that gives no reports cannot be learnt.
_FOREIGN_BYTES_PER_S = 1_250_000.0


class Schedule:
    """Shares the way out among transfers."""

    def __init__(self, rate_bps: float | None) -> None:
        self._common = None if rate_bps is None else TokenBucket(rate_bps / 8, 0)
        self._buckets: dict[int, TokenBucket] = {}
        self._turn = 0

    def data(self, sendings: Iterable[Sending], peers: Mapping[int, Peer], now_ns: int) -> list[tuple[bytes, Address]]:
        """Give data that may go now."""
        out: list[tuple[bytes, Address]] = []
        ready = sorted((s for s in sendings if peers[s.entry.peer].up), key=lambda sending: -sending.entry.priority)
        while ready and len(out) < _MOST_DATAGRAMS:
            equals = [sending for sending in ready if sending.entry.priority == ready[0].entry.priority]
            self._turn += 1
            sending = equals[self._turn % len(equals)]
            peer = peers[sending.entry.peer]
            if self._ready_ns(peer, now_ns) > now_ns:
                peer.pace.limited = True
                ready = [other for other in ready if other.entry.peer != sending.entry.peer]
                continue
            data = sending.next_data(peer.pace.datagram_bytes - file_data_overhead_bytes(sending.header))
            if data is not None and peer.address is not None:
                datagram = encode(sending.header, data)
                self._count(peer, len(datagram), now_ns)
                out.append((datagram, peer.address))
            if not sending.has_data:
                ready.remove(sending)
        return out

    def next_ns(self, sendings: Iterable[Sending], peers: Mapping[int, Peer], now_ns: int) -> int:
        """Give when more data may go; reports may make it sooner."""
        to = {sending.entry.peer for sending in sendings}
        return min((self._ready_ns(peers[entity], now_ns) for entity in to if peers[entity].up), default=NEVER_NS)

    def _ready_ns(self, peer: Peer, now_ns: int) -> int:
        """Give when data may go to a peer."""
        if self._common is not None:
            self._common.burst_bytes = max(8 * peer.pace.datagram_bytes, self._common.rate_bytes_per_s / 250)
            return self._common.ready_ns(now_ns)
        if peer.speaks and peer.window_left_bytes <= 0:
            return NEVER_NS
        bucket = self._bucket(peer)
        return now_ns if bucket is None else bucket.ready_ns(now_ns)

    def _bucket(self, peer: Peer) -> TokenBucket | None:
        """Give the bucket of a path; None while nothing is known of it but that it answers."""
        rate = peer.pace.rate_bytes_per_s if peer.speaks else _FOREIGN_BYTES_PER_S
        if rate is None:
            return None
        bucket = self._buckets.get(peer.entity)
        if bucket is None:
            bucket = self._buckets[peer.entity] = TokenBucket(rate, peer.pace.burst_bytes)
        bucket.rate_bytes_per_s, bucket.burst_bytes = rate, peer.pace.burst_bytes
        return bucket

    def _count(self, peer: Peer, size_bytes: int, now_ns: int) -> None:
        peer.sent_bytes += size_bytes
        bucket = self._common or self._bucket(peer)
        if bucket is not None:
            bucket.take(size_bytes, now_ns)
