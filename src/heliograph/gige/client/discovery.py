"""Finds GigE Vision cameras: broadcasts from every address of this machine, answers collected for a while."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import select
import socket
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from heliograph.core import AddressError, CameraNotFoundError, RemoteProtocolError
from heliograph.gige import sockets
from heliograph.gige.bootstrap import DISCOVERY_BYTES, STRING_BYTES, Register
from heliograph.gige.gvcp import PORT, AckPacket, Command, CommandPacket, Flag
from heliograph.gige.interface import Interface, interfaces
from heliograph.gige.text import unpack_text

INTERFACES_VARIABLE = "HELIOGRAPH_INTERFACES"
"""Environment variable that restricts discovery: interface names or own addresses, separated by commas."""

# Aravis takes only acknowledges with this id, and so do we: an id of its own tells them from other answers.
_REQUEST_ID = 0xFFFF
_DISCOVERY = CommandPacket(Command.DISCOVERY, _REQUEST_ID, flags=Flag.ACK_REQUIRED).pack()
_DATAGRAM_BYTES = 2048
# Datagrams get lost, above all on Wi-Fi: where one in 20 does, so many questions leave one camera in 10000 unheard.
_TRIES = 4


@dataclass(frozen=True, slots=True)
class DiscoveredCamera:
    """What a camera tells of itself when it is asked who is there."""

    name: str
    """User-defined name; empty when the camera has none."""
    vendor: str
    model: str
    serial: str
    mac: str
    address: str
    subnet_mask: str
    gateway: str
    version: str
    manufacturer_info: str
    interface_address: str = ""
    """Our own address that it answered to."""

    @classmethod
    def unpack(cls, payload: bytes, interface_address: str = "") -> DiscoveredCamera:
        """Read the payload of a discovery acknowledge: registers 0x000 to 0x0F7; raises `RemoteProtocolError`."""
        if len(payload) < DISCOVERY_BYTES:
            raise RemoteProtocolError(f"discovery acknowledge has {len(payload)} bytes instead of {DISCOVERY_BYTES}")

        def text(register: Register) -> str:
            raw = payload[register : register + STRING_BYTES[register]]
            return unpack_text(raw, "replace").strip()

        def ip(register: Register) -> str:
            return str(ipaddress.IPv4Address(payload[register : register + 4]))

        return cls(
            name=text(Register.USER_DEFINED_NAME),
            vendor=text(Register.MANUFACTURER_NAME),
            model=text(Register.MODEL_NAME),
            serial=text(Register.SERIAL_NUMBER),
            mac=payload[Register.MAC_HIGH + 2 : Register.MAC_LOW + 4].hex(":"),
            address=ip(Register.CURRENT_IP),
            subnet_mask=ip(Register.CURRENT_SUBNET_MASK),
            gateway=ip(Register.CURRENT_GATEWAY),
            version=text(Register.DEVICE_VERSION),
            manufacturer_info=text(Register.MANUFACTURER_INFO),
            interface_address=interface_address,
        )

    def answers_to(self, name: str) -> bool:
        """True when `name` is the camera's user-defined name, serial number, MAC, address or model."""
        own = (self.name, self.serial, self.address, self.model, self.mac, self.mac.replace(":", "-"))
        return bool(name) and name.lower() in (each.lower() for each in own)

    def is_same(self, other: DiscoveredCamera) -> bool:
        """True when both are one camera, wherever it was found."""
        mine, others = (self.vendor, self.serial), (other.vendor, other.serial)
        return mine == others if self.serial else self.mac == other.mac

    def __str__(self) -> str:
        return f"{self.name or self.model} at {self.address} (serial {self.serial or 'none'}, MAC {self.mac})"


def discover(timeout_s: float = 0.5, interfaces: Sequence[str] | None = None) -> list[DiscoveredCamera]:
    """List the cameras that answer on every interface, or on those named, sorted by address.

    >>> for camera in discover():                                               # doctest: +SKIP
    ...     print(camera.name, camera.address)
    cam-1 192.168.1.20

    `interfaces` are interface names or own addresses; without them the environment variable `HELIOGRAPH_INTERFACES`
    counts, and without that every interface. Raises `AddressError` for an interface that does not exist.
    """
    with contextlib.ExitStack() as stack:
        asking: dict[socket.socket, str] = {}
        for interface in chosen_interfaces(interfaces):
            with contextlib.suppress(AddressError):  # an interface that went down meanwhile
                asking[stack.enter_context(sockets.open_client(interface.address))] = interface.address
        found: dict[str, DiscoveredCamera] = {}
        for _ in range(_TRIES):
            for sock, address in asking.items():
                _broadcast(sock, address)
            found |= {camera.address: camera for camera in _answers(asking, timeout_s / _TRIES)}
    return sorted(found.values(), key=lambda camera: ipaddress.IPv4Address(camera.address))


def probe(address: str, timeout_s: float = 1.0) -> DiscoveredCamera | None:
    """Ask one address; None when nothing answers. Raises `AddressError` when it cannot be reached at all."""
    own = sockets.own_address_towards(address)
    with sockets.open_client(own) as sock:
        # Connected, so that nobody else can answer.
        sock.connect((address, PORT))
        for _ in range(_TRIES):
            with contextlib.suppress(OSError):
                sock.send(_DISCOVERY)
            for camera in _answers({sock: own}, timeout_s / _TRIES):
                # Where it was reached: behind a router it knows itself by another address.
                return replace(camera, address=address)
    return None


def find(name: str, timeout_s: float = 0.5) -> DiscoveredCamera:
    """Give the one camera that answers to a user-defined name, serial number, MAC, address or model.

    Raises `CameraNotFoundError` that lists what did answer, also when the name fits several.
    """
    if _is_address(name):
        camera = probe(name, max(timeout_s, 1.0))
        if camera is None:
            raise CameraNotFoundError(
                f"no camera answers at {name}: is it on, in this network, and UDP port {PORT} not blocked?"
            )
        return camera
    # A camera that is just starting, or that is slow to answer, gets as long again before the answer is no.
    for _ in range(2):
        seen = discover(timeout_s)
        fitting = [camera for camera in seen if camera.answers_to(name)]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            several = "; ".join(map(str, fitting))
            raise CameraNotFoundError(f"{name!r} fits several cameras, use the serial number or address: {several}")
    others = "; ".join(map(str, seen)) or "none at all"
    raise CameraNotFoundError(f"no camera answers to {name!r}; on the network: {others}")


def find_again(camera: DiscoveredCamera, timeout_s: float = 0.5) -> DiscoveredCamera:
    """Give a camera that was found before: where it was, or else wherever its serial number or MAC answers now.

    Raises `CameraNotFoundError` when it does not, `AddressError` when this machine has lost the network it was in.
    """
    present = probe(camera.address, timeout_s)
    if present is not None and present.is_same(camera):
        return present
    for seen in discover(timeout_s):
        if seen.is_same(camera):
            return seen
    raise CameraNotFoundError(f"{camera} does not answer any more")


def _is_address(name: str) -> bool:
    try:
        ipaddress.IPv4Address(name)
    except ValueError:
        return False
    return True


def chosen_interfaces(wanted: Sequence[str] | None = None) -> list[Interface]:
    """Give the interfaces that are named, else those that `HELIOGRAPH_INTERFACES` names, else all.

    Raises `AddressError` for one that does not exist.
    """
    present = interfaces()
    if wanted is None:
        restriction = os.environ.get(INTERFACES_VARIABLE, "")
        if not restriction:
            return present
        wanted = [word.strip() for word in restriction.split(",")]
    chosen = []
    for word in wanted:
        fitting = [interface for interface in present if word in (interface.name, interface.address)]
        if not fitting:
            known = ", ".join(f"{interface.name} ({interface.address})" for interface in present)
            raise AddressError(f"no interface {word!r} here; there are {known}")
        chosen += fitting
    return chosen


def _broadcast(sock: socket.socket, address: str) -> None:
    try:
        sock.sendto(_DISCOVERY, ("255.255.255.255", PORT))
    except OSError:
        # Some networks take only their own broadcast address; a network that takes none has no cameras to show.
        for interface in interfaces():
            if interface.address == address:
                with contextlib.suppress(OSError):
                    sock.sendto(_DISCOVERY, (str(interface.network.broadcast_address), PORT))


def _answers(asking: dict[socket.socket, str], timeout_s: float) -> Iterable[DiscoveredCamera]:
    poller = select.poll()
    sockets_by_descriptor = {sock.fileno(): sock for sock in asking}
    for descriptor in sockets_by_descriptor:
        poller.register(descriptor, select.POLLIN)
    deadline_s = time.monotonic() + timeout_s
    while asking and (left_s := deadline_s - time.monotonic()) > 0:
        for descriptor, _ in poller.poll(left_s * 1000):
            sock = sockets_by_descriptor[descriptor]
            try:
                data = sock.recv(_DATAGRAM_BYTES, socket.MSG_DONTWAIT)
                ack = AckPacket.unpack(data)
                if (ack.command, ack.request_id) == (Command.DISCOVERY + 1, _REQUEST_ID) and not ack.status:
                    yield DiscoveredCamera.unpack(ack.payload, asking[sock])
            except (OSError, RemoteProtocolError):
                continue  # garbage, or an ICMP error that belongs to an earlier send
