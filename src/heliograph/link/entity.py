"""Numbers by which file transfers know who is at either end (CCSDS 727.0-B-5: entity identifiers)."""

from __future__ import annotations

import hashlib

from heliograph.link.keys import PublicKey


def entity_of(key: PublicKey, purpose: str = "") -> int:
    """Give the entity that a key stands for: 32 bits, the same for ever; another one for each purpose.

    >>> entity_of(PublicKey(bytes(31) + b"1")) == entity_of(PublicKey(bytes(31) + b"1"), "uplink of x.png")
    False
    """
    return int.from_bytes(hashlib.sha256(key.raw + purpose.encode("utf-8", "surrogateescape")).digest()[:4], "big")
