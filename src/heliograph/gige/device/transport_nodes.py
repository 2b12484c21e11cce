"""The features that are views on bootstrap registers, under their SFNC names and those that older clients ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from heliograph.core import Access, FeatureKind, Visibility
from heliograph.gige.bootstrap import STRING_BYTES, Register, TimestampControl
from heliograph.gige.device.bootstrap import TIMESTAMP
from heliograph.gige.device.events import LONGEST_TIMEOUT_MS, MOST_RETRIES
from heliograph.gige.device.state import HEARTBEAT_MS, PACKET_STEP_BYTES, SMALLEST_PACKET_BYTES


@dataclass(frozen=True, slots=True)
class BootstrapNode:
    """One feature and the bits of the register that it shows."""

    name: str
    kind: FeatureKind
    address: int
    description: str
    category: str = "TransportLayerControl"
    access: Access = Access.READ_ONLY
    visibility: Visibility = Visibility.GURU
    length_bytes: int = 4
    bits: tuple[int, int] | None = None
    """First and last bit, the highest being 0; None for the whole register."""
    unit: str = ""
    representation: str = ""
    limits: tuple[int, int, int] | None = None
    """Minimum, maximum and increment."""
    entries: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    command_value: int = 1
    constant: bool = False
    """True when clients may remember the value."""


_LOW_HALF = (16, 31)
_PRIVILEGES = MappingProxyType({"OpenAccess": 0, "ExclusiveAccess": 1, "ControlAccess": 2})


def _text(name: str, register: Register, description: str, access: Access = Access.READ_ONLY) -> BootstrapNode:
    return BootstrapNode(
        name,
        FeatureKind.STRING,
        register,
        description,
        "DeviceControl",
        access,
        Visibility.BEGINNER,
        STRING_BYTES[register],
        constant=access is Access.READ_ONLY,
    )


def _number(name: str, address: int, description: str, representation: str = "") -> BootstrapNode:
    return BootstrapNode(name, FeatureKind.INTEGER, address, description, representation=representation)


def _clock(name: str, address: int, description: str, unit: str = "ns", *, constant: bool = False) -> BootstrapNode:
    return BootstrapNode(
        name,
        FeatureKind.INTEGER,
        address,
        description,
        "DeviceControl",
        visibility=Visibility.EXPERT,
        length_bytes=8,
        unit=unit,
        constant=constant,
    )


def _latch(name: str) -> BootstrapNode:
    return BootstrapNode(
        name,
        FeatureKind.COMMAND,
        Register.TIMESTAMP_CONTROL,
        "Keeps the time of this moment to be read.",
        "DeviceControl",
        Access.WRITE_ONLY,
        Visibility.EXPERT,
        command_value=TimestampControl.LATCH,
    )


def _message_nodes() -> list[BootstrapNode]:
    whole, read_write = FeatureKind.INTEGER, Access.READ_WRITE
    return [
        BootstrapNode(
            "GevMCPHostPort",
            whole,
            Register.MESSAGE_CHANNEL_PORT,
            "UDP port that events go to; 0 closes the channel.",
            access=read_write,
            bits=_LOW_HALF,
            limits=(0, 0xFFFF, 1),
        ),
        BootstrapNode(
            "GevMCDA",
            whole,
            Register.MESSAGE_CHANNEL_DESTINATION,
            "Address that events go to.",
            access=read_write,
            representation="IPV4Address",
        ),
        BootstrapNode(
            "GevMCTT",
            whole,
            Register.MESSAGE_CHANNEL_TIMEOUT,
            "An event that is not acknowledged for this long is sent again; 0 asks for no acknowledge.",
            access=read_write,
            unit="ms",
            limits=(0, LONGEST_TIMEOUT_MS, 1),
        ),
        BootstrapNode(
            "GevMCRC",
            whole,
            Register.MESSAGE_CHANNEL_RETRIES,
            "Times that an event is sent again.",
            access=read_write,
            limits=(0, MOST_RETRIES, 1),
        ),
        _number("GevMCSP", Register.MESSAGE_CHANNEL_SOURCE_PORT, "UDP port that events come from."),
    ]


def bootstrap_nodes(largest_packet_bytes: int) -> list[BootstrapNode]:
    """Give the features of the bootstrap registers, for an interface that takes packets of this size."""
    frequency = "Ticks of the camera's clock in a second."
    latched = "Time that the last latch kept."
    packet_limits = (SMALLEST_PACKET_BYTES, largest_packet_bytes, PACKET_STEP_BYTES)
    size, port = Register.STREAM_CHANNEL_PACKET_SIZE, Register.STREAM_CHANNEL_PORT
    whole, read_write = FeatureKind.INTEGER, Access.READ_WRITE
    return [
        _text("DeviceVendorName", Register.MANUFACTURER_NAME, "Who makes the camera."),
        _text("DeviceModelName", Register.MODEL_NAME, "What the camera is."),
        _text("DeviceManufacturerInfo", Register.MANUFACTURER_INFO, "What the maker has to say."),
        _text("DeviceVersion", Register.DEVICE_VERSION, "Version of the camera."),
        _text("DeviceSerialNumber", Register.SERIAL_NUMBER, "Serial number of the camera."),
        _text("DeviceID", Register.SERIAL_NUMBER, "Serial number, by the name that older clients know."),
        _text("DeviceUserID", Register.USER_DEFINED_NAME, "Name given to this camera.", Access.READ_WRITE),
        _clock("Timestamp", TIMESTAMP, "Time now, in ns since the host started (CLOCK_BOOTTIME)."),
        _latch("TimestampLatch"),
        _clock("TimestampLatchValue", Register.TIMESTAMP_LATCHED_HIGH, latched),
        _clock("GevTimestampTickFrequency", Register.TIMESTAMP_FREQUENCY_HIGH, frequency, "Hz", constant=True),
        _latch("GevTimestampControlLatch"),
        _clock("GevTimestampValue", Register.TIMESTAMP_LATCHED_HIGH, latched),
        BootstrapNode(
            "GevMACAddress",
            whole,
            Register.MAC_HIGH,
            "Hardware address of the interface.",
            length_bytes=8,
            representation="MACAddress",
            constant=True,
        ),
        _number("GevCurrentIPAddress", Register.CURRENT_IP, "Address of the camera.", "IPV4Address"),
        _number("GevCurrentSubnetMask", Register.CURRENT_SUBNET_MASK, "Mask of the camera's network.", "IPV4Address"),
        _number("GevStreamChannelCount", Register.STREAM_CHANNEL_COUNT, "Streams that the camera has."),
        BootstrapNode(
            "GevHeartbeatTimeout",
            whole,
            Register.HEARTBEAT_TIMEOUT,
            "Control is lost when the client is silent for this long.",
            access=read_write,
            unit="ms",
            limits=(*HEARTBEAT_MS, 1),
        ),
        BootstrapNode(
            "GevCCP",
            FeatureKind.ENUMERATION,
            Register.CONTROL_CHANNEL_PRIVILEGE,
            "Which control a client has.",
            access=read_write,
            entries=_PRIVILEGES,
        ),
        _number("GevPrimaryApplicationSocket", Register.PRIMARY_APPLICATION_PORT, "UDP port of who has control."),
        BootstrapNode(
            "ActionUnconditionalMode",
            FeatureKind.ENUMERATION,
            Register.GVCP_CONFIGURATION,
            "On: action commands are obeyed while nobody has control.",
            "ActionControl",
            access=read_write,
            bits=(28, 28),
            entries=MappingProxyType({"Off": 0, "On": 1}),
        ),
        _number(
            "GevPrimaryApplicationIPAddress",
            Register.PRIMARY_APPLICATION_IP,
            "Address of who has control.",
            "IPV4Address",
        ),
        BootstrapNode(
            "GevSCPHostPort",
            whole,
            port,
            "UDP port that the stream goes to; 0 closes it.",
            access=read_write,
            bits=_LOW_HALF,
            limits=(0, 0xFFFF, 1),
        ),
        BootstrapNode(
            "GevSCPSPacketSize",
            whole,
            size,
            "Bytes of a stream packet with its IP header.",
            access=read_write,
            visibility=Visibility.EXPERT,
            bits=_LOW_HALF,
            unit="B",
            limits=packet_limits,
        ),
        BootstrapNode(
            "GevSCPSFireTestPacket",
            FeatureKind.COMMAND,
            size,
            "Sends one packet of the present size.",
            access=read_write,
            bits=(0, 0),
        ),
        BootstrapNode(
            "GevSCPSDoNotFragment", FeatureKind.BOOLEAN, size, "Stream packets are never fragmented.", bits=(1, 1)
        ),
        BootstrapNode(
            "GevSCPD",
            whole,
            Register.STREAM_CHANNEL_PACKET_DELAY,
            "Pause between stream packets.",
            access=read_write,
            visibility=Visibility.EXPERT,
            unit="ns",
            limits=(0, 0xFFFF_FFFF, 1),
        ),
        BootstrapNode(
            "GevGVSPExtendedIDMode",
            FeatureKind.ENUMERATION,
            Register.GVSP_CONFIGURATION,
            "On: block ids of 64 and packet ids of 32 bits.",
            access=read_write,
            visibility=Visibility.EXPERT,
            bits=(1, 1),
            entries=MappingProxyType({"Off": 0, "On": 1}),
        ),
        BootstrapNode(
            "GevSCDA",
            whole,
            Register.STREAM_CHANNEL_DESTINATION,
            "Address that the stream goes to.",
            access=read_write,
            representation="IPV4Address",
        ),
        *_message_nodes(),
        _number("GevSCSP", Register.STREAM_CHANNEL_SOURCE_PORT, "UDP port that the stream comes from."),
    ]
