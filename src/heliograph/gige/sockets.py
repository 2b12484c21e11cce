"""The one place where sockets are opened: UDP of IPv4, with errors that say what to do."""

from __future__ import annotations

import ctypes
import errno
import socket
import struct

from heliograph.core import AddressError
from heliograph.gige.gvcp import PORT

# linux/in.h; the socket module does not name them before Python 3.14.
_IP_MTU_DISCOVER = 10
_IP_PMTUDISC_DO = 2
_SO_RCVBUFFORCE = 33
_SO_ATTACH_REUSEPORT_CBPF = 51

# Clients that lose many packets ask for each of them: the stock buffer holds 277 commands, of which none may be lost.
_CONTROL_BUFFER_BYTES = 1_000_000

# Sockets that share a stream, a power of two, and packets in a row that one of them gets. 128 stock buffers hold 200 ms
# at 1 Gbit/s; 32 packets fill a third of one where the kernel does not coalesce.
_SINKS = 128
_RUN_BITS = 5


def open_control(address: str) -> socket.socket:
    """Open the socket on which a camera at `address` takes commands, non-blocking.

    Raises `AddressError` when another camera has the port or the address is not of this machine.
    """
    control = _udp()
    control.setblocking(False)
    _enlarge(control, _CONTROL_BUFFER_BYTES)
    _bind(control, address, PORT)
    return control


def open_broadcast_listener(address: str, interface: str) -> socket.socket:
    """Open a socket that hears commands broadcast to `address` on one interface, non-blocking.

    Any number of cameras may share it: each gets every broadcast. Bound to the interface, because a camera must not
    answer in a network in which its address cannot be reached. Raises `AddressError`.
    """
    listener = _udp()
    listener.setblocking(False)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    _bind(listener, address, PORT, interface)
    return listener


def open_stream_source(address: str) -> socket.socket:
    """Open the socket from which a camera at `address` sends its stream; packets are never fragmented.

    A stream to a multicast group leaves by this address's interface, no router passes it on, and this machine hears it
    too. Raises `AddressError` when the address is not of this machine.
    """
    source = _udp()
    source.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _IP_PMTUDISC_DO)
    _bind(source, address, 0)
    source.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))
    source.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
    source.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
    return source


def open_client(address: str) -> socket.socket:
    """Open a socket at an own address, from which cameras are asked; it may broadcast.

    Raises `AddressError` when the address is not of this machine.
    """
    client = _udp()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    _bind(client, address, 0)
    return client


def open_stream_sink(address: str, buffer_bytes: int) -> socket.socket:
    """Open the socket that a camera streams to, with a receive buffer as near to `buffer_bytes` as the system allows.

    A process that may (CAP_NET_ADMIN) goes beyond net.core.rmem_max. 0 keeps the system's default.
    Raises `AddressError` when the address is not of this machine.
    """
    sink = _sink(buffer_bytes)
    _bind(sink, address, 0)
    return sink


def open_multicast_sink(group: str, port: int, address: str, buffer_bytes: int) -> socket.socket:
    """Open a socket that hears what is sent to a multicast group on the interface of an own address.

    Port 0 takes a free one; any number of programs may then hear at it. Raises `AddressError`.
    """
    sink = _sink(buffer_bytes)
    if port:
        sink.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    _bind(sink, group, port)
    sink.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        membership = socket.inet_aton(group) + socket.inet_aton(address)
        sink.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
    except OSError as error:
        sink.close()
        raise AddressError(f"cannot join {group} at {address}: {error.strerror}") from error
    return sink


def spread_stream_sink(sink: socket.socket) -> list[socket.socket]:
    """Give sockets that share the packets for `sink`, itself among them: together they have a large receive buffer.

    One stock buffer (212992 bytes) holds 1.6 ms at 1 Gbit/s, less than a busy machine takes to wake anybody, and only
    an administrator may have a larger one. The kernel hands out packets by bits of their GVSP packet id, so each
    socket gets its packets of every frame in order. Gives `sink` alone where the kernel cannot do this.
    """
    sinks = [sink]
    sink.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        for _ in range(_SINKS - 1):
            sinks.append(_udp())
            sinks[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            sinks[-1].bind(sink.getsockname())
        _attach_filter(sink)
    except OSError:
        for sibling in sinks[1:]:
            sibling.close()
        return [sink]
    return sinks


def own_address_towards(address: str) -> str:
    """Give the own address from which packets to `address` leave; raises `AddressError` when no route leads there."""
    with _udp() as probe:
        try:
            # Connecting a UDP socket sends nothing: it only asks the routing table.
            probe.connect((address, PORT))
        except OSError as error:
            raise AddressError(f"{address} cannot be reached from this machine: {error.strerror}") from error
        return str(probe.getsockname()[0])


def _attach_filter(sink: socket.socket) -> None:
    """Choose among sockets of one port by the packet id: low 24 bits of the word at byte 4 of a GVSP header.

    Extended headers have bit 31 of that word set, and the packet id at byte 16.
    """
    # Classic BPF (linux/filter.h): code, steps to skip if true and if not, operand. What is too short goes to socket 0.
    steps = (
        (0x20, 0, 0, 4),  # load the word
        (0x45, 0, 1, 0x8000_0000),  # is the bit set?
        (0x20, 0, 0, 16),  # load the word
        (0x54, 0, 0, 0xFF_FFFF),  # and
        (0x74, 0, 0, _RUN_BITS),  # shift right
        (0x54, 0, 0, _SINKS - 1),  # and
        (0x16, 0, 0, 0),  # return it
    )
    program = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    pointer = struct.pack("@HP", len(steps), ctypes.addressof(program))
    sink.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_REUSEPORT_CBPF, pointer)


def _sink(buffer_bytes: int) -> socket.socket:
    sink = _udp()
    if buffer_bytes:
        _enlarge(sink, buffer_bytes)
    return sink


def _enlarge(udp: socket.socket, buffer_bytes: int) -> None:
    """Give a socket a larger receive buffer, beyond net.core.rmem_max where the process may."""
    try:
        udp.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, buffer_bytes)
    except PermissionError:
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)


def _udp() -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


def _bind(udp: socket.socket, address: str, port: int, interface: str = "") -> None:
    try:
        if interface:
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")
        udp.bind((address, port))
    except OSError as error:
        udp.close()
        raise _explained(error, address, port) from error


def _explained(error: OSError, address: str, port: int) -> AddressError:
    match error.errno:
        case errno.EADDRINUSE:
            return AddressError(
                f"UDP port {port} of {address} is in use by another camera: stop that one or take another address"
            )
        case errno.EADDRNOTAVAIL:
            return AddressError(f"{address} is no address of this machine")
        case _:
            return AddressError(f"cannot use UDP port {port} of {address}: {error.strerror}")
