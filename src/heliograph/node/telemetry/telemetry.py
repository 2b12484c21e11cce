"""Telemetry and events on board, put together."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from heliograph.core import HeliographError, OutputError, SettingError
from heliograph.link.bus import Bus
from heliograph.link.channel import Stream
from heliograph.link.event import EventsRequest, Severity
from heliograph.link.message import decode, encode
from heliograph.link.publisher import Publisher
from heliograph.link.spool import Spool
from heliograph.link.telemetry import DROPS, EVENTS_STREAM, Latest
from heliograph.link.topic import EVENTS, LATEST, topic
from heliograph.link.trust import Trust
from heliograph.node.outlet import Recorder
from heliograph.node.telemetry.archive import EventArchive
from heliograph.node.telemetry.clock import boot_now_ns, wall_minus_boot_ns
from heliograph.node.telemetry.declaration import check_declaration
from heliograph.node.telemetry.emitter import Emitter
from heliograph.node.telemetry.observer import Observer
from heliograph.node.telemetry.recorder import StreamRecorder
from heliograph.node.telemetry.wakeup import Wakeup
from heliograph.node.telemetry.writer import Writer


class Telemetry:
    """Takes samples and events, spools them in `folder` until the archive has them, and answers for them on the bus.

    `declare` is a `Declare` and `emit` an `Emit` of `node.outlet`. Raises `OutputError` when the folder cannot be made,
    `SettingError` for too small a spool.

    >>> telemetry = Telemetry(folder, bus, node_id, boot, trust, max_bytes=10**9)      # doctest: +SKIP
    >>> health = telemetry.declare(Stream(name="health", channels=(Channel(name="cpu", unit="%"),)))  # doctest: +SKIP
    >>> health.sample((12.5,))                                                         # doctest: +SKIP
    >>> telemetry.close()                                                              # doctest: +SKIP
    """

    def __init__(
        self,
        folder: Path,
        bus: Bus,
        node_id: str,
        boot: str,
        trust: Trust,
        *,
        max_bytes: int,
        events_kept: int = 10_000,
    ) -> None:
        self._boot = boot
        self._declaring = threading.Lock()
        self._streams: dict[str, Stream] = {}
        self._misfits: set[str] = set()
        self._wakeup = Wakeup()
        self._emitter = Emitter(self._wakeup.wake)
        self._observer = Observer(self._emitter.emit)
        self._spool = Spool(folder / "spool.sqlite", max_bytes=max_bytes, report=self._report)
        self._archive = EventArchive(folder / "events.sqlite", kept=events_kept, report=self._report)
        with contextlib.suppress(OutputError):
            self._archive.catch_up(self._spool.newest_of(EVENTS_STREAM))
        self._publisher = Publisher(self._spool, bus, node_id, archive_key_of=lambda: trust.archive_key)
        self._writer = Writer(
            self._spool,
            self._publisher,
            self._archive,
            self._emitter,
            self._observer,
            self._wakeup,
            boot,
            archived=lambda: trust.archive_key is not None,
        )
        self._writer.start()
        self._answering = [
            bus.answer(topic(node_id, EVENTS), self._answer_events),
            bus.answer(topic(node_id, LATEST), self._answer_latest),
        ]
        if trust.archive_key is None:
            self.emit(
                Severity.ACTIVITY,
                "telemetry.history",
                "no key is pinned as archive: telemetry is kept until there is no more room, the newest longest",
            )

    def declare(self, stream: Stream) -> Recorder:
        """Declare a stream and give the place for its samples; raises `SettingError`."""
        check_declaration(stream)
        recorder = StreamRecorder(stream, wake=self._wakeup.wake, hurry=self._wakeup.hurry, misfit=self._misfit)
        with self._declaring:
            if stream.name in self._streams:
                raise SettingError(f"stream {stream.name!r} is declared already: choose another name")
            self._streams[stream.name] = stream
        self._writer.add(recorder)
        return recorder

    def emit(self, severity: Severity, name: str, message: str, **arguments: Any) -> None:
        """Let something that happened be known, on board and on the ground; never raises."""
        self._emitter.emit(severity, name, message, **arguments)

    def streams(self) -> tuple[Stream, ...]:
        """Every declared stream, and the one that tells of drops."""
        return (*self._streams.copy().values(), DROPS)

    def spooled(self) -> int:
        """How many samples and events wait to be acknowledged."""
        return self._spool.samples

    def close(self) -> None:
        """Commit what was measured, send it to who listens, and end."""
        for each in self._answering:
            each.close()
        self._writer.close()
        self._publisher.close()
        self._spool.close()
        self._archive.close()

    def _report(self, trouble: str) -> None:
        self.emit(Severity.WARNING, "telemetry.file", trouble)

    def _misfit(self, stream: Stream, reason: str) -> None:
        """Once for each stream: its source may be as wrong a thousand times a second."""
        if stream.name not in self._misfits:
            self._misfits.add(stream.name)
            self.emit(
                Severity.WARNING,
                "telemetry.misfit",
                f"samples of {stream.name} do not fit its channels and are left out: {reason}",
                stream=stream.name,
            )

    def _answer_events(self, _: str, question: bytes) -> Iterable[bytes]:
        try:
            request = decode(question, EventsRequest) if question else EventsRequest()
        except HeliographError:
            return
        yield encode(self._archive.search(request))

    def _answer_latest(self, _: str, __: bytes) -> Iterable[bytes]:
        latest = Latest(
            boot=self._boot,
            boot_time_ns=boot_now_ns(),
            wall_minus_boot_ns=wall_minus_boot_ns(),
            newest=self._observer.newest,
        )
        yield encode(latest)
