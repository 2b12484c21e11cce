"""Who a camera on the network is: what discovery tells of it."""

from __future__ import annotations

import hashlib
import socket
from dataclasses import dataclass

from heliograph import __version__
from heliograph.core import Camera, SettingError
from heliograph.gige.interface import Interface

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


def identify(camera: Camera, interface: Interface) -> DeviceIdentity:
    """Take a camera's identity from its features where it has them, else make one that stays the same.

    A serial number that is made up depends on host, address and camera name: the same camera served at the same place
    is the same device for its clients. Loopback has no MAC; a locally administered one stands in.
    """

    def text(feature: str, default: str) -> str:
        return str(camera.features[feature]) if feature in camera.features else default

    origin = f"{socket.gethostname()}|{interface.address}|{camera.name}"
    serial = text("DeviceSerialNumber", hashlib.sha256(origin.encode()).hexdigest()[:12].upper())
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


def _made_up_mac(address: str, serial: str) -> int:
    digest = hashlib.sha256(f"{address}|{serial}".encode()).digest()
    return int.from_bytes(digest[:6], "big") & ~_FIRST_OCTET_BITS | _LOCALLY_ADMINISTERED


def check_name(name: str) -> str:
    """Give a user-defined name back; raises `SettingError` when it does not fit its register."""
    if len(name.encode()) > NAME_BYTES or "\0" in name:
        raise SettingError(
            f"{name!r} is no name for a camera: it has at most {NAME_BYTES} bytes of UTF-8, none of them 0"
        )
    return name
