"""Watching a stream that another client controls: where it goes, and whether it can be heard."""

from __future__ import annotations

import ipaddress

from heliograph.core import CameraBusyError
from heliograph.gige.bootstrap import Register
from heliograph.gige.client.device import GigeDevice

_PORT_MASK = 0xFFFF


def stream_group(device: GigeDevice) -> tuple[str, int]:
    """Give the multicast group and the port that a camera streams to.

    Raises `CameraBusyError` when it streams to one client alone, or not at all.
    """
    port = device.read_register(Register.STREAM_CHANNEL_PORT) & _PORT_MASK
    destination = ipaddress.IPv4Address(device.read_register(Register.STREAM_CHANNEL_DESTINATION))
    if not port:
        raise CameraBusyError(
            f"the camera at {device.address} does not stream, and who opened it without control cannot start it: "
            "start it from the client that has control, opened with ?multicast=239.192.1.1"
        )
    if not destination.is_multicast:
        raise CameraBusyError(
            f"the camera at {device.address} streams to {destination} alone: open it there with "
            "?multicast=239.192.1.1, so that others can receive too"
        )
    return str(destination), port
