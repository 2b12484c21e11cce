"""Action commands: one packet that fires many cameras, now or at a set time."""

from __future__ import annotations

import contextlib
import ipaddress
import itertools
import select
import socket
import time
from collections.abc import Sequence

from heliograph.core import AddressError, RemoteProtocolError, SettingError
from heliograph.gige import sockets
from heliograph.gige.client.discovery import chosen_interfaces
from heliograph.gige.gvcp import PORT, AckPacket, ActionCommand, Command, Status

_DATAGRAM_BYTES = 2048
# A camera takes the same bytes under the same id for a repeat, and does not fire twice.
_request_ids = itertools.count(1)


def fire_action(
    device_key: int,
    group_key: int,
    group_mask: int = 0xFFFF_FFFF,
    *,
    at_ns: int | None = None,
    address: str | Sequence[str] = "255.255.255.255",
    timeout_s: float = 0.2,
) -> dict[str, str]:
    """Fire the cameras whose action keys fit, and give what each answered, by address.

    >>> fire_action(1, 2)                                                       # doctest: +SKIP
    {'192.168.1.20': 'SUCCESS', '192.168.1.21': 'OVERFLOW'}

    Cameras must have TriggerMode On and TriggerSource Action0 or Action1, and ActionDeviceKey, ActionGroupKey and
    ActionGroupMask set to what fits (SFNC 14). `at_ns` schedules it: ns of the camera's clock, which a Heliograph
    camera takes for CLOCK_BOOTTIME. `address` is a camera's, several cameras', or a broadcast address; a broadcast
    leaves through every interface that discovery uses. An answer is the name of a GVCP status: `ACTION_LATE` when the
    time had passed, `OVERFLOW` when too many wait. A camera that is not meant may say nothing.

    Raises `SettingError` for a key that is no 32-bit number, `AddressError` when there is no way to an address.
    """
    for name, value in (("device_key", device_key), ("group_key", group_key), ("group_mask", group_mask)):
        if not 0 <= value <= 0xFFFF_FFFF:
            raise SettingError(f"{name} cannot be {value}: it is a number of 32 bits")
    request_id = next(_request_ids) % 0xFFFF + 1
    datagram = ActionCommand(device_key, group_key, group_mask, at_ns).pack(request_id)
    with contextlib.ExitStack() as stack:
        asking: list[socket.socket] = []
        refused: OSError | None = None
        for target in [address] if isinstance(address, str) else address:
            for own in _ways_to(target):
                sock = stack.enter_context(sockets.open_client(own))
                try:
                    sock.sendto(datagram, (target, PORT))
                    asking.append(sock)
                except OSError as error:  # one interface of several may have a firewall
                    refused = error
        if refused and not asking:
            raise AddressError(f"no action can be sent: {refused.strerror}; does a firewall forbid it?") from refused
        return _answers(asking, request_id, timeout_s)


def _ways_to(target: str) -> list[str]:
    try:
        broadcast = ipaddress.IPv4Address(target) == ipaddress.IPv4Address("255.255.255.255")
    except ValueError:
        raise AddressError(f"{target!r} is no IPv4 address: actions go to addresses, names are for opening") from None
    return [each.address for each in chosen_interfaces()] if broadcast else [sockets.own_address_towards(target)]


def _answers(asking: Sequence[socket.socket], request_id: int, timeout_s: float) -> dict[str, str]:
    answers: dict[str, str] = {}
    deadline_s = time.monotonic() + timeout_s
    while (left_s := deadline_s - time.monotonic()) > 0:
        for sock in select.select(asking, [], [], left_s)[0]:
            with contextlib.suppress(OSError, RemoteProtocolError):  # nobody there, or no GVCP
                data, (host, _) = sock.recvfrom(_DATAGRAM_BYTES, socket.MSG_DONTWAIT)
                ack = AckPacket.unpack(data)
                if (ack.command, ack.request_id) == (Command.ACTION + 1, request_id):
                    known = ack.status in set(Status)
                    answers[host] = Status(ack.status).name if known else f"0x{ack.status:04X}"
    return answers
