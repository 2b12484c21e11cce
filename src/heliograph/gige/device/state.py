"""What changes while a camera is on the network: who controls it, where its stream goes, and what just happened."""

from __future__ import annotations

import ipaddress
from collections import deque
from dataclasses import dataclass, field
from typing import TypeAlias

from heliograph.core import RemoteStatusError
from heliograph.gige.bootstrap import ControlPrivilege, GvcpConfiguration, GvspConfiguration, PacketSizeBit
from heliograph.gige.device.actions import ActionKeys
from heliograph.gige.device.allow import AllowedNetworks
from heliograph.gige.device.events import MessageRoute
from heliograph.gige.device.identity import check_name
from heliograph.gige.gvcp import ForceIp, Status
from heliograph.gige.gvsp import datagram_bytes

SMALLEST_PACKET_BYTES = 576
"""Every IPv4 path takes packets of this size (RFC 791)."""
LARGEST_PACKET_BYTES = 16_404
"""Aravis' own limit; jumbo frames end at 9000 in practice, loopback takes more."""
PACKET_STEP_BYTES = 4
DEFAULT_PACKET_BYTES = 1500
HEARTBEAT_MS = (500, 600_000)
"""Shortest and longest heartbeat timeout that a client may set."""

Address: TypeAlias = tuple[str, int]
"""Internet address and UDP port of a client."""


@dataclass(frozen=True, slots=True)
class ControlTaken:
    """A client controls the camera now."""

    client: Address


@dataclass(frozen=True, slots=True)
class ControlReleased:
    """The client that had control gave it back."""

    client: Address


@dataclass(frozen=True, slots=True)
class ControlLost:
    """The client that had control has not been heard of for longer than the heartbeat timeout."""

    client: Address


@dataclass(frozen=True, slots=True)
class StreamClosed:
    """The stream has no destination any more: acquisition has to stop."""


@dataclass(frozen=True, slots=True)
class ProbeRequested:
    """A client wants a test packet, to see whether one of this size arrives."""

    destination: Address
    datagram_bytes: int


@dataclass(frozen=True, slots=True)
class ResendRequested:
    """A client misses packets `first` to `last` of a frame; the numbers are the client's, and may be any."""

    client: Address
    block_id: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class NameChanged:
    """A client gave the camera another name."""


@dataclass(frozen=True, slots=True)
class ActionLate:
    """A scheduled action came after its time, or at its time nobody could take it; it was not done."""

    time_ns: int


@dataclass(frozen=True, slots=True)
class AddressRefused:
    """A client wanted the camera to take another address, which is the host's to set."""

    client: Address
    wanted: ForceIp


DeviceEvent: TypeAlias = (
    ControlTaken
    | ControlReleased
    | ControlLost
    | StreamClosed
    | ProbeRequested
    | ResendRequested
    | NameChanged
    | ActionLate
    | AddressRefused
)


@dataclass(slots=True)
class DeviceState:
    """Values of the registers that change; numbers as the registers hold them."""

    user_name: str = ""
    largest_packet_bytes: int = LARGEST_PACKET_BYTES
    link_speed_mbit_per_s: int = 0
    privilege: ControlPrivilege = ControlPrivilege.NONE
    controller: Address | None = None
    heartbeat_timeout_ms: int = 3000
    latched_ns: int = 0
    host_port: int = 0
    destination: str = "0.0.0.0"
    packet_size_bytes: int = DEFAULT_PACKET_BYTES
    packet_delay_ns: int = 0
    extended_ids: bool = False
    source_port: int = 0
    acquiring: bool = False
    parameters_locked: bool = False
    allowed: AllowedNetworks = field(default_factory=lambda: AllowedNetworks.parse([]))
    actions: ActionKeys = field(default_factory=ActionKeys)
    messages: MessageRoute = field(default_factory=MessageRoute)
    events: deque[DeviceEvent] = field(default_factory=deque)
    """What happened; a deque, because the thread that runs features appends while the one that answers takes."""

    @property
    def streaming(self) -> bool:
        """True while frames go to a client; where and how they go is fixed meanwhile."""
        return self.acquiring and self.host_port != 0

    def take_control(self, client: Address, privilege: ControlPrivilege) -> None:
        """Give control to a client."""
        if self.controller != client:
            self.events.append(ControlTaken(client))
        self.controller, self.privilege = client, privilege

    def release_control(self, event: ControlReleased | ControlLost) -> None:
        """Take control back and close the stream."""
        self.controller, self.privilege = None, ControlPrivilege.NONE
        self.parameters_locked = False
        self.messages.close()
        self.events.append(event)
        self._close_stream()

    def write_host_port(self, value: int) -> None:
        """Write SCP: the port that the stream goes to, 0 to close it."""
        port = value & 0xFFFF
        if port and port != self.host_port:
            self._refuse_while_streaming("the stream's port")
        self.host_port = port
        if not port:
            self._close_stream()

    def write_destination(self, value: int) -> None:
        """Write SCDA: the address that the stream goes to."""
        address = self._reachable(value)
        if address != self.destination:
            self._refuse_while_streaming("the stream's destination")
        self.destination = address

    def write_message_destination(self, value: int) -> None:
        """Write MCDA: the address that events go to."""
        self.messages.destination = self._reachable(value)

    def write_user_name(self, name: str) -> None:
        """Write the user-defined name; raises `SettingError` for one with control characters."""
        if name != self.user_name:
            self.user_name = check_name(name)
            self.events.append(NameChanged())

    def write_gvcp_configuration(self, value: int) -> None:
        """Write the GVCP configuration: whether actions are taken while nobody has control."""
        if value & ~(GvcpConfiguration.UNCONDITIONAL_ACTION | GvcpConfiguration.PENDING_ACK):
            raise RemoteStatusError("the only option is unconditional actions", Status.INVALID_PARAMETER)
        self.actions.unconditional = bool(value & GvcpConfiguration.UNCONDITIONAL_ACTION)

    def read_gvcp_configuration(self) -> int:
        """Read the GVCP configuration; pending acknowledges are always sent."""
        unconditional = GvcpConfiguration.UNCONDITIONAL_ACTION if self.actions.unconditional else 0
        return GvcpConfiguration.PENDING_ACK | unconditional

    def read_packet_size(self) -> int:
        """Read SCPS; the fire bit is always 0, or the next read-modify-write would fire again."""
        return self.packet_size_bytes | PacketSizeBit.DO_NOT_FRAGMENT

    def write_packet_size(self, value: int) -> None:
        """Write SCPS: a packet size, and perhaps the wish for a test packet of this size."""
        size_bytes = value & 0xFFFF
        if not SMALLEST_PACKET_BYTES <= size_bytes <= self.largest_packet_bytes or size_bytes % PACKET_STEP_BYTES:
            raise RemoteStatusError(
                f"packet size {size_bytes} is none of {SMALLEST_PACKET_BYTES} to {self.largest_packet_bytes} "
                f"in steps of {PACKET_STEP_BYTES}",
                Status.INVALID_PARAMETER,
            )
        if size_bytes != self.packet_size_bytes:
            self._refuse_while_streaming("the packet size")
        self.packet_size_bytes = size_bytes
        if value & PacketSizeBit.FIRE_TEST_PACKET and self.host_port and self.destination != "0.0.0.0":
            self.events.append(
                ProbeRequested((self.destination, self.host_port), datagram_bytes(self.packet_size_bytes))
            )

    def write_packet_delay(self, value: int) -> None:
        """Write SCPD: pause between packets in ticks, which are ns."""
        if value != self.packet_delay_ns:
            self._refuse_while_streaming("the packet delay")
        self.packet_delay_ns = value

    def read_gvsp_configuration(self) -> int:
        """Read the GVSP configuration."""
        return int(GvspConfiguration.EXTENDED_IDS) if self.extended_ids else 0

    def write_gvsp_configuration(self, value: int) -> None:
        """Write the GVSP configuration: whether block ids have 64 bits."""
        if value & ~GvspConfiguration.EXTENDED_IDS:
            raise RemoteStatusError("the stream's only option is 64-bit block ids", Status.INVALID_PARAMETER)
        if bool(value) != self.extended_ids:
            self._refuse_while_streaming("the width of block ids")
        self.extended_ids = bool(value)

    def may_ask_again(self, client: Address) -> bool:
        """Tell whether packets are sent again for a client: one at the stream's end or at the controller's, any port.

        Clients ask from the socket that hears the stream, which is not the one that has control (Aravis). A multicast
        stream is heard by who knows whom.
        """
        hosts = (self.destination, self.controller[0] if self.controller else "")
        return client[0] in hosts or ipaddress.IPv4Address(self.destination).is_multicast

    def write_heartbeat_timeout(self, value: int) -> None:
        """Write the heartbeat timeout in ms."""
        shortest, longest = HEARTBEAT_MS
        if not shortest <= value <= longest:
            raise RemoteStatusError(f"heartbeat timeout is {shortest} to {longest} ms", Status.INVALID_PARAMETER)
        self.heartbeat_timeout_ms = value

    def _reachable(self, value: int) -> str:
        """Give an address that may be sent to: a camera must not flood strangers in somebody's name."""
        address = ipaddress.IPv4Address(value)
        if int(address) and not address.is_multicast and str(address) not in self.allowed:
            raise RemoteStatusError(f"{address} is in no network that this camera serves", Status.ACCESS_DENIED)
        return str(address)

    def _close_stream(self) -> None:
        self.host_port = 0
        self.acquiring = False
        self.events.append(StreamClosed())

    def _refuse_while_streaming(self, what: str) -> None:
        if self.streaming:
            raise RemoteStatusError(f"{what} is fixed while frames stream: stop acquisition", Status.ACCESS_DENIED)
