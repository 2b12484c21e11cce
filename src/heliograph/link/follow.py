"""Seeing what a node measures and tells, as it comes, without being its archive."""

from __future__ import annotations

import queue
import time
from collections.abc import Collection, Iterable
from contextlib import suppress
from typing import Self

import numpy as np

from heliograph.core import LinkLostError, RemoteProtocolError
from heliograph.link.bus import Bus
from heliograph.link.channel import Stream
from heliograph.link.dictionary import Dictionary
from heliograph.link.event import ArchivedEvent, Events, EventsRequest
from heliograph.link.intake import Samples, check_claims, events_of, samples_of, take_block
from heliograph.link.message import M, decode, encode
from heliograph.link.telemetry import EVENTS_STREAM, Block, Latest, Newest
from heliograph.link.topic import ANY, BLOCKS, DICTIONARY, EVENTS, LATEST, topic

_TIMEOUT_S = 5.0
_MOST_WAITING = 10_000
_ASK_AGAIN_NS = 2_000_000_000


class Order:
    """Keeps what comes in the order of its numbers: what was there already, or comes late, is left out. Sans-IO."""

    def __init__(self) -> None:
        self._declarations: dict[tuple[str, str], Stream] = {}
        self._last: dict[tuple[str, str], int] = {}

    def declare(self, streams: Iterable[Stream]) -> None:
        """Take note of declarations."""
        self._declarations |= {(each.name, each.schema): each for each in streams}

    def lacks(self, block: Block) -> bool:
        """Tell whether the declaration of a block is missing."""
        if block.stream == EVENTS_STREAM or block.declaration is not None:
            return False
        return (block.stream, block.schema) not in self._declarations

    def take(self, block: Block) -> Samples | list[ArchivedEvent]:
        """Give what is new in a block whose declaration is not missing; it may be empty.

        Raises `RemoteProtocolError` where the block holds something else than it says.
        """
        run = (block.boot, block.stream)
        last = self._last.get(run, 0)
        new: Samples | list[ArchivedEvent]
        if block.stream == EVENTS_STREAM:
            new = [each for each in events_of(block) if each.sequence > last]
        else:
            stream = block.declaration or self._declarations[block.stream, block.schema]
            new = samples_of(block, stream).after(last)
            self.declare([stream])
        self._last[run] = max(last, block.first + block.count - 1)
        return new


class Follow:
    """Follows a node, given by its id: every stream, or those named; events are the stream `events`.

    It asks the node for declarations that it lacks. With `listen=False` it follows what it is offered, and not the bus.
    When nobody takes what comes, the newest is left out and counted.
    """

    def __init__(self, bus: Bus, node: str, streams: Collection[str] = (), *, listen: bool = True) -> None:
        self.missed = 0
        """Blocks that were left out."""
        self._bus = bus
        self._node = node
        self._streams = streams
        self._order = Order()
        self._asked_ns = -_ASK_AGAIN_NS
        self._waiting: queue.Queue[Block] = queue.Queue(_MOST_WAITING)
        self._subscription = bus.subscribe(topic(node, BLOCKS, ANY), self._hear) if listen else None

    def close(self) -> None:
        """End."""
        if self._subscription is not None:
            self._subscription.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def offer(self, block: Block) -> None:
        """Follow a block that was checked; from any thread. One out of the backlog is history, and left out."""
        if not block.live or (self._streams and block.stream not in self._streams):
            return
        try:
            self._waiting.put_nowait(block)
        except queue.Full:
            self.missed += 1

    def next(self, timeout_s: float) -> Samples | list[ArchivedEvent] | None:
        """Give the next samples or events that are new, None when none came in time. Raises `LinkLostError`."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            try:
                block = self._waiting.get(timeout=max(0.0, deadline_s - time.monotonic()))
            except queue.Empty:
                return None
            if self._order.lacks(block):
                self._ask_for_declarations(time.monotonic_ns())
            if self._order.lacks(block):
                self.missed += 1
                continue
            with suppress(RemoteProtocolError):
                if len(new := self._order.take(block)):
                    return new

    def _hear(self, key: str, payload: bytes) -> None:
        with suppress(RemoteProtocolError):
            self.offer(take_block(key, payload))

    def _ask_for_declarations(self, now_ns: int) -> None:
        """A block of a former run may have a declaration that nobody knows any more: ask not for each of them."""
        if now_ns - self._asked_ns >= _ASK_AGAIN_NS:
            self._asked_ns = now_ns
            with suppress(LinkLostError, RemoteProtocolError):
                self._order.declare(streams_of(self._bus, self._node))


def streams_of(bus: Bus, node: str) -> tuple[Stream, ...]:
    """Give the streams that a node declares. Raises `LinkLostError` when it does not answer, `RemoteProtocolError`."""
    return _answer(bus, topic(node, DICTIONARY), b"", Dictionary).streams


def newest_of(bus: Bus, node: str) -> tuple[int, list[Samples]]:
    """Give a node's CLOCK_BOOTTIME and the newest sample of each of its streams.

    Raises `LinkLostError` when it does not answer, `RemoteProtocolError` when the answer makes no sense.
    """
    latest = _answer(bus, topic(node, LATEST), b"", Latest)
    return latest.boot_time_ns, [samples_of(_block(node, latest, each), each.stream) for each in latest.newest]


def _block(node: str, latest: Latest, newest: Newest) -> Block:
    block = Block(
        node=node,
        boot=latest.boot,
        stream=newest.stream.name,
        schema=newest.stream.schema,
        first=newest.sequence,
        count=1,
        times=np.array([newest.boot_time_ns]).tobytes(),
        rows=newest.row,
        wall_minus_boot_ns=latest.wall_minus_boot_ns,
    )
    check_claims(block)
    return block


def events_on_board(bus: Bus, node: str, request: EventsRequest) -> tuple[ArchivedEvent, ...]:
    """Give events that a node has archived, oldest first. Raises `LinkLostError` when it does not answer."""
    return _answer(bus, topic(node, EVENTS), encode(request), Events).events


def _answer(bus: Bus, key: str, question: bytes, kind: type[M]) -> M:
    for _, answer in bus.ask(key, question, timeout_s=_TIMEOUT_S):
        return decode(answer, kind)
    raise LinkLostError(f"the node does not answer {key}: is it still running?")
