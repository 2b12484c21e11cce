"""When the next packets of a stream may leave, so that packet delay and throughput limit hold. Sans-IO."""

from __future__ import annotations

from heliograph.gige.gvsp import IP_UDP_BYTES

CATCH_UP_NS = 500_000
"""What a pause may be made up for by sending faster: two batches of packets, which the smallest socket buffer holds."""
# Where packets go slowly it is longer, but no longer than this.
_BURST_PACKETS = 40
_LONGEST_BURST_NS = 10_000_000
_BATCH_NS = 500_000


class Pacer:
    """Keeps packets as far apart on average as a delay and a limit ask for, whatever the batches they go in.

    >>> pacer = Pacer(packet_delay_ns=0, limit_bytes_per_s=1_000_000, packet_size_bytes=1500)
    >>> pacer.sent(packets=10, datagram_bytes=14_720, now_ns=10**9)
    >>> pacer.wait_ns(now_ns=10**9)
    5000000

    Whoever wakes late may make up for what 40 packets take, but for `catch_up_ns` at least and 10 ms at most. The limit
    counts IP headers; None is no limit.
    """

    def __init__(
        self,
        packet_delay_ns: int,
        limit_bytes_per_s: int | None,
        packet_size_bytes: int,
        catch_up_ns: int = CATCH_UP_NS,
    ) -> None:
        self._packet_delay_ns = packet_delay_ns
        self._limit_bytes_per_s = limit_bytes_per_s
        burst_ns = _BURST_PACKETS * self._cost_ns(1, packet_size_bytes)
        self._burst_ns = min(max(burst_ns, catch_up_ns), _LONGEST_BURST_NS)
        self._due_ns = 0

    def batch_packets(self, most: int, packet_size_bytes: int) -> int:
        """Give how many packets may leave at once, `most` or fewer: as many as 0.5 ms lets pass.

        At 1 Gbit/s that is 41, which every switch and stock socket buffer holds; more wake-ups would cost more.
        """
        cost_ns = self._cost_ns(1, packet_size_bytes)
        return max(1, min(most, _BATCH_NS // cost_ns)) if cost_ns else most

    def wait_ns(self, now_ns: int) -> int:
        """Give the time until the next packets may leave."""
        return max(0, self._due_ns - now_ns)

    def sent(self, packets: int, datagram_bytes: int, now_ns: int) -> None:
        """Count packets that leave now."""
        cost_ns = self._cost_ns(packets, datagram_bytes + packets * IP_UDP_BYTES)
        self._due_ns = max(self._due_ns, now_ns - self._burst_ns) + cost_ns

    def _cost_ns(self, packets: int, size_bytes: int) -> int:
        limit = self._limit_bytes_per_s
        return packets * self._packet_delay_ns + (size_bytes * 1_000_000_000 // limit if limit else 0)
