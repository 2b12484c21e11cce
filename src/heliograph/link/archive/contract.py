"""What an archive promises, whatever it keeps its rows in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from heliograph.link.channel import Stream
from heliograph.link.event import ArchivedEvent, Severity
from heliograph.link.intake import Samples
from heliograph.link.telemetry import Block


@dataclass(frozen=True, slots=True)
class Gap:
    """Numbers of samples that an archive has not."""

    first: int
    last: int
    dropped: bool = False
    """Whether the node said that it had to drop them: then nobody need wait for them."""

    @property
    def count(self) -> int:
        """How many there are."""
        return self.last - self.first + 1


class Archive(Protocol):
    """Keeps samples by (node, boot, stream, number); safe for use from several threads.

    Times to look for are those of the nodes' wall clocks, which are the only ones that were there at each of them.
    """

    def store(self, blocks: Sequence[Block], ground_minus_boot_ns: Mapping[tuple[str, str], int] | None = None) -> None:
        """Commit blocks that were checked, so that they survive a power cut from here on; what is there is left alone.

        `ground_minus_boot_ns` are offsets of clocks by (node, boot); the least one that was ever given is kept.
        Raises `OutputError` when it cannot, and then nothing of it is stored.
        """

    def declaration(self, node: str, stream: str, schema: str) -> Stream | None:
        """Give a declaration that came with a stored block."""

    def name_node(self, node: str, name: str) -> None:
        """Keep the label of a node, for people who look for it later. Raises `OutputError`."""

    def nodes(self) -> dict[str, str]:
        """Give every node there is something of, and its label, which may be empty."""

    def samples(
        self, node: str, stream: str, after_ns: int, before_ns: int, limit: int | None = None
    ) -> Iterator[Samples]:
        """Give samples at or after a time and before another, run by run; the first `limit` of them.

        They come a few thousand at a time; a declaration that changed begins new ones.
        """

    def newest(self, node: str) -> list[Samples]:
        """Give the newest sample of each stream."""

    def events(
        self, node: str, after_ns: int, before_ns: int, *, severity: Severity, text: str = "", limit: int = 100
    ) -> list[ArchivedEvent]:
        """Give the newest `limit` events between two times, of a severity or above, oldest first.

        `text` is a part of name or message, in any case.
        """

    def gaps(self, node: str, boot: str, stream: str) -> list[Gap]:
        """Give the numbers that are missing below the highest that is there or was dropped."""
