"""When the next packets of a stream may leave, so that packet delay and throughput limit hold. Sans-IO."""

from __future__ import annotations

from heliograph.gige.gvsp import IP_UDP_BYTES

# What a pause may be made up for by sending faster: two batches at 1 Gbit/s, which the smallest socket buffer holds.
_BURST_NS = 500_000


class Pacer:
    """Keeps packets as far apart on average as a delay and a limit ask for, whatever the batches they go in.

    >>> pacer = Pacer(packet_delay_ns=0, limit_bytes_per_s=1_000_000)
    >>> pacer.sent(packets=10, datagram_bytes=14_720, now_ns=10**9)
    >>> pacer.wait_ns(now_ns=10**9)
    14500000

    Whoever wakes late may make up for 0.5 ms. The limit counts IP headers; None is no limit.
    """

    def __init__(self, packet_delay_ns: int, limit_bytes_per_s: int | None) -> None:
        self._packet_delay_ns = packet_delay_ns
        self._limit_bytes_per_s = limit_bytes_per_s
        self._due_ns = 0

    @property
    def paced(self) -> bool:
        """True when there is anything to wait for."""
        return bool(self._packet_delay_ns or self._limit_bytes_per_s)

    def wait_ns(self, now_ns: int) -> int:
        """Give the time until the next packets may leave."""
        return max(0, self._due_ns - now_ns)

    def sent(self, packets: int, datagram_bytes: int, now_ns: int) -> None:
        """Count packets that leave now."""
        cost_ns = packets * self._packet_delay_ns
        if self._limit_bytes_per_s:
            cost_ns += (datagram_bytes + packets * IP_UDP_BYTES) * 1_000_000_000 // self._limit_bytes_per_s
        self._due_ns = max(self._due_ns, now_ns - _BURST_NS) + cost_ns
