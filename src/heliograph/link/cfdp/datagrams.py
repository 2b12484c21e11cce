"""The socket of file transfers: where it listens, how large datagrams may be, what it can hold."""

from __future__ import annotations

import socket

from heliograph.core import AddressError
from heliograph.link.cfdp.peer import Address

# linux/in.h and linux/in6.h; the socket module does not have them.
_IP_MTU, _IPV6_MTU = 14, 24
_HEADERS_BYTES = {socket.AF_INET: 28, socket.AF_INET6: 48}
# Fits every path of today with what tunnels add; the reference is that of WireGuard, QUIC's 1200 is the least.
_ANY_PATH_BYTES = 1400
# Of a path inside one machine, whose packets are as long as a datagram can be: a kernel buffer of 64 kB and its header.
_LOOPBACK_MTU_BYTES = 65_535
_LOOPBACK_BYTES = 60_000
_RECEIVE_BUFFER_BYTES = 4 << 20


def listening_socket(host: str, port: int) -> socket.socket:
    """Give a bound UDP socket with a large receive buffer; raises `AddressError`."""
    bound = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        bound.bind(address)
    except OSError as error:
        if bound is not None:
            bound.close()
        raise AddressError(f"file transfers cannot listen on {host} port {port}: {error.strerror or error}") from error
    return bound


def room_bytes(bound: socket.socket) -> int:
    """Give how much data a socket holds; the kernel counts its own bookkeeping in, so that half is for data."""
    return bound.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2


def resolve(address: Address, family: int) -> Address:
    """Give the numeric address of a host and port; raises `AddressError`."""
    try:
        found = socket.getaddrinfo(*address, family=family, type=socket.SOCK_DGRAM)[0][4]
    except OSError as error:
        raise AddressError(f"no address for {address[0]} port {address[1]}: {error.strerror or error}") from error
    return str(found[0]), int(found[1])


def datagram_bytes(address: Address) -> int:
    """Give how large datagrams to an address may be, so that none is cut in pieces on its way.

    >>> datagram_bytes(("127.0.0.1", 9))
    60000
    """
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(address)
            if family == socket.AF_INET6:
                mtu_bytes = probe.getsockopt(socket.IPPROTO_IPV6, _IPV6_MTU)
            else:
                mtu_bytes = probe.getsockopt(socket.IPPROTO_IP, _IP_MTU)
    except OSError:
        return _ANY_PATH_BYTES  # no route now; there may be one later
    if mtu_bytes >= _LOOPBACK_MTU_BYTES:
        return _LOOPBACK_BYTES
    return min(mtu_bytes - _HEADERS_BYTES[family], _ANY_PATH_BYTES)
