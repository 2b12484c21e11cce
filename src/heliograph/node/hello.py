"""The node lets it be known that it is there, and proves to whoever asks who it is."""

from __future__ import annotations

import time
from collections.abc import Callable

from heliograph import __version__
from heliograph.core import RemoteProtocolError
from heliograph.link.bus import Bus
from heliograph.link.keys import PrivateKey, PublicKey
from heliograph.link.message import decode
from heliograph.link.presence import Challenge, Hello
from heliograph.link.signature import sign
from heliograph.link.topic import ALIVE, HELLO, topic

_LONGEST_NONCE_BYTES = 64
"""Nobody has us sign what is of any use to him."""


class HelloService:
    """Answers HELLO and holds the token ALIVE, until closed.

    It comes last of what a node declares on the bus: who has seen the token finds all the rest declared.

    `counter_of` gives the highest counter seen from a public key (64 hexadecimal digits), `files` is HOST:PORT where
    file transfers listen, `spooled` gives the samples that wait for acknowledgement, and `archive` the key that may
    acknowledge them.
    """

    def __init__(
        self,
        bus: Bus,
        key: PrivateKey,
        name: str,
        boot: str,
        *,
        counter_of: Callable[[str], int],
        files: str,
        spooled: Callable[[], int],
        archive: Callable[[], PublicKey | None] = lambda: None,
    ) -> None:
        self._key = key
        self._name = name
        self._boot = boot
        self._counter_of = counter_of
        self._files = files
        self._spooled = spooled
        self._archive = archive
        self._started_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        node = key.public.short
        self._answering = bus.answer(topic(node, HELLO), self._answer)
        self._token = bus.be_present(topic(node, ALIVE))

    def close(self) -> None:
        """Take the token back, and answer no more."""
        self._token.close()
        self._answering.close()

    def _answer(self, _: str, question: bytes) -> list[bytes]:
        challenge = decode(question, Challenge)
        if not 8 <= len(challenge.nonce) <= _LONGEST_NONCE_BYTES:
            raise RemoteProtocolError(f"a challenge has a nonce of 8 to {_LONGEST_NONCE_BYTES} bytes")
        archive = self._archive()
        hello = Hello(
            nonce=challenge.nonce,
            name=self._name,
            key=self._key.public.hex,
            boot=self._boot,
            boot_time_ns=time.clock_gettime_ns(time.CLOCK_BOOTTIME),
            wall_time_ns=time.time_ns(),
            started_boot_time_ns=self._started_ns,
            counter=self._counter_of(challenge.key) if challenge.key else 0,
            version=__version__,
            files=self._files,
            spooled=self._spooled(),
            archive=archive.short if archive else "",
        )
        return [sign(hello, self._key)]
