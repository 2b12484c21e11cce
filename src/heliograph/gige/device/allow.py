"""Who may talk to a camera: clients of private networks, or of those that its owner names."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from heliograph.core import AddressError, SettingError

# RFC 1918, loopback (RFC 1122) and link-local (RFC 3927).
_PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "169.254.0.0/16")


@dataclass(frozen=True, slots=True)
class AllowedNetworks:
    """Networks whose commands are answered; those of others are ignored, so that nobody is flooded in their name.

    >>> allowed = AllowedNetworks.parse(["192.168.1.0/24"])
    >>> "192.168.1.7" in allowed, "192.168.2.7" in allowed
    (True, False)
    """

    networks: tuple[tuple[int, int], ...]
    """Address and mask of each."""
    chosen: bool
    """True when the owner named them."""

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Self:
        """Read networks such as 192.168.1.0/24 or 192.168.1.7; none means all private ones.

        Raises `SettingError` for a text that is no network.
        """
        texts = tuple(texts)
        networks = []
        for text in texts or _PRIVATE:
            try:
                network = ipaddress.IPv4Network(text)
            except ValueError as error:
                raise SettingError(
                    f"{text!r} is no network of IPv4 addresses such as 192.168.1.0/24: {error}"
                ) from None
            networks.append((int(network.network_address), int(network.netmask)))
        return cls(tuple(networks), bool(texts))

    def __contains__(self, address: str) -> bool:
        # Asked for every datagram, wishes for packets and floods among them: ipaddress takes twice as long and more.
        number = int.from_bytes(socket.inet_aton(address), "big")
        return any(number & mask == network for network, mask in self.networks)

    def check_own(self, address: str) -> None:
        """Raise `AddressError` for an own address that the whole internet may reach, unless clients were named."""
        if not self.chosen and address not in self:
            raise AddressError(f"{address} is a public address: say which clients may use the camera, --allow NETWORK")
