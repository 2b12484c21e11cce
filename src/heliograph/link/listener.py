"""What a node hears of its archive: whether it is there, and what it has committed."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator

from heliograph.core import HeliographError
from heliograph.link.bus import Bus
from heliograph.link.keys import PublicKey
from heliograph.link.signature import unseal
from heliograph.link.telemetry import Acknowledge
from heliograph.link.topic import ACKNOWLEDGE, ANY, collector_topic, topic

_log = logging.getLogger(__name__)

_MOST_WAITING = 1_000
_LONGEST_BYTES = 1_000_000
"""Ten times what the ranges of a message and the declarations of a commit take; nobody fills our memory with more."""
_MOST_STRANGERS = 100


class ArchiveListener:
    """Hears presence and acknowledgements of the archive, whose key `archive_key_of` gives; others are ignored.

    `stirred` is called, from a thread of the bus, when there is something new.
    """

    def __init__(
        self, bus: Bus, node_id: str, archive_key_of: Callable[[], PublicKey | None], stirred: Callable[[], None]
    ) -> None:
        self._node_id = node_id
        self._archive_key_of = archive_key_of
        self._stirred = stirred
        self._collectors: set[str] = set()
        # When more come than are taken, the oldest go: their blocks are sent again.
        self._waiting: deque[bytes] = deque(maxlen=_MOST_WAITING)
        self._strangers: set[str] = set()
        self._declared = [
            bus.subscribe(topic(node_id, ACKNOWLEDGE), self._hear),
            bus.watch_presence(collector_topic(node_id, ANY), self._see),
        ]

    @property
    def present(self) -> bool:
        """Whether the archive that is trusted now is there."""
        key = self._archive_key_of()
        return key is not None and key.short in self._collectors

    def take(self) -> Iterator[Acknowledge]:
        """Give what the archive has said since."""
        while self._waiting:
            message = self._trusted(self._waiting.popleft())
            if message is not None:
                yield message

    def close(self) -> None:
        """Hear nothing more."""
        for each in self._declared:
            each.close()

    def _hear(self, _: str, payload: bytes) -> None:
        if len(payload) <= _LONGEST_BYTES:
            self._waiting.append(payload)
            self._stirred()

    def _see(self, key: str, there: bool) -> None:
        (self._collectors.add if there else self._collectors.discard)(key.rsplit("/", 1)[-1])
        self._stirred()

    def _trusted(self, payload: bytes) -> Acknowledge | None:
        try:
            signer, message = unseal(payload, Acknowledge)
        except HeliographError as error:
            self._ignore("", f"an acknowledgement of telemetry is ignored: {error}")
            return None
        if signer != self._archive_key_of():
            self._ignore(
                signer.short,
                f"acknowledgements of telemetry by the key {signer.short} are ignored: it is not pinned as archive",
            )
            return None
        return message if message.node == self._node_id else None

    def _ignore(self, stranger: str, reason: str) -> None:
        """Once for each, and not without end: whoever reaches the link could fill the log."""
        if stranger not in self._strangers and len(self._strangers) < _MOST_STRANGERS:
            self._strangers.add(stranger)
            _log.warning("%s", reason)
