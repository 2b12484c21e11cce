"""What a `gige://` URL says beside the camera."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from heliograph.cameras.url import CameraUrl
from heliograph.core import CameraUrlError
from heliograph.local.ledger import MAX_DEPTH

# Four frames of 2028x1520 NV12, or 0.13 s at 1 Gbit/s.
_SOCKET_BUFFER_BYTES = 16_000_000
_PARAMETERS = ("control", "buffers", "packet_size", "socket_buffer", "multicast", "chunks", "reconnect", "reconnect_s")


@dataclass(frozen=True, slots=True)
class GigeOptions:
    """How a network camera is opened, beside its features.

    >>> GigeOptions.parse(CameraUrl.parse("gige://cam-1?control=0&buffers=4")).buffers
    4
    """

    control: bool = True
    """False: read features only, and receive what the controlling client has sent to a multicast group."""
    buffers: int = 16
    """Frames that the program may hold at once."""
    packet_size_bytes: int = 0
    """0: the largest that arrives."""
    socket_buffer_bytes: int = _SOCKET_BUFFER_BYTES
    """0: the system's default."""
    multicast: str = ""
    """Group that the camera streams to, so that others can receive too; none: to this program alone."""
    chunks: bool | None = None
    """Switch on what the camera can tell of each frame; None: if it is one of ours. Off leaves it as it is."""
    reconnect: bool = False
    reconnect_s: int = 60
    """How long a lost camera is looked for."""

    @classmethod
    def parse(cls, url: CameraUrl) -> GigeOptions:
        """Read the parameters of a URL; raises `CameraUrlError`."""
        url.check_parameters(*_PARAMETERS)
        return cls(
            control=bool(_whole_number(url, "control", 1, 0, 1)),
            buffers=_whole_number(url, "buffers", 16, 1, MAX_DEPTH),
            packet_size_bytes=_whole_number(url, "packet_size", 0, 0, 0xFFFF),
            socket_buffer_bytes=_whole_number(url, "socket_buffer", _SOCKET_BUFFER_BYTES, 0, 1_000_000_000),
            multicast=_group(url),
            chunks=bool(_whole_number(url, "chunks", 0, 0, 1)) if "chunks" in url.parameters else None,
            reconnect=bool(_whole_number(url, "reconnect", 0, 0, 1)),
            reconnect_s=_whole_number(url, "reconnect_s", 60, 1, 1_000_000),
        )


def _whole_number(url: CameraUrl, name: str, default: int, least: int, most: int) -> int:
    number = url.number(name, default)
    if not least <= number <= most or number != int(number):
        raise CameraUrlError(f"{name} in {url.text!r} cannot be {number:g}: it is a whole number, {least} to {most}")
    return int(number)


def _group(url: CameraUrl) -> str:
    group = url.parameters.get("multicast", "")
    try:
        if group and not ipaddress.IPv4Address(group).is_multicast:
            raise ValueError
    except ValueError:
        raise CameraUrlError(
            f"multicast in {url.text!r} cannot be {group!r}: it is an address such as 239.192.1.1 (RFC 2365)"
        ) from None
    return group
