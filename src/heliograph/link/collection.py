"""What an archive makes of the messages that came, before and after it commits them; no thread, no clock, no socket."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import msgspec
import numpy as np

from heliograph.core import RemoteProtocolError
from heliograph.link.archive import Archive
from heliograph.link.channel import Stream
from heliograph.link.intake import events_of, samples_of, take_block
from heliograph.link.telemetry import EVENTS_STREAM, Acknowledge, Block, Range

_log = logging.getLogger(__name__)

_RANGES_A_MESSAGE = 1000
_MOST_REMEMBERED = 10_000


@dataclass(slots=True)
class Tally:
    """What became of the blocks that came."""

    stored_samples: int = 0
    """Committed, events too; one that comes again counts again."""
    backlog_blocks: int = 0
    """Of those committed, blocks that came out of the spool."""
    refused_blocks: int = 0
    """Not what they claimed to be."""
    undeclared_blocks: int = 0
    """Came before their declaration did, which the node is then asked for."""
    dropped_blocks: int = 0
    """Found no room in memory, as the disk was slower than the link; they come again."""


@dataclass(slots=True)
class Batch:
    """What is committed together, and what the nodes are told then."""

    blocks: list[Block] = field(default_factory=list)
    unknown: defaultdict[str, set[tuple[str, str]]] = field(default_factory=lambda: defaultdict(set))
    """(stream, schema) of each node."""
    ground_minus_boot_ns: dict[tuple[str, str], int] = field(default_factory=dict)
    """By (node, boot)."""
    declarations: dict[tuple[str, str, str], Stream] = field(default_factory=dict)
    """That came with the blocks, by (node, stream, schema)."""

    def acknowledgements(self) -> Iterator[Acknowledge]:
        """Give what to say when the blocks are committed: a message for each node, more where there are many blocks."""
        stored: defaultdict[str, list[Range]] = defaultdict(list)
        for each in self.blocks:
            stored[each.node].append(Range(each.boot, each.stream, each.first, each.count))
        for node in sorted(stored.keys() | self.unknown.keys()):
            unknown = tuple(sorted(self.unknown.get(node, ())))
            for at in range(0, max(1, len(stored[node])), _RANGES_A_MESSAGE):
                yield Acknowledge(node=node, stored=tuple(stored[node][at : at + _RANGES_A_MESSAGE]), unknown=unknown)
                unknown = ()


class Sorter:
    """Sorts messages into those to be stored and those that cannot be, for one archive."""

    def __init__(self, archive: Archive) -> None:
        self.tally = Tally()
        self._archive = archive
        self._declarations: dict[tuple[str, str, str], Stream] = {}
        self._offered: dict[tuple[str, str, str], Stream] = {}
        self._offsets_ns: dict[tuple[str, str], int] = {}

    def batch(self, messages: Iterable[tuple[str, bytes, int]]) -> Batch:
        """Sort messages of (key, payload, wall time at which it came in ns); the order is theirs.

        Raises `SourceError` when the archive cannot be read.
        """
        batch = Batch()
        for memory in (self._declarations, self._offered, self._offsets_ns):
            if len(memory) > _MOST_REMEMBERED:
                memory.clear()
        for key, payload, arrived_ns in messages:
            try:
                block = self._declared(take_block(key, payload))
                if self._is_sound(batch, block):
                    batch.blocks.append(block)
                    self._observe(batch, block, arrived_ns)
                else:
                    self.tally.undeclared_blocks += 1
                    batch.unknown[block.node].add((block.stream, block.schema))
            except RemoteProtocolError as error:
                self.tally.refused_blocks += 1
                # Each is counted; who floods us with them does not fill our log.
                if self.tally.refused_blocks & (self.tally.refused_blocks - 1) == 0:
                    _log.warning("block %d that is refused: %s", self.tally.refused_blocks, error)
        return batch

    def offer(self, node: str, streams: Iterable[Stream]) -> None:
        """Take declarations that a node gave when it was asked."""
        self._offered |= {(node, each.name, each.schema): each for each in streams}

    def committed(self, batch: Batch) -> None:
        """Count what the archive has now."""
        self.tally.stored_samples += sum(each.count for each in batch.blocks)
        self.tally.backlog_blocks += sum(not each.live for each in batch.blocks)

    def _declared(self, block: Block) -> Block:
        """Give a block the declaration that its node gave apart from it, if there is one."""
        offered = self._offered.get((block.node, block.stream, block.schema))
        return block if block.declaration or offered is None else msgspec.structs.replace(block, declaration=offered)

    def _is_sound(self, batch: Batch, block: Block) -> bool:
        """Tell whether the declaration of a block is known. Raises `RemoteProtocolError` where it does not fit."""
        if block.stream == EVENTS_STREAM:
            events_of(block)
            return True
        what = (block.node, block.stream, block.schema)
        declaration = block.declaration or batch.declarations.get(what) or self._declaration(*what)
        if declaration is None:
            return False
        samples_of(block, declaration)
        if block.declaration:
            batch.declarations[what] = block.declaration
        return True

    def _declaration(self, node: str, stream: str, schema: str) -> Stream | None:
        found = self._declarations.get((node, stream, schema)) or self._archive.declaration(node, stream, schema)
        if found:
            self._declarations[node, stream, schema] = found
        return found

    def _observe(self, batch: Batch, block: Block, arrived_ns: int) -> None:
        """Keep the least time between a sample and its arrival: the one that was the least held up on its way."""
        if not block.live:
            return
        run = (block.node, block.boot)
        offset_ns = arrived_ns - int(np.frombuffer(block.times, "<i8")[-1])
        if offset_ns < self._offsets_ns.get(run, offset_ns + 1):
            self._offsets_ns[run] = batch.ground_minus_boot_ns[run] = offset_ns
