"""The entity at the other end, as it is heard: where it is, whether it is there, and what the path to it carries."""

from __future__ import annotations

import secrets
from dataclasses import replace

from heliograph.link.cfdp.contact import Probe, Report
from heliograph.link.cfdp.pace import Pace
from heliograph.link.cfdp.transaction import TransactionId

Address = tuple[str, int]

_S = 1_000_000_000
_PROBE_EVERY_NS = _S
# Contact is lost when so many probes, for so long and two round trips, are not answered.
_PROBES_LOST = 3
_SILENCE_NS = _S
_LONGEST_ROUND_TRIP_NS = 60 * _S
# Probes among data: several a round trip, but no more than these.
_PROBES_PER_ROUND_TRIP = 8
_SOONEST_PROBE_NS = 2_000_000
_LATEST_PROBE_NS = 100_000_000
_PROBE_DATAGRAMS = 4
# What came is counted over this; after a pause of this, anew.
_CAME_EVERY_NS, _CAME_NEVER_NS = 200_000_000, 2_000_000_000


class Peer:
    """One entity at the other end; all its transfers share it. Sans-IO."""

    def __init__(self, entity: int, datagram_bytes: int, *, speaks: bool) -> None:
        self.entity = entity
        self.speaks = speaks
        """Whether it is a Heliograph, which answers probes; of another entity silence says nothing."""
        self.address: Address | None = None
        self.home: Address | None = None
        """Where it should be."""
        self.pace = Pace(datagram_bytes)
        self.heard = False
        """Whether it was ever heard since this end started."""
        self.sent_bytes = 0
        self.received_bytes = 0
        self.arrival_bytes_per_s = 0.0
        """What came from it lately; 0 while unknown."""
        self._came_bytes = 0
        self._came_since_ns = 0
        self._arrived_bytes = 0
        self._round_trip_ns = 0
        self._variation_ns = 0
        self._probed_ns: int | None = None
        self._probed_bytes = 0
        self._unanswered = 0
        self._unanswered_since_ns = 0
        self._down = False
        self._heard_ns = 0
        # Only who receives the probes knows their stamps, and can answer.
        self._epoch_ns = secrets.randbits(61)

    @property
    def up(self) -> bool:
        """Whether the link to it is there."""
        return self.address is not None and not self._down and (self.heard or not self.speaks)

    @property
    def round_trip_ns(self) -> int:
        """Smoothed round-trip time; 0 while unknown."""
        return self._round_trip_ns

    @property
    def patience_ns(self) -> int:
        """How long an answer may take before the question is asked again (as RFC 6298 reckons it)."""
        if self._round_trip_ns == 0:
            return _S
        return self._round_trip_ns + max(4 * self._variation_ns, self._round_trip_ns // 8, 20_000_000)

    @property
    def window_left_bytes(self) -> float:
        """What may still be sent before more reports come."""
        return self.pace.window_bytes - (self.sent_bytes - self._arrived_bytes)

    def silent(self, now_ns: int) -> bool:
        """Tell whether it should have been heard by now where it was."""
        return not self.up or now_ns - self._heard_ns > _SILENCE_NS + 2 * self._round_trip_ns

    def move(self, address: Address, datagram_bytes: int) -> None:
        """Send to it there from now on; one that was heard has to be heard anew."""
        self.address, self.pace.datagram_bytes = address, datagram_bytes
        self._down = self.heard

    def hear(self, now_ns: int) -> bool:
        """Note that something came from it; tells whether that is news: the first of it, or after an outage."""
        news = self._down or not self.heard
        self.heard, self._down, self._heard_ns = True, False, now_ns
        self._unanswered = 0
        if news:
            self.pace.interrupt()
            self._arrived_bytes = self.sent_bytes
            self._probed_ns = None
        return news

    def take_report(self, report: Report, now_ns: int) -> None:
        """Learn from an answer to a probe; one to nothing that this end asked is passed over."""
        report = replace(report, stamp_ns=report.stamp_ns - self._epoch_ns)
        round_trip_ns = max(1, now_ns - report.stamp_ns)
        if report.stamp_ns > now_ns or round_trip_ns > _LONGEST_ROUND_TRIP_NS:
            return
        if self._round_trip_ns == 0:
            self._round_trip_ns, self._variation_ns = round_trip_ns, round_trip_ns // 2
        else:
            self._variation_ns += (abs(round_trip_ns - self._round_trip_ns) - self._variation_ns) // 4
            self._round_trip_ns += (round_trip_ns - self._round_trip_ns) // 8
        self._arrived_bytes = max(self._arrived_bytes, min(report.sent_bytes, self.sent_bytes))
        self.pace.note(report, now_ns)

    def hurry(self) -> None:
        """Have the next probe sent at once."""
        self._probed_ns = None

    def arrive(self, size_bytes: int, now_ns: int) -> None:
        """Count a datagram with data that came from it."""
        self.received_bytes += size_bytes
        took_ns = now_ns - self._came_since_ns
        if took_ns > _CAME_NEVER_NS:
            self._came_bytes, self._came_since_ns = 0, now_ns
            return
        self._came_bytes += size_bytes
        if took_ns >= _CAME_EVERY_NS:
            # Falls slowly: a pause of the sender says nothing about the path.
            self.arrival_bytes_per_s = max(self._came_bytes * _S / took_ns, self.arrival_bytes_per_s * 7 / 8)
            self._came_bytes, self._came_since_ns = 0, now_ns

    def probe_due_ns(self) -> int:
        """Give when to ask next whether it hears; 0 for at once."""
        if self._probed_ns is None:
            return 0
        if not self.up or self.sent_bytes == self._arrived_bytes:
            return self._probed_ns + _PROBE_EVERY_NS
        if self.sent_bytes - self._probed_bytes >= _PROBE_DATAGRAMS * self.pace.datagram_bytes // 2 and self._impatient:
            return 0
        share_ns = self._round_trip_ns // _PROBES_PER_ROUND_TRIP
        return self._probed_ns + min(max(share_ns, _SOONEST_PROBE_NS), _LATEST_PROBE_NS)

    @property
    def _impatient(self) -> bool:
        """Whether the window is so small that its use hangs on every report."""
        return self.pace.window_bytes <= 4 * _PROBE_DATAGRAMS * self.pace.datagram_bytes

    def probe(self, entity: int, held: tuple[TransactionId, ...], now_ns: int) -> Probe:
        """Ask whether it hears."""
        if self._unanswered == 0:
            self._unanswered_since_ns = now_ns
        self._unanswered += 1
        silence_ns = now_ns - self._unanswered_since_ns
        if self._unanswered > _PROBES_LOST and silence_ns >= _SILENCE_NS + 2 * self._round_trip_ns:
            self._down = True
        self._probed_ns, self._probed_bytes = now_ns, self.sent_bytes
        return Probe(entity, now_ns + self._epoch_ns, self.sent_bytes, held)
