"""Stream channel 0 of a camera: where packets go, how large they are, start and stop."""

from __future__ import annotations

import contextlib
import ipaddress
import select
import socket
import time

from heliograph.core import CameraLostError, HeliographError, RemoteStatusError, SettingError
from heliograph.gige.bootstrap import LOCK_FEATURE, GvcpCapability, GvspConfiguration, PacketSizeBit, Register
from heliograph.gige.client.chunks import ChunkField, chunk_fields
from heliograph.gige.client.device import GigeDevice
from heliograph.gige.client.nodemap import NodeMapFeatures
from heliograph.gige.gvsp import datagram_bytes
from heliograph.gige.interface import interface_of

# An Ethernet path takes 1500 or, with jumbo frames all the way, 9000; what lies between is found by halving, to within
# a few bytes that would make no difference to speed.
_JUMBO_BYTES = 9000
_ETHERNET_BYTES = 1500
_SMALLEST_BYTES = 576
_STEP_BYTES = 4
_NEAR_BYTES = 32
_PROBE_S = 0.1
_PROBES = 2
_SIZE_MASK = 0xFFFF


def direct_stream(device: GigeDevice, sink: socket.socket) -> None:
    """Tell the camera to send to this socket; raises `CameraLostError` when it has no stream channel."""
    if device.read_register(Register.STREAM_CHANNEL_COUNT) < 1:
        raise CameraLostError(f"the camera at {device.address} has no stream channel: it cannot send frames")
    host, port = sink.getsockname()
    device.write_register(Register.STREAM_CHANNEL_DESTINATION, int(ipaddress.IPv4Address(host)))
    device.write_register(Register.STREAM_CHANNEL_PORT, port)


def set_packet_size(device: GigeDevice, features: NodeMapFeatures, packet_size_bytes: int) -> int:
    """Set the packet size in bytes, IP header included, and give what the camera made of it.

    Raises `SettingError` when the camera does not take it.
    """
    try:
        device.write_register(Register.STREAM_CHANNEL_PACKET_SIZE, packet_size_bytes | PacketSizeBit.DO_NOT_FRAGMENT)
    except RemoteStatusError as error:
        possible = features.describe("GevSCPSPacketSize").range_text if "GevSCPSPacketSize" in features else "others"
        raise SettingError(
            f"packet size {packet_size_bytes} is not possible ({error}); possible is {possible}"
        ) from error
    return device.read_register(Register.STREAM_CHANNEL_PACKET_SIZE) & _SIZE_MASK


def negotiate_packet_size(device: GigeDevice, features: NodeMapFeatures, sink: socket.socket) -> int:
    """Find the largest packet that reaches us, by test packets, and set it; gives its size in bytes.

    A camera that fires no test packets keeps the size it has, as far as our interface takes it. Call after
    `direct_stream`, before anything streams.
    """
    present_bytes = device.read_register(Register.STREAM_CHANNEL_PACKET_SIZE) & _SIZE_MASK
    largest_bytes = min(_JUMBO_BYTES, interface_of(device.own_address).mtu_bytes)
    if "GevSCPSPacketSize" in features:
        largest_bytes = min(largest_bytes, int(features.describe("GevSCPSPacketSize").maximum or largest_bytes))
    largest_bytes -= largest_bytes % _STEP_BYTES
    high_bytes = largest_bytes + _STEP_BYTES
    for low_bytes in (largest_bytes, _ETHERNET_BYTES, _SMALLEST_BYTES):
        if low_bytes < high_bytes:
            if _arrives(device, sink, low_bytes):
                break
            high_bytes = low_bytes
    else:
        return set_packet_size(device, features, min(present_bytes, largest_bytes))
    while high_bytes - low_bytes > _NEAR_BYTES:
        middle_bytes = (low_bytes + high_bytes) // (2 * _STEP_BYTES) * _STEP_BYTES
        if _arrives(device, sink, middle_bytes):
            low_bytes = middle_bytes
        else:
            high_bytes = middle_bytes
    return set_packet_size(device, features, low_bytes)


def can_resend(device: GigeDevice) -> bool:
    """Tell whether the camera sends packets again that are asked for."""
    return bool(_register(device, Register.GVCP_CAPABILITY) & GvcpCapability.PACKET_RESEND)


def has_extended_ids(device: GigeDevice) -> bool:
    """Tell whether the camera is set to block ids of 64 bits."""
    return bool(_register(device, Register.GVSP_CONFIGURATION) & GvspConfiguration.EXTENDED_IDS)


def switch_chunks_on(features: NodeMapFeatures) -> None:
    """Have the camera send what it knows of a frame behind its image, as far as it can."""
    if "ChunkModeActive" not in features:
        return
    features["ChunkModeActive"] = True
    if "ChunkSelector" in features and "ChunkEnable" in features:
        for name in features.describe("ChunkSelector").entries:
            # Some chunks, as the image's own, are always on, or not there in this mode.
            with contextlib.suppress(HeliographError):
                features["ChunkSelector"] = name
                features["ChunkEnable"] = True


def active_chunks(features: NodeMapFeatures) -> tuple[ChunkField, ...]:
    """Give where the values lie that travel behind an image; none while the camera sends images alone."""
    active = "ChunkModeActive" in features and bool(features["ChunkModeActive"])
    return tuple(chunk_fields(features.xml)) if active else ()


def start_stream(features: NodeMapFeatures) -> None:
    """Lock what shapes frames and start acquisition."""
    if LOCK_FEATURE in features:
        features[LOCK_FEATURE] = 1
    features.execute("AcquisitionStart")


def stop_stream(device: GigeDevice, features: NodeMapFeatures) -> None:
    """Stop acquisition and close the channel, as far as the camera can still be reached."""
    with contextlib.suppress(HeliographError):
        features.execute("AcquisitionStop")
    with contextlib.suppress(HeliographError):
        if LOCK_FEATURE in features:
            features[LOCK_FEATURE] = 0
    with contextlib.suppress(HeliographError):
        device.write_register(Register.STREAM_CHANNEL_PORT, 0)


def _register(device: GigeDevice, register: Register) -> int:
    """Read a register that not every camera has; 0 then."""
    try:
        return device.read_register(register)
    except RemoteStatusError:
        return 0


def _arrives(device: GigeDevice, sink: socket.socket, size_bytes: int) -> bool:
    """Fire test packets of a size and see whether one arrives; one alone may be lost by chance."""
    fire = size_bytes | PacketSizeBit.DO_NOT_FRAGMENT | PacketSizeBit.FIRE_TEST_PACKET
    for _ in range(_PROBES):
        try:
            device.write_register(Register.STREAM_CHANNEL_PACKET_SIZE, fire)
        except RemoteStatusError:
            return False  # the camera knows that this size is not possible
        if _received(sink, device.address, datagram_bytes(size_bytes)):
            return True
    return False


def _received(sink: socket.socket, source: str, datagram_size_bytes: int) -> bool:
    poller = select.poll()
    poller.register(sink, select.POLLIN)
    deadline_s = time.monotonic() + _PROBE_S
    while (left_s := deadline_s - time.monotonic()) > 0:
        if poller.poll(left_s * 1000):
            # What poll saw is gone again when its checksum was wrong.
            with contextlib.suppress(BlockingIOError):
                data, (host, _) = sink.recvfrom(_SIZE_MASK, socket.MSG_DONTWAIT)
                if host == source and len(data) == datagram_size_bytes:
                    return True
    return False
