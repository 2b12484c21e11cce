"""Events of a camera: moments that it tells of on its message channel."""

from __future__ import annotations

import contextlib
import ipaddress
import threading
from collections import deque
from collections.abc import Callable, Iterable

from heliograph.core import FeatureAccessError, FeatureValueError, HeliographError, RemoteProtocolError
from heliograph.gige import sockets
from heliograph.gige.bootstrap import Register
from heliograph.gige.client.device import GigeDevice
from heliograph.gige.client.nodemap import NodeMapFeatures
from heliograph.gige.gvcp import AckPacket, Command, CommandPacket, EventMessage, Status, unpack_events

_DATAGRAM_BYTES = 2048
_TURN_S = 0.25
# A camera repeats an event that it thinks was not heard; ids of this many are enough to know it again.
_REMEMBERED = 64


class EventInbox:
    """Takes event messages apart and acknowledges them: sans-IO.

    >>> inbox = EventInbox()
    >>> ack, (event,) = inbox.receive_datagram(EventMessage(0x9001, 7, 5).pack(request_id=1))
    >>> ack.hex(), event.block_id, inbox.receive_datagram(EventMessage(0x9001, 7, 5).pack(request_id=1))[1]
    ('000000c100000001', 7, [])
    """

    def __init__(self) -> None:
        self._seen: deque[bytes] = deque(maxlen=_REMEMBERED)

    def receive_datagram(self, data: bytes) -> tuple[bytes, list[EventMessage]]:
        """Give the acknowledge to send, empty when none is, and the events that are new; garbage is neither."""
        try:
            command = CommandPacket.unpack(data)
            events = unpack_events(command)
        except RemoteProtocolError:
            return b"", []
        ack = AckPacket(Status.SUCCESS, Command.EVENT + 1, command.request_id).pack() if command.ack_required else b""
        # Not by its id alone: that of a camera that started anew begins anew.
        if data in self._seen:
            return ack, []
        self._seen.append(data)
        return ack, events


class EventListener:
    """Has a camera send events here and calls `deliver(name, block_id, ticks)` with each, in a thread of its own.

    Raises `FeatureAccessError` when the camera has no message channel or was opened without control.
    """

    def __init__(
        self, device: GigeDevice, features: NodeMapFeatures, deliver: Callable[[str, int, int], object]
    ) -> None:
        self._device = device
        self._features = features
        self._deliver = deliver
        self._names = features.event_names()
        self._switched_on: set[str] = set()
        self._ended = threading.Event()
        if not device.control:
            raise FeatureAccessError("events go to the client that has control, and this camera was opened without")
        if not self._names or device.read_register(Register.MESSAGE_CHANNEL_COUNT) < 1:
            raise FeatureAccessError(f"the camera at {device.address} has no events")
        self._socket = sockets.open_client(device.own_address)
        self._socket.settimeout(_TURN_S)
        host, port = self._socket.getsockname()
        self._thread = threading.Thread(target=self._listen, name=f"heliograph-events-{device.address}", daemon=True)
        self._thread.start()
        try:
            device.write_register(Register.MESSAGE_CHANNEL_DESTINATION, int(ipaddress.IPv4Address(host)))
            device.write_register(Register.MESSAGE_CHANNEL_PORT, port)
        except BaseException:
            self.close()
            self.join()
            raise

    def switch_on(self, names: Iterable[str]) -> None:
        """Have the camera tell of these events, all that it has when none is named; raises `FeatureValueError`."""
        possible = set(self._names.values())
        for name in names or possible:
            if name not in possible:
                raise FeatureValueError(f"the camera has no event {name!r}: it has {', '.join(sorted(possible))}")
            self._notify(name, "On")
            self._switched_on.add(name)

    def close(self) -> None:
        """Have the camera send no more, as far as it can still be reached; the thread ends then."""
        with contextlib.suppress(HeliographError):
            for name in self._switched_on:
                self._notify(name, "Off")
            self._device.write_register(Register.MESSAGE_CHANNEL_PORT, 0)
        self._ended.set()

    def join(self) -> None:
        """Wait for the thread to end, unless this is it."""
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _notify(self, name: str, value: str) -> None:
        if "EventSelector" in self._features:
            self._features["EventSelector"] = name
            self._features["EventNotification"] = value

    def _listen(self) -> None:
        inbox = EventInbox()
        with self._socket:
            while not self._ended.is_set():
                with contextlib.suppress(OSError):  # nothing came, or an earlier answer did not arrive
                    self._hear(inbox)

    def _hear(self, inbox: EventInbox) -> None:
        data, sender = self._socket.recvfrom(_DATAGRAM_BYTES)
        if sender[0] != self._device.address:
            return
        ack, events = inbox.receive_datagram(data)
        if ack:
            self._socket.sendto(ack, sender)
        for event in events:
            name = self._names.get(event.event_id, f"0x{event.event_id:04X}")
            self._deliver(name, event.block_id, event.timestamp_ns)
