"""Loopback addresses, one for each test: GVCP's port is fixed, so cameras on one machine differ by address."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def loopback_address() -> Iterator[str]:
    """Give an address of 127.0.0.0/8 that no other test holds, in this process or another.

    >>> with loopback_address() as address:
    ...     address.split(".")[0]
    '127'
    """
    # An abstract Unix socket belongs to a network namespace, as addresses do, and goes when its process goes.
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as claim:
        yield _claim(claim)


def _claim(claim: socket.socket) -> str:
    choice = random.SystemRandom()
    while True:
        # 127.0.0.x stays free for people: it is what they type.
        address = f"127.{choice.randint(1, 254)}.{choice.randint(0, 255)}.{choice.randint(1, 254)}"
        try:
            claim.bind(f"\0heliograph-test-{address}")
        except OSError:
            continue
        return address
