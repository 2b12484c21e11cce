"""Where the datagrams of file transfers go, and where they come from."""

from __future__ import annotations

import socket

from heliograph.core import LinkLostError, TransferError
from heliograph.link.discovery import Node


def datagram_address(node: Node) -> tuple[str, int]:
    """Give where a node takes datagrams of file transfers. Raises `TransferError` when it has told no such address."""
    host, _, port = node.hello.files.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise TransferError(f"{node.name} moves no files: its node.toml says where, under [files]")
    return host, int(port)


def own_address(towards: tuple[str, int]) -> str:
    """Give the address of this machine that datagrams to another one come from.

    >>> own_address(("127.0.0.1", 7448))
    '127.0.0.1'

    Raises `LinkLostError` where no way leads there.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Nothing is sent: the kernel looks up the way.
            probe.connect(towards)
        except OSError as error:
            raise LinkLostError(f"no way to {towards[0]}, where files go ({error.strerror})") from error
        host: str = probe.getsockname()[0]
        return host
