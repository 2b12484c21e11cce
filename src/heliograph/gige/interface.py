"""Network interfaces of this machine, as far as a camera and its clients must know them."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

import ifaddr

from heliograph.core import AddressError

_SYSFS = Path("/sys/class/net")


@dataclass(frozen=True, slots=True)
class Interface:
    """One IPv4 address of one network interface."""

    name: str
    address: str
    prefix_bits: int

    @property
    def network(self) -> ipaddress.IPv4Network:
        """The network that the address is in."""
        return ipaddress.IPv4Network((self.address, self.prefix_bits), strict=False)

    @property
    def loopback(self) -> bool:
        """True for the interface that leads back to this machine."""
        return ipaddress.IPv4Address(self.address).is_loopback

    @property
    def mtu_bytes(self) -> int:
        """Largest IP packet that the interface takes; 1500 where the kernel does not tell."""
        return int(_read(self.name, "mtu") or 1500)

    @property
    def mac(self) -> int:
        """Hardware address as a 48-bit number; 0 where there is none, as on loopback."""
        octets = _read(self.name, "address").split(":")
        return int("".join(octets), 16) if len(octets) == 6 else 0

    @property
    def speed_mbit_per_s(self) -> int:
        """Link speed; 0 where the interface has none, as loopback and Wi-Fi."""
        return max(0, int(_read(self.name, "speed") or 0))


def _read(interface: str, attribute: str) -> str:
    try:
        return (_SYSFS / interface / attribute).read_text().strip()
    except OSError:  # virtual interfaces have no speed, and a network namespace may show another's sysfs
        return ""


def interfaces() -> list[Interface]:
    """All IPv4 addresses of this machine.

    >>> "127.0.0.1" in [interface.address for interface in interfaces()]
    True
    """
    # A further address may have a label of its own, as eth0:1 (ip-address(8)), which the kernel knows no interface by.
    return [
        Interface(adapter.name.partition(":")[0], str(ip.ip), ip.network_prefix)
        for adapter in ifaddr.get_adapters()
        for ip in adapter.ips
        if ip.is_IPv4
    ]


def interface_of(address: str) -> Interface:
    """Give the interface that has this address; every address of 127.0.0.0/8 is one of loopback.

    Raises `AddressError` that names the addresses there are.
    """
    present = interfaces()
    try:
        wanted = ipaddress.IPv4Address(address)
    except ValueError:
        raise AddressError(f"{address!r} is no IPv4 address; this machine has {_listed(present)}") from None
    for interface in present:
        if ipaddress.IPv4Address(interface.address) == wanted:
            return interface
    for interface in present:
        if wanted.is_loopback and wanted in interface.network and wanted != interface.network.broadcast_address:
            return Interface(interface.name, address, interface.prefix_bits)
    raise AddressError(f"{address} is no address of this machine; it has {_listed(present)}")


def _listed(present: list[Interface]) -> str:
    return ", ".join(f"{interface.address} ({interface.name})" for interface in present) or "none"
