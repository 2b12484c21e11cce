"""Who a camera on the network is: what discovery tells of it."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Collection
from dataclasses import dataclass
from itertools import count

from heliograph import __version__
from heliograph.core import Camera, SettingError
from heliograph.gige.bootstrap import STRING_BYTES, Register
from heliograph.gige.interface import Interface
from heliograph.gige.text import pack_text, unpack_text

_LOCALLY_ADMINISTERED = 0x02 << 40
_FIRST_OCTET_BITS = 0x03 << 40
NAME_BYTES = 16
"""Longest user-defined name in bytes of UTF-8: the whole register, without a NUL at the end."""


@dataclass(frozen=True, slots=True)
class DeviceIdentity:
    """The unchanging part of what a camera says of itself."""

    vendor: str
    model: str
    version: str
    manufacturer_info: str
    serial: str
    mac: int
    address: str
    subnet_mask: str


def identify(camera: Camera, interface: Interface, taken_serials: Collection[str] = ()) -> DeviceIdentity:
    """Take a camera's identity from its features where it has them, else make one that stays the same.

    A serial number that is made up depends on the interface's MAC and the camera's name: the same camera is the same
    device for its clients, and has its user sets, whichever address it was given this time. Of cameras with one serial
    number the second gets a suffix: give the numbers of those that are served already. Loopback has no MAC; a locally
    administered one stands in, and host and address decide the serial number.
    """

    def text(feature: str, default: str) -> str:
        # A camera that leaves its own empty has none, as many USB cameras.
        return (feature in camera.features and str(camera.features[feature])) or default

    place = f"{interface.mac:012x}" if interface.mac else f"{socket.gethostname()}|{interface.address}"
    origin = f"{place}|{camera.name}"
    serial = _free_serial(
        text("DeviceSerialNumber", hashlib.sha256(origin.encode()).hexdigest()[:12].upper()), taken_serials
    )
    return DeviceIdentity(
        vendor=text("DeviceVendorName", "Heliograph"),
        model=text("DeviceModelName", camera.name or "Camera"),
        version=text("DeviceVersion", __version__),
        manufacturer_info=text("DeviceManufacturerInfo", f"Heliograph {__version__}"),
        serial=serial,
        mac=interface.mac or _made_up_mac(interface.address, serial),
        address=interface.address,
        subnet_mask=str(interface.network.netmask),
    )


def _free_serial(serial: str, taken: Collection[str]) -> str:
    if serial not in taken:
        return serial
    # The register has 16 bytes, the last is NUL.
    room_bytes = STRING_BYTES[Register.SERIAL_NUMBER]
    suffixes = (f"-{number}" for number in count(2))
    numbered = (unpack_text(pack_text(serial, room_bytes - len(suffix))) + suffix for suffix in suffixes)
    return next(each for each in numbered if each not in taken)


def _made_up_mac(address: str, serial: str) -> int:
    digest = hashlib.sha256(f"{address}|{serial}".encode()).digest()
    return int.from_bytes(digest[:6], "big") & ~_FIRST_OCTET_BITS | _LOCALLY_ADMINISTERED


def check_name(name: str) -> str:
    """Give a user-defined name back; raises `SettingError` when it does not fit its register."""
    # Whatever shows a name may be a terminal, and a name may come from anybody on the network.
    if len(name.encode()) > NAME_BYTES or not name.isprintable():
        raise SettingError(
            f"{name!r} is no name for a camera: it has at most {NAME_BYTES} bytes of UTF-8, no control characters"
        )
    return name
