"""The entities at the other ends, and where each of them is: data goes only where a probe was answered."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable

from heliograph.link.cfdp.contact import Probe, Report
from heliograph.link.cfdp.peer import Address, Peer

_MOST_STRANGERS = 256


class Peers(dict[int, Peer]):
    """Peers by the number of their entity.

    An address can be forged: whoever would send a few octets in another's name could have a file sent there. So an
    address that is new is asked first, with a number that only one who receives there can know; and the place of a
    peer that is heard where it is goes to nobody else.
    """

    def __init__(self, entity: int, datagram_bytes: Callable[[Address], int]) -> None:
        super().__init__()
        self._entity = entity
        self._datagram_bytes = datagram_bytes
        self._strangers: dict[int, Address] = {}
        self._secret = secrets.token_bytes(16)

    def add(self, entity: int, address: Address | None, *, speaks: bool) -> Peer:
        """Give a peer, new or known; `address` is where somebody who is trusted says that it is."""
        peer = self.setdefault(entity, Peer(entity, 0, speaks=speaks))
        if address is not None and not peer.heard:
            peer.home = address
            self.place(peer, address)
        return peer

    def place(self, peer: Peer, address: Address) -> None:
        """Send to a peer there from now on."""
        if peer.address != address:
            peer.move(address, self._datagram_bytes(address))

    def remember(self, entity: int, address: Address) -> None:
        """Keep the address of an entity with which there is no transfer, for one that is announced a moment later."""
        self._strangers[entity] = address
        if len(self._strangers) > _MOST_STRANGERS:
            del self._strangers[next(iter(self._strangers))]

    def recall(self, entity: int) -> Address | None:
        """Give the address of an entity that was heard before there was a transfer with it."""
        return self._strangers.pop(entity, None)

    def question(self, address: Address) -> bytes:
        """Give the datagram that asks whether somebody hears there; it is little longer than what led to it."""
        return Probe(self._entity, self._proof(address), 0).pack()

    def proves(self, contact: Probe | Report, address: Address) -> bool:
        """Tell whether this answers such a question."""
        return isinstance(contact, Report) and contact.stamp_ns == self._proof(address)

    def _proof(self, address: Address) -> int:
        """Give a number that nobody else can reckon, so that none need be kept for each who comes along."""
        words = repr((self._entity, address)).encode()
        return int.from_bytes(hashlib.blake2b(words, key=self._secret, digest_size=8).digest()) >> 1
