"""Tells the ground the stages of commands as they come, and makes an event of each."""

from __future__ import annotations

import logging
import queue
import threading

from heliograph.core import LinkLostError
from heliograph.link.bus import Bus, Urgency
from heliograph.link.command import JournalEntry, Stage, StageReport
from heliograph.link.event import Severity
from heliograph.link.keys import PublicKey
from heliograph.link.message import encode
from heliograph.link.topic import STAGE, topic
from heliograph.link.trust import Trust
from heliograph.node.commands.plain import words
from heliograph.node.outlet import Emit

logger = logging.getLogger(__name__)

_MOST_WAITING = 256
_BAD = (Stage.REFUSED, Stage.FAILED, Stage.TIMED_OUT, Stage.INTERRUPTED)


class StageReporter:
    """Publishes stages in a thread of its own: a full link delays no command.

    Of stages that a link takes too slowly those beyond 256 are not published; the journal has them, and the ground
    asks it after a gap.
    """

    def __init__(self, bus: Bus, node: PublicKey, trust: Trust, emit: Emit) -> None:
        self._bus = bus
        self._topic = topic(node.short, STAGE)
        self._trust = trust
        self._emit = emit
        self._waiting: queue.Queue[StageReport | None] = queue.Queue(_MOST_WAITING)
        self._thread = threading.Thread(target=self._publish, name="stages of commands", daemon=True)
        self._thread.start()

    def report(self, entry: JournalEntry) -> None:
        """Take a command whose last stage is new and in the journal."""
        last = entry.stages[-1]
        if last.stage is not Stage.PROGRESS:
            self._tell(entry, last)
        try:
            self._waiting.put_nowait(last)
        except queue.Full:
            logger.warning("the link is slow: stage %d of command %s is in the journal only", last.number, last.command)

    def close(self, timeout_s: float = 5.0) -> None:
        """Publish what waits, then end; a link that takes nothing is waited for no longer than this."""
        try:
            self._waiting.put(None, timeout=timeout_s)
        except queue.Full:
            return
        self._thread.join(timeout_s)

    def _publish(self) -> None:
        while report := self._waiting.get():
            try:
                self._bus.publish(self._topic, encode(report), Urgency.COMMAND)
            except LinkLostError as error:
                logger.info("stage %d of command %s is in the journal only: %s", report.number, report.command, error)

    def _tell(self, entry: JournalEntry, last: StageReport) -> None:
        name, user, key = words(entry.command.name)[:60], words(entry.command.user)[:200], self._label(entry.key)
        duration_s = _duration_s(entry)
        took = "" if duration_s is None else f" after {duration_s:.3g} s"
        whose = ", ".join(each for each in (user, key) if each)
        self._emit(
            Severity.WARNING if last.stage in _BAD else Severity.COMMAND,
            f"command.{last.stage.name.lower()}",
            f"{name} ({whose}) {last.stage.value}{took}" + (f": {last.reason}" if last.reason else ""),
            id=entry.command.id,
            command=name,
            user=user,
            key=key,
            duration_s=duration_s,
            reason=last.reason,
        )

    def _label(self, key: str) -> str:
        if not key:
            return "the node itself"
        pin = self._trust.pin_of(PublicKey(bytes.fromhex(key)))
        return f"key {pin.label if pin and pin.label else key[:16]}"


def _duration_s(entry: JournalEntry) -> float | None:
    """From the start to the end, where one run of the node saw both."""
    last = entry.stages[-1]
    if not last.stage.final or last.stage is Stage.INTERRUPTED:
        return None
    return next(
        ((last.boot_time_ns - each.boot_time_ns) / 1e9 for each in entry.stages if each.stage is Stage.STARTED), None
    )
