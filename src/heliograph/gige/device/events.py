"""Events on the message channel: the camera tells its client of moments, and tells again until it is heard."""

from __future__ import annotations

import struct
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from types import MappingProxyType

from heliograph.core import Feature, FeatureKind, LocalFeatures, RemoteProtocolError
from heliograph.gige.gvcp import AckPacket, Command, EventMessage

EVENT_IDS = MappingProxyType({"FrameStart": 0x9001, "ExposureEnd": 0x9002, "ActionLate": 0x0009})
"""Events that a client may ask for, by SFNC's names; ids from 0x9000 on are a camera's own."""
LONGEST_TIMEOUT_MS = 60_000
"""Longest wait for an acknowledge that a client may set; 0 asks for none."""
MOST_RETRIES = 100
"""Most repeats of an event that a client may set."""

_MOST_WAITING = 64
_LAST_REQUEST_ID = 0xFFFF


@dataclass(slots=True)
class MessageRoute:
    """Where events go, how hard they try, and which ones are wanted; numbers as the registers hold them."""

    port: int = 0
    destination: str = "0.0.0.0"
    timeout_ms: int = 200
    retries: int = 3
    source_port: int = 0
    wanted: set[str] = field(default_factory=set)

    def wants(self, name: str) -> bool:
        """Tell whether anybody listens to an event; cheap, since it is asked for every frame."""
        return name in self.wanted and self.port != 0

    def close(self) -> None:
        """Tell nobody any more."""
        self.port = 0


@dataclass(slots=True)
class _Waiting:
    datagram: bytes
    deadline_ns: int
    tries_left: int


class MessageChannel:
    """Sends events to one client and repeats those that it does not acknowledge.

    `notify` may be called from any thread; everything else from one. What is not heard of in time makes room: at most
    64 events wait, the others are counted in `dropped_events`. Sans-IO, with time passed in.
    """

    def __init__(self, route: MessageRoute) -> None:
        self.dropped_events = 0
        self._route = route
        self._new: deque[EventMessage] = deque()
        self._waiting: OrderedDict[int, _Waiting] = OrderedDict()
        self._outbox: list[bytes] = []
        self._request_id = 0

    def notify(self, name: str, block_id: int, timestamp_ns: int, *, extended: bool = False) -> bool:
        """Take an event; give True when it is to be sent, which `datagrams_to_send` then does."""
        if not self._route.wants(name):
            return False
        if len(self._new) >= _MOST_WAITING:
            self.dropped_events += 1
            return False
        self._new.append(EventMessage(EVENT_IDS[name], block_id, timestamp_ns, extended))
        return True

    def receive_datagram(self, data: bytes, sender: tuple[str, int]) -> None:
        """Take an acknowledge; anything else is ignored."""
        if sender != (self._route.destination, self._route.port):
            return
        try:
            ack = AckPacket.unpack(data)
        except RemoteProtocolError:
            return
        if ack.command == Command.EVENT + 1:
            # A client that refuses an event will not like it better the second time.
            self._waiting.pop(ack.request_id, None)

    def datagrams_to_send(self, now_ns: int) -> list[tuple[bytes, tuple[str, int]]]:
        """Give what is to be sent now, and to whom."""
        while self._new:
            self._send(self._new.popleft(), now_ns)
        outbox, self._outbox = self._outbox, []
        destination = (self._route.destination, self._route.port)
        return [(data, destination) for data in outbox] if self._route.port else []

    def next_deadline(self) -> int | None:
        """Time at which `handle_timer` has something to do, in ns; None while every event was heard."""
        return min((each.deadline_ns for each in self._waiting.values()), default=None)

    def handle_timer(self, now_ns: int) -> None:
        """Send again what was not acknowledged in time, or give it up."""
        if not self._route.port:
            self._waiting.clear()
        for request_id, waiting in list(self._waiting.items()):
            if now_ns < waiting.deadline_ns:
                continue
            if not waiting.tries_left:
                del self._waiting[request_id]
                self.dropped_events += 1
                continue
            waiting.tries_left -= 1
            waiting.deadline_ns = now_ns + self._route.timeout_ms * 1_000_000
            self._outbox.append(waiting.datagram)

    def _send(self, event: EventMessage, now_ns: int) -> None:
        # As with Aravis' commands, 0 is no id.
        self._request_id = self._request_id % _LAST_REQUEST_ID + 1
        heard = self._route.timeout_ms > 0
        try:
            datagram = event.pack(self._request_id, ack_required=heard)
        except struct.error:
            # A driver's time that is no u64, or a 64-bit block id told just as a client goes back to 16 bits.
            self.dropped_events += 1
            return
        self._outbox.append(datagram)
        if not heard:
            return
        if len(self._waiting) >= _MOST_WAITING:
            self._waiting.popitem(last=False)
            self.dropped_events += 1
        deadline_ns = now_ns + self._route.timeout_ms * 1_000_000
        self._waiting[self._request_id] = _Waiting(datagram, deadline_ns, self._route.retries)


def event_features(route: MessageRoute) -> LocalFeatures:
    """Give the features that say which events are sent."""
    features = LocalFeatures()
    selected = [next(iter(EVENT_IDS))]
    selector = Feature(
        "EventSelector",
        FeatureKind.ENUMERATION,
        "EventControl",
        "Event that EventNotification is of.",
        entries=MappingProxyType({name: index for index, name in enumerate(EVENT_IDS)}),
    )
    features.add(selector, read=lambda: selected[0], write=lambda value: selected.__setitem__(0, value))
    notification = Feature(
        "EventNotification",
        FeatureKind.ENUMERATION,
        "EventControl",
        "Whether the selected event is told to the client's message channel.",
        entries=MappingProxyType({"Off": 0, "On": 1}),
        selected_by="EventSelector",
    )
    features.add(
        notification,
        read=lambda: "On" if selected[0] in route.wanted else "Off",
        write=lambda value: (route.wanted.add if value == "On" else route.wanted.discard)(selected[0]),
    )
    return features
