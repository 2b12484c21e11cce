"""How a program takes part in the link: whom it listens for, whom it connects to, and what protects that."""

from __future__ import annotations

import ipaddress
import re
from typing import Literal

import msgspec

from heliograph.core import SettingError

PORT = 7447
LOCAL = f"tcp/127.0.0.1:{PORT}"
"""Where a node listens unless told otherwise: programs of its own machine reach it, nobody else does."""

_LEAST_BUFFER_BYTES = 4096
_ENDPOINT = re.compile(r"(?P<protocol>tcp|tls)/(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(?P<port>\d{1,5})")


class TlsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Certificates for `tls/…` addresses, as paths of PEM files."""

    ca: str
    """Of the authority that signed the certificates of the others."""
    certificate: str = ""
    """Our own; needed to listen, and to connect to one who asks for it."""
    key: str = ""
    """Private key of our certificate."""
    mutual: bool = True
    """Whether who connects to us must show a certificate, too."""


class LinkSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a program takes part in the link.

    >>> LinkSettings().listen
    ('tcp/127.0.0.1:7447',)

    Raises `SettingError` for an address that cannot be used, or that others could reach unprotected.
    """

    mode: Literal["peer", "client", "router"] = "peer"
    """A `peer` talks to those that it is connected to; a `router` passes on what others say to each other, too; a
    `client` has one connection, and starts only when the other end is there."""
    listen: tuple[str, ...] = (LOCAL,)
    connect: tuple[str, ...] = ()
    scouting: bool = False
    """Find others on the LAN by multicast."""
    send_buffer_bytes: int = 32_768
    """What may lie between us and a slow wire, where nothing overtakes it: rate times round trip is best."""
    plain: bool = False
    """Listen without mutual TLS where other machines reach us: who reaches the port reads telemetry."""
    tls: TlsSettings | None = None

    def __post_init__(self) -> None:
        for endpoint in self.listen:
            self._check_listen(endpoint)
        for endpoint in self.connect:
            protocol, _ = _parts(endpoint)
            if protocol == "tls" and self.tls is None:
                raise SettingError(
                    f"{endpoint} needs TLS: name the authority of its certificate (`ca` in [link.tls], --tls-ca)"
                )
        if self.tls is not None and bool(self.tls.certificate) != bool(self.tls.key):
            raise SettingError("a TLS certificate and its key go together: name both")
        if self.send_buffer_bytes < _LEAST_BUFFER_BYTES:
            raise SettingError(f"send_buffer_bytes is {_LEAST_BUFFER_BYTES} or more")
        if self.mode == "client" and not self.connect:
            raise SettingError("a client of the link needs an address to connect to")

    def _check_listen(self, endpoint: str) -> None:
        protocol, host = _parts(endpoint)
        if protocol == "tls" and not (self.tls and self.tls.certificate):
            raise SettingError(f"listening at {endpoint} needs a TLS certificate and its key: name both")
        protected = protocol == "tls" and self.tls is not None and self.tls.mutual
        if not (protected or self.plain or _is_loopback(host)):
            raise SettingError(
                f"{endpoint} can be reached by other machines: listen at tls/… with `mutual` certificates, "
                "or set `plain = true` where the network itself is trusted"
            )


def _parts(endpoint: str) -> tuple[str, str]:
    found = _ENDPOINT.fullmatch(endpoint)
    if found is None or int(found["port"]) > 65535:
        raise SettingError(f"{endpoint!r} is no address of the link: write tcp/HOST:PORT or tls/HOST:PORT")
    return found["protocol"], found["host"].strip("[]")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
