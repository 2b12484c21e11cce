"""The thread that commits: everything that was measured since the last time, in one transaction."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable

from heliograph.core import OutputError
from heliograph.link.event import Severity
from heliograph.link.publisher import Publisher
from heliograph.link.spool import Appended, Spool
from heliograph.link.spooled import Spooled
from heliograph.link.telemetry import DROPS, EVENTS_STREAM, Range
from heliograph.node.telemetry.archive import EventArchive
from heliograph.node.telemetry.clock import boot_now_ns, clock_synchronised, wall_minus_boot_ns
from heliograph.node.telemetry.emitter import Emitter
from heliograph.node.telemetry.observer import Observer
from heliograph.node.telemetry.recorder import StreamRecorder
from heliograph.node.telemetry.waiting import Waiting
from heliograph.node.telemetry.wakeup import Wakeup

_log = logging.getLogger(__name__)

_LEAST_PAUSE_S = 0.025
_MOST_PAUSE_S = 0.25
_LOOK_S = 1.0
_RETRY_NS = 1_000_000_000
_REPORT_NS = 1_000_000_000
_DROPPED_EVENT_NS = 3_600_000_000_000


class Writer:
    """Commits when something was measured and a short while has passed, or when much waits; a slow disk gets longer.

    `archived` tells whether an archive is pinned: without one, dropping the oldest is how a history works.
    """

    def __init__(
        self,
        spool: Spool,
        publisher: Publisher,
        archive: EventArchive,
        emitter: Emitter,
        observer: Observer,
        wakeup: Wakeup,
        boot: str,
        archived: Callable[[], bool],
    ) -> None:
        self._spool = spool
        self._publisher = publisher
        self._archive = archive
        self._emitter = emitter
        self._observer = observer
        self._archived = archived
        self._recorders: list[StreamRecorder] = []
        self._wakeup = wakeup
        self._drops = StreamRecorder(DROPS, wake=wakeup.wake, hurry=wakeup.hurry, misfit=lambda *_: None)
        self._waiting = Waiting(boot)
        self._reported: list[Range] = []
        self._report_ns = 0
        self._failing_since_ns: int | None = None
        self._retry_ns = 0
        self._dropped = 0
        self._dropped_told_ns: int | None = None
        self._pause_s = _LEAST_PAUSE_S
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="telemetry writer", daemon=True)

    def start(self) -> None:
        """Begin to commit."""
        self._thread.start()

    def add(self, recorder: StreamRecorder) -> None:
        """Take the samples of one more stream."""
        self._recorders.append(recorder)

    def close(self) -> None:
        """Commit what waits, and end."""
        self._closing = True
        self._wakeup.hurry()
        self._thread.join()

    def _run(self) -> None:
        while not self._closing:
            # Also when nothing is measured: the disk may have room again, and losses an archive to hear of them.
            self._wakeup.wait(_LOOK_S, self._pause_s)
            self._turn()
        # What came while the last turn was under way, and the events that turns give rise to.
        for _ in range(3):
            self._retry_ns = 0
            self._turn()

    def _turn(self) -> None:
        try:
            self._report_losses()
            fresh = self._gather()
            if self._waiting.blocks or self._waiting.losses:
                self._commit(fresh)
        except Exception:
            # A defect here must not end telemetry for good.
            _log.exception("telemetry was not committed, the next turn tries again")

    def _gather(self) -> list[Spooled]:
        clock = wall_minus_boot_ns(), clock_synchronised()
        fresh: list[Spooled] = []
        for recorder in (*self._recorders, self._drops):
            if taken := recorder.take():
                # First of all it is kept, whatever looking at it may lead to.
                fresh += self._waiting.add(recorder.stream.name, recorder.stream.schema, taken, *clock)
                self._observer.note(recorder.stream, taken)
        # After the streams, whose limits give rise to events.
        if taken := self._emitter.take():
            fresh += self._waiting.add(EVENTS_STREAM, "", taken, *clock)
        return fresh

    def _commit(self, fresh: list[Spooled]) -> None:
        begun_ns = boot_now_ns()
        if begun_ns < self._retry_ns:
            self._keep(fresh)
            return
        lost = dropped = 0
        while self._waiting.blocks or self._waiting.losses:
            try:
                done = self._append(self._waiting.first())
            except OutputError as error:
                self._fail(error)
                self._keep(fresh)
                return
            lost += sum(each.count for each in self._waiting.losses)
            dropped += sum(each.count for each in done.dropped) if self._archived() else 0
            self._waiting.forget(len(done.blocks))
            self._store_events(done.blocks)
            self._publisher.committed(done.blocks)
        self._recover(lost)
        self._tell_dropped(lost + dropped)
        took_s = (boot_now_ns() - begun_ns) / 1e9
        self._pause_s = min(max(2 * took_s, _LEAST_PAUSE_S), _MOST_PAUSE_S)

    def _append(self, blocks: list[Spooled]) -> Appended:
        # What is reported goes with the block that tells of it.
        reported = self._reported if any(each.stream == DROPS.name for each in blocks) else []
        done = self._spool.append(
            blocks,
            declarations=[each.stream for each in (*self._recorders, self._drops)],
            lost=self._waiting.losses,
            reported=reported,
        )
        if reported:
            self._reported = []
        return done

    def _keep(self, fresh: list[Spooled]) -> None:
        """What cannot be committed is shown to viewers, and waits in memory as long as there is room."""
        self._publisher.show(fresh)
        # In a file of their own, so that the ground finds why there is no spool.
        self._store_events(fresh)
        self._waiting.shrink()

    def _store_events(self, blocks: Iterable[Spooled]) -> None:
        try:
            self._archive.store(each for each in blocks if each.stream == EVENTS_STREAM)
        except OutputError as error:
            _log.warning("events are not archived on board: %s", error)

    def _report_losses(self) -> None:
        """Once a second at most, and only to an archive: until it is there they become fewer, larger ranges."""
        now_ns = boot_now_ns()
        if self._reported or now_ns < self._report_ns or not self._publisher.archive_present:
            return
        self._report_ns = now_ns + _REPORT_NS
        try:
            losses = self._spool.losses()
        except OutputError:
            return
        for each in losses:
            self._drops.sample((each.boot, each.stream, each.first, each.count), now_ns)
        self._reported = losses

    def _fail(self, error: OutputError) -> None:
        now_ns = boot_now_ns()
        self._retry_ns = now_ns + _RETRY_NS
        if self._failing_since_ns is None:
            self._failing_since_ns = now_ns
            self._emitter.emit(Severity.WARNING, "telemetry.unwritable", f"samples wait in memory: {error}")

    def _recover(self, lost: int) -> None:
        if self._failing_since_ns is None:
            return
        seconds = (boot_now_ns() - self._failing_since_ns) / 1e9
        self._failing_since_ns = None
        self._emitter.emit(
            Severity.ACTIVITY,
            "telemetry.written",
            f"the spool is written again after {seconds:.1f} s, for {lost} samples memory had no room",
            seconds=seconds,
            lost=lost,
        )

    def _tell_dropped(self, samples: int) -> None:
        self._dropped += samples
        now_ns = boot_now_ns()
        told_ns = self._dropped_told_ns
        if not self._dropped or (told_ns and now_ns - told_ns < _DROPPED_EVENT_NS):
            return
        self._dropped_told_ns = now_ns
        dropped, self._dropped = self._dropped, 0
        self._emitter.emit(
            Severity.WARNING,
            "telemetry.dropped",
            f"{dropped} samples or events were dropped for want of room; the stream {DROPS.name} tells which",
            samples=dropped,
        )
