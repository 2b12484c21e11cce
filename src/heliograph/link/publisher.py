"""Sends what the spool holds: live blocks to whoever listens, backlog to the archive that a node trusts."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable

from heliograph.core import LinkLostError, OutputError
from heliograph.link.bus import Bus, Urgency
from heliograph.link.channel import Stream
from heliograph.link.keys import PublicKey
from heliograph.link.listener import ArchiveListener
from heliograph.link.message import encode
from heliograph.link.outbox import Again, Outbox, Sweep
from heliograph.link.spool import Spool
from heliograph.link.spooled import Spooled, joined
from heliograph.link.telemetry import Acknowledge, Range
from heliograph.link.topic import BLOCKS, topic

_log = logging.getLogger(__name__)

_LIVE_BYTES = 8 * 1024 * 1024
_LIVE_NS = 2_000_000_000
"""What waited for so long on a link that is slow is backlog, lest all that follows is as late."""
_BLOCK_BYTES = 500
"""What a block costs beside what it holds."""
_SETTLE_NS = 500_000_000
"""Acknowledged blocks are removed with the next commit, or after this time when there is none."""
_RETRY_S = 1.0
_MOST_NUMBER = 2**62


class Publisher:
    """One thread sends live blocks, always; another sends backlog while the archive is there, and obeys it.

    An acknowledgement counts when the key signed it that `archive_key_of` gives at the time it comes.
    """

    def __init__(self, spool: Spool, bus: Bus, node_id: str, *, archive_key_of: Callable[[], PublicKey | None]) -> None:
        self._spool = spool
        self._bus = bus
        self._node_id = node_id
        self._outbox = Outbox(spool.newest_id)
        self._lock = threading.Lock()
        self._live: deque[tuple[Spooled, bool, int]] = deque()
        self._live_bytes = 0
        self._settle_ns: int | None = None
        self._ended = threading.Event()
        self._fresh = threading.Condition()
        self._work = threading.Event()
        self._archive = ArchiveListener(bus, node_id, archive_key_of, self._work.set)
        self._threads = [
            threading.Thread(target=self._send_live, name="telemetry live", daemon=True),
            threading.Thread(target=self._send_backlog, name="telemetry backlog", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    @property
    def archive_present(self) -> bool:
        """Whether the trusted archive is there to acknowledge."""
        return self._archive.present

    def committed(self, blocks: Iterable[Spooled]) -> None:
        """Send blocks that the spool has just committed, and see that the archive gets them; never blocks."""
        self._offer(blocks, spooled=True)

    def show(self, blocks: Iterable[Spooled]) -> None:
        """Send blocks that could not be committed to whoever listens now; never blocks."""
        self._offer(blocks, spooled=False)

    def close(self) -> None:
        """Send what is waiting live, in the time that a link that is slow gives it, and end."""
        self._archive.close()
        with self._fresh:
            self._ended.set()
            self._fresh.notify()
        self._work.set()
        for thread in self._threads:
            thread.join()

    def _offer(self, blocks: Iterable[Spooled], *, spooled: bool) -> None:
        now_ns = _now_ns()
        with self._fresh:
            for block in blocks:
                if self._live_bytes < _LIVE_BYTES:
                    self._live.append((block, spooled, now_ns))
                    self._live_bytes += block.size_bytes + _BLOCK_BYTES
                elif spooled:
                    with self._lock:
                        self._outbox.passed_over(block)
            self._fresh.notify()

    def _send_live(self) -> None:
        while taken := self._next_live():
            block, spooled, offered_ns = taken
            now_ns = _now_ns()
            late = now_ns - offered_ns > _LIVE_NS
            declare = False
            if spooled:
                with self._lock:
                    declare = not late and self._outbox.live(block, now_ns)
                    if late:
                        self._outbox.passed_over(block)
            if not late and not self._publish(block, declare, Urgency.LIVE):
                return
            # It may be on its way now, or left to the backlog.
            self._work.set()

    def _next_live(self) -> tuple[Spooled, bool, int] | None:
        """Give a block, whether it is spooled, and since when it waits; None at the end."""
        with self._fresh:
            while not self._live and not self._ended.is_set():
                self._fresh.wait()
            if not self._live:
                return None
            taken = self._live.popleft()
            self._live_bytes -= taken[0].size_bytes + _BLOCK_BYTES
            return taken

    def _send_backlog(self) -> None:
        while not self._ended.is_set():
            self._work.clear()
            try:
                self._note_archive()
                self._obey(self._archive.take())
                self._settle()
                with self._lock:
                    step = self._outbox.next(_now_ns())
                if step is None:
                    self._rest()
                elif not self._send(step):
                    return
            except OutputError as error:
                _log.warning("the backlog of telemetry waits: %s", error)
                self._begin_again()
            except Exception:
                # A defect must not end delivery for good.
                _log.exception("the backlog of telemetry is sent again")
                self._begin_again()

    def _note_archive(self) -> None:
        present = self._archive.present
        with self._lock:
            if present and not self._outbox.archive_present:
                self._outbox.archive_came()
            elif self._outbox.archive_present and not present:
                self._outbox.archive_went()

    def _obey(self, messages: Iterable[Acknowledge]) -> None:
        done: list[Range] = []
        for message in messages:
            # Beyond this SQLite has no numbers.
            stored = [
                each for each in message.stored if 0 < each.first < _MOST_NUMBER and 0 < each.count < _MOST_NUMBER
            ]
            with self._lock:
                for each in stored:
                    self._outbox.acknowledged(each, _now_ns())
                for stream, schema in message.unknown:
                    self._outbox.unknown(stream, schema)
            done += stored
        if done:
            self._spool.remove(done)
            self._settle_ns = self._settle_ns or _now_ns() + _SETTLE_NS

    def _settle(self) -> None:
        if self._settle_ns is None or _now_ns() < self._settle_ns:
            return
        self._settle_ns = None
        try:
            self._spool.settle()
        except OutputError:
            # What is not removed stays to be removed; who measures tells of a full disk.
            self._settle_ns = _now_ns() + _SETTLE_NS

    def _send(self, step: Sweep | Again) -> bool:
        if isinstance(step, Sweep):
            found = self._spool.read(step.after_id, step.up_to_id, step.most_bytes)
            with self._lock:
                found = self._outbox.swept(step, found)
        else:
            found = self._spool.fetch(step.ids)
        for block in joined(found, self._outbox.message_bytes):
            with self._lock:
                declare = self._outbox.sent(block, _now_ns(), again=isinstance(step, Again))
            # On a slow link each may wait.
            if self._ended.is_set() or not self._publish(block, declare, Urgency.BACKLOG):
                return False
        return True

    def _publish(self, block: Spooled, declare: bool, urgency: Urgency) -> bool:
        """Give False when the bus is closed."""
        declaration = self._declaration(block) if declare else None
        message = block.block(self._node_id, live=urgency is Urgency.LIVE, declaration=declaration)
        try:
            self._bus.publish(topic(self._node_id, BLOCKS, block.stream), encode(message), urgency)
        except LinkLostError:
            return False
        return True

    def _declaration(self, block: Spooled) -> Stream | None:
        try:
            return self._spool.declaration(block.stream, block.schema) if block.schema else None
        except OutputError:
            # The archive asks for it.
            return None

    def _rest(self) -> None:
        with self._lock:
            wake_ns = self._outbox.wake_ns()
        times_ns = [each for each in (wake_ns, self._settle_ns) if each is not None]
        self._work.wait(max(min(times_ns) - _now_ns(), 0) / 1e9 if times_ns else None)

    def _begin_again(self) -> None:
        """What was to be sent may have been forgotten: everything again, in a while."""
        with self._lock:
            if self._outbox.archive_present:
                self._outbox.archive_came()
        self._ended.wait(_RETRY_S)


def _now_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
