"""Seeing from the ground how a run goes: by its events as they come, and by the archive on board after a silence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Self

from heliograph.core import LinkLostError
from heliograph.link.bus import Bus
from heliograph.link.event import ArchivedEvent, EventsRequest
from heliograph.link.follow import Follow, events_on_board
from heliograph.link.sequence.run import RunState
from heliograph.link.telemetry import EVENTS_STREAM

_SILENCE_S = 2.0
_LONGEST_SILENCE_S = 60.0
_MOST_EVENTS = 1_000
_ENDS = {f"sequence.{each.value}": each.value for each in RunState if each is not RunState.RUNNING}


class RunWatch:
    """Hears the events of sequences of a node, given by its id, from its making on: make it before the run begins."""

    def __init__(self, bus: Bus, node: str) -> None:
        self._bus = bus
        self._node = node
        self._follow = Follow(bus, node, (EVENTS_STREAM,))
        self._given: set[tuple[str, int]] = set()
        self.end = ""
        """How the run ended: `completed`, `failed` or `cancelled`; empty before."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._follow.close()

    def steps(self, run: str, sequence: str) -> Iterator[ArchivedEvent]:
        """Give each event of a run once, up to its end, for which this waits for ever.

        What was said while the link was down comes later, out of the archive on board.
        """
        silence_s = _SILENCE_S
        while True:
            heard = self._next(silence_s)
            silence_s = _SILENCE_S if heard else min(2 * silence_s, _LONGEST_SILENCE_S)
            events = [each for each in heard if _run_of(each) == run]
            if not heard or any(each.event.name in _ENDS for each in events):
                events = [*self._archived(run, sequence), *events]
            for each in events:
                if (each.boot, each.sequence) in self._given:
                    continue
                self._given.add((each.boot, each.sequence))
                yield each
                self.end = _ENDS.get(each.event.name, "")
                if self.end:
                    return

    def _next(self, timeout_s: float) -> list[ArchivedEvent]:
        heard = self._follow.next(timeout_s)
        return heard if isinstance(heard, list) else []

    def _archived(self, run: str, sequence: str) -> list[ArchivedEvent]:
        request = EventsRequest(limit=_MOST_EVENTS, text=f"sequence {sequence}")
        with suppress(LinkLostError):
            return [each for each in events_on_board(self._bus, self._node, request) if _run_of(each) == run]
        return []


def _run_of(event: ArchivedEvent) -> object:
    return event.event.arguments.get("run")
