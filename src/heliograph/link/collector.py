"""The archive's end of the link: takes blocks, commits them, and only then tells the node to forget them."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Self

from heliograph.core import LinkLostError, OutputError, RemoteProtocolError, SourceError
from heliograph.link.archive import Archive
from heliograph.link.bus import Bus, Closable, Urgency
from heliograph.link.collection import Batch, Sorter, Tally
from heliograph.link.follow import streams_of
from heliograph.link.intake import is_live
from heliograph.link.keys import PrivateKey
from heliograph.link.signature import sign
from heliograph.link.telemetry import Block
from heliograph.link.topic import ACKNOWLEDGE, ALIVE, ANY, BLOCKS, collector_topic, node_of, topic

_log = logging.getLogger(__name__)

_QUEUE_BYTES = 64_000_000
_COMMIT_BYTES = 500_000
"""Some 15 ms: a live sample that comes meanwhile waits for no more."""
_RETRY_S = 1.0
_ASK_AGAIN_NS = 10_000_000_000


class Collector:
    """Collects telemetry and events of nodes, given by id or all that appear, into an archive until it is closed.

    A node heeds it only if it pins the key as that of its archive. While the archive cannot be written, nodes are told
    so by the absence of the collector's token, and keep what they have. `on_block` is given each block once it is
    committed, in the collector's own thread; one that comes again is given again.
    """

    def __init__(
        self,
        bus: Bus,
        archive: Archive,
        key: PrivateKey,
        nodes: Iterable[str] | None = None,
        *,
        on_block: Callable[[Block], None] | None = None,
    ) -> None:
        self._bus = bus
        self._archive = archive
        self._key = key
        self._sorter = Sorter(archive)
        self._on_block = on_block
        self._changed = threading.Condition()
        self._live: deque[tuple[str, bytes, int]] = deque()
        self._backlog: deque[tuple[str, bytes, int]] = deque()
        self._backlog_is_next = False
        self._queued_bytes = 0
        self._nodes = set(nodes or ())
        self._tokens: dict[str, Closable] = {}
        self._asked_ns: dict[str, int] = {}
        self._failing = False
        self._closing = False
        listened = (ANY,) if nodes is None else tuple(self._nodes)
        self._declared = [bus.subscribe(topic(node, BLOCKS, ANY), self._take) for node in listened]
        if nodes is None:
            self._declared.append(bus.watch_presence(topic(ANY, ALIVE), self._appeared))
        self._thread = threading.Thread(target=self._run, name="collector")
        self._thread.start()

    @property
    def tally(self) -> Tally:
        """What became of the blocks so far."""
        return self._sorter.tally

    def close(self) -> None:
        """Commit and acknowledge what came, and end."""
        for each in self._declared:
            each.close()
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _take(self, key: str, payload: bytes) -> None:
        arrived_ns = time.time_ns()
        queue = self._live if is_live(payload) else self._backlog
        with self._changed:
            if self._queued_bytes + _size_bytes(payload) > _QUEUE_BYTES:
                self.tally.dropped_blocks += 1
                return
            queue.append((key, payload, arrived_ns))
            self._queued_bytes += _size_bytes(payload)
            self._changed.notify_all()

    def _appeared(self, key: str, there: bool) -> None:
        with self._changed:
            (self._nodes.add if there else self._nodes.discard)(node_of(key))
            self._changed.notify_all()

    def _run(self) -> None:
        while messages := self._next():
            try:
                self._store(messages)
            except Exception:
                # A defect: but what comes after it is still collected, and this comes again.
                _log.exception("%d blocks could not be stored", len(messages))
        self._show_tokens(set())

    def _next(self) -> list[tuple[str, bytes, int]]:
        """Wait for messages and give as many as one commit takes; none at the end."""
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._queued_bytes or self._closing or self._nodes != self._tokens.keys()
                )
                nodes = set(self._nodes)
                if self._closing and self._failing:
                    return []
                if nodes == self._tokens.keys() or self._closing:
                    return self._dequeue()
            self._show_tokens(nodes)

    def _dequeue(self) -> list[tuple[str, bytes, int]]:
        """Live blocks and backlog take turns: what is live waits for one commit at most, and never for all the rest."""
        queue = self._backlog if self._backlog and (self._backlog_is_next or not self._live) else self._live
        self._backlog_is_next = queue is self._live
        taken: list[tuple[str, bytes, int]] = []
        size_bytes = 0
        while queue and size_bytes < _COMMIT_BYTES:
            taken.append(queue.popleft())
            size_bytes += _size_bytes(taken[-1][1])
        self._queued_bytes -= size_bytes
        return taken

    def _store(self, messages: list[tuple[str, bytes, int]]) -> None:
        batch = None
        while True:
            try:
                batch = batch or self._sorter.batch(messages)
                if batch.blocks:
                    self._archive.store(batch.blocks, batch.ground_minus_boot_ns)
                break
            except (OutputError, SourceError) as error:
                if not self._failing:
                    _log.error("nothing is collected until it can be stored: %s", error)
                self._failing = True
                self._show_tokens(set())
                with self._changed:
                    if self._changed.wait_for(lambda: self._closing, _RETRY_S):
                        return
        if self._failing:
            _log.warning("the archive can be written again: collecting goes on")
        self._failing = False
        self._sorter.committed(batch)
        self._tell(batch)
        for node in batch.unknown:
            self._ask_for_declarations(node, time.monotonic_ns())

    def _tell(self, batch: Batch) -> None:
        with suppress(LinkLostError):  # then the blocks come again
            for each in batch.acknowledgements():
                self._bus.publish(topic(each.node, ACKNOWLEDGE), sign(each, self._key), Urgency.COMMAND)
        if self._on_block is not None:
            for block in batch.blocks:
                self._on_block(block)

    def _ask_for_declarations(self, node: str, now_ns: int) -> None:
        """A node that does not heed us attaches none to its blocks; and a former run's may be known to nobody."""
        if now_ns - self._asked_ns.get(node, -_ASK_AGAIN_NS) >= _ASK_AGAIN_NS:
            self._asked_ns[node] = now_ns
            with suppress(LinkLostError, RemoteProtocolError):
                self._sorter.offer(node, streams_of(self._bus, node))

    def _show_tokens(self, nodes: set[str]) -> None:
        for node in self._tokens.keys() - nodes:
            self._tokens.pop(node).close()
        try:
            for node in nodes - self._tokens.keys():
                self._tokens[node] = self._bus.be_present(collector_topic(node, self._key.public.short))
        except LinkLostError:
            # The bus was closed, and nobody can be told any more.
            with self._changed:
                self._nodes = set(self._tokens)


def _size_bytes(payload: bytes) -> int:
    """Give what a message in the queue costs: an empty one is not for nothing."""
    return len(payload) + 200
