"""The bootstrap registers of our cameras: which there are and what each reads and writes."""

from __future__ import annotations

import ipaddress

from heliograph.core import RemoteStatusError
from heliograph.gige.bootstrap import (
    ACTION_STRIDE_BYTES,
    DISCOVERY_BYTES,
    STRING_BYTES,
    DeviceMode,
    GvcpCapability,
    Register,
    TimestampControl,
)
from heliograph.gige.device.actions import QUEUE_SIZE, SIGNALS, ActionKeys
from heliograph.gige.device.events import LONGEST_TIMEOUT_MS, MOST_RETRIES
from heliograph.gige.device.identity import DeviceIdentity
from heliograph.gige.device.registers import Cell, constant_cell, number_cell
from heliograph.gige.device.state import DeviceState
from heliograph.gige.gvcp import Status
from heliograph.gige.text import pack_text, unpack_text

TICKS_PER_S = 1_000_000_000
"""Timestamps count nanoseconds of CLOCK_BOOTTIME, which never steps."""
PENDING_TIMEOUT_MS = 2000
"""How long a client is asked to wait when a feature takes its time."""
TIMESTAMP = 0xF000
"""Ours: the time now, 8 bytes."""

_SPEC_VERSION = 0x0001_0002
_SOURCE_PORT_SUPPORTED = 0x8000_0000
_STANDARD_IDS_SUPPORTED = 0x4000_0000
_SINGLE_LINK = 1
_CAPABILITY = (
    GvcpCapability.USER_DEFINED_NAME
    | GvcpCapability.SERIAL_NUMBER
    | GvcpCapability.CCP_APPLICATION
    | GvcpCapability.UNCONDITIONAL_ACTION
    | GvcpCapability.SCHEDULED_ACTION
    | GvcpCapability.ACTION
    | GvcpCapability.PENDING_ACK
    | GvcpCapability.EVENT
    | GvcpCapability.PACKET_RESEND
    | GvcpCapability.WRITEMEM
    | GvcpCapability.CONCATENATION
)


def bootstrap_cells(identity: DeviceIdentity, state: DeviceState, xml_url: str) -> list[Cell]:
    """Give the cells from address 0 on, and our own clock register.

    The control privilege is read-only here: who may write it depends on who asks, which `DeviceControl` knows.
    """
    cells = [*_identity_cells(identity, state, xml_url), *_constant_cells(state), *_state_cells(state)]
    cells += [*_message_cells(state), *_action_cells(state.actions)]
    taken = {address for cell in cells for address in range(cell.address, cell.end, 4)}
    # A discovery acknowledge is a copy of all these bytes, so the reserved ones among them are readable zeros.
    reserved = [constant_cell(a, bytes(4)) for a in range(0, DISCOVERY_BYTES, 4) if a not in taken]
    return cells + reserved


def _text_cell(register: Register, text: str) -> Cell:
    return constant_cell(register, pack_text(text, STRING_BYTES[register]))


def _identity_cells(identity: DeviceIdentity, state: DeviceState, xml_url: str) -> list[Cell]:
    name_bytes = STRING_BYTES[Register.USER_DEFINED_NAME]

    def read_name(now_ns: int) -> bytes:
        return pack_text(state.user_name, name_bytes, terminated=False)

    def write_name(data: bytes, now_ns: int) -> None:
        state.write_user_name(unpack_text(data))

    return [
        _text_cell(Register.MANUFACTURER_NAME, identity.vendor),
        _text_cell(Register.MODEL_NAME, identity.model),
        _text_cell(Register.DEVICE_VERSION, identity.version),
        _text_cell(Register.MANUFACTURER_INFO, identity.manufacturer_info),
        _text_cell(Register.SERIAL_NUMBER, identity.serial),
        Cell(Register.USER_DEFINED_NAME, name_bytes, read_name, write_name),
        _text_cell(Register.FIRST_URL, xml_url),
        _text_cell(Register.SECOND_URL, ""),
        constant_cell(Register.MAC_HIGH, identity.mac.to_bytes(8, "big")),
        constant_cell(Register.CURRENT_IP, ipaddress.IPv4Address(identity.address).packed),
        constant_cell(Register.CURRENT_SUBNET_MASK, ipaddress.IPv4Address(identity.subnet_mask).packed),
    ]


def _constant_cells(state: DeviceState) -> list[Cell]:
    speed = state.link_speed_mbit_per_s
    capability = _CAPABILITY | (GvcpCapability.LINK_SPEED if speed else 0)
    values = {
        Register.VERSION: _SPEC_VERSION,
        Register.DEVICE_MODE: DeviceMode.BIG_ENDIAN | DeviceMode.UTF8,
        Register.INTERFACE_COUNT: 1,
        Register.LINK_SPEED: speed,
        Register.MESSAGE_CHANNEL_COUNT: 1,
        Register.STREAM_CHANNEL_COUNT: 1,
        Register.ACTION_SIGNAL_COUNT: SIGNALS,
        Register.ACTIVE_LINK_COUNT: 1,
        Register.STREAM_CHANNEL_CAPABILITY: _SOURCE_PORT_SUPPORTED | _STANDARD_IDS_SUPPORTED,
        Register.MESSAGE_CHANNEL_CAPABILITY: _SOURCE_PORT_SUPPORTED,
        Register.GVCP_CAPABILITY: capability,
        Register.TIMESTAMP_FREQUENCY_HIGH: TICKS_PER_S >> 32,
        Register.TIMESTAMP_FREQUENCY_LOW: TICKS_PER_S & 0xFFFF_FFFF,
        Register.PENDING_TIMEOUT: PENDING_TIMEOUT_MS,
        Register.SCHEDULED_ACTION_QUEUE_SIZE: QUEUE_SIZE,
        Register.LINK_CAPABILITY: _SINGLE_LINK,
        Register.LINK_CONFIGURATION: 0,
        Register.STREAM_CHANNEL_CAPABILITY_0: 0,
    }
    return [constant_cell(register, int(value).to_bytes(4, "big")) for register, value in values.items()]


def _state_cells(state: DeviceState) -> list[Cell]:
    def write_timestamp_control(data: bytes, now_ns: int) -> None:
        wish = int.from_bytes(data, "big")
        if wish & ~TimestampControl.LATCH:
            raise RemoteStatusError("the clock cannot be reset: it is the host's", Status.INVALID_PARAMETER)
        if wish:
            state.latched_ns = now_ns

    def application(index: int) -> int:
        if state.controller is None:
            return 0
        return int(ipaddress.IPv4Address(state.controller[0])) if index == 0 else state.controller[1]

    def write_stream_configuration(value: int) -> None:
        # Aravis writes back what it reads here; there is nothing to switch on.
        if value:
            raise RemoteStatusError("the stream has no options", Status.INVALID_PARAMETER)

    return [
        number_cell(
            Register.HEARTBEAT_TIMEOUT, lambda: state.heartbeat_timeout_ms, write=state.write_heartbeat_timeout
        ),
        Cell(Register.TIMESTAMP_CONTROL, 4, lambda now_ns: bytes(4), write_timestamp_control),
        number_cell(Register.TIMESTAMP_LATCHED_HIGH, lambda: state.latched_ns, length_bytes=8),
        Cell(TIMESTAMP, 8, lambda now_ns: now_ns.to_bytes(8, "big")),
        number_cell(Register.GVCP_CONFIGURATION, state.read_gvcp_configuration, write=state.write_gvcp_configuration),
        number_cell(Register.CONTROL_CHANNEL_PRIVILEGE, lambda: state.privilege),
        number_cell(Register.PRIMARY_APPLICATION_PORT, lambda: application(1)),
        number_cell(Register.PRIMARY_APPLICATION_IP, lambda: application(0)),
        number_cell(Register.GVSP_CONFIGURATION, state.read_gvsp_configuration, write=state.write_gvsp_configuration),
        number_cell(Register.STREAM_CHANNEL_PORT, lambda: state.host_port, write=state.write_host_port),
        number_cell(Register.STREAM_CHANNEL_PACKET_SIZE, state.read_packet_size, write=state.write_packet_size),
        number_cell(
            Register.STREAM_CHANNEL_PACKET_DELAY, lambda: state.packet_delay_ns, write=state.write_packet_delay
        ),
        number_cell(
            Register.STREAM_CHANNEL_DESTINATION,
            lambda: int(ipaddress.IPv4Address(state.destination)),
            write=state.write_destination,
        ),
        number_cell(Register.STREAM_CHANNEL_SOURCE_PORT, lambda: state.source_port),
        number_cell(Register.STREAM_CHANNEL_CONFIGURATION, lambda: 0, write=write_stream_configuration),
    ]


def _message_cells(state: DeviceState) -> list[Cell]:
    route = state.messages

    def field(register: Register, name: str, largest: int) -> Cell:
        def write(value: int) -> None:
            if value > largest:
                raise RemoteStatusError(f"{value} is too many: at most {largest}", Status.INVALID_PARAMETER)
            setattr(route, name, value)

        return number_cell(register, lambda: int(getattr(route, name)), write=write)

    return [
        number_cell(
            Register.MESSAGE_CHANNEL_PORT,
            lambda: route.port,
            write=lambda value: setattr(route, "port", value & 0xFFFF),
        ),
        number_cell(
            Register.MESSAGE_CHANNEL_DESTINATION,
            lambda: int(ipaddress.IPv4Address(route.destination)),
            write=state.write_message_destination,
        ),
        field(Register.MESSAGE_CHANNEL_TIMEOUT, "timeout_ms", LONGEST_TIMEOUT_MS),
        field(Register.MESSAGE_CHANNEL_RETRIES, "retries", MOST_RETRIES),
        number_cell(Register.MESSAGE_CHANNEL_SOURCE_PORT, lambda: route.source_port),
    ]


def _action_cells(keys: ActionKeys) -> list[Cell]:
    def element(address: int, values: list[int], signal: int) -> Cell:
        return number_cell(
            address + signal * ACTION_STRIDE_BYTES,
            lambda: values[signal],
            write=lambda value: values.__setitem__(signal, value),
        )

    def write_device_key(data: bytes, now_ns: int) -> None:
        keys.device_key = int.from_bytes(data, "big")

    return [
        Cell(Register.ACTION_DEVICE_KEY, 4, write=write_device_key),
        *(element(Register.ACTION_GROUP_KEY_0, keys.group_keys, signal) for signal in range(SIGNALS)),
        *(element(Register.ACTION_GROUP_MASK_0, keys.group_masks, signal) for signal in range(SIGNALS)),
    ]
