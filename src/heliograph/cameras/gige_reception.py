"""Brings a network camera's stream to a receiving process: where it goes, how large packets are, what it carries."""

from __future__ import annotations

import socket

from heliograph.cameras.gige_options import GigeOptions
from heliograph.cameras.reception import Reception, ReceptionConfig
from heliograph.core import Clock, HeliographError
from heliograph.gige import sockets
from heliograph.gige.bootstrap import Register
from heliograph.gige.client.device import GigeDevice
from heliograph.gige.client.monitor import stream_group
from heliograph.gige.client.nodemap import NodeMapFeatures
from heliograph.gige.client.stream import (
    active_chunks,
    can_resend,
    direct_stream,
    has_extended_ids,
    negotiate_packet_size,
    set_packet_size,
    switch_chunks_on,
)

_PACKET_SIZE_MASK = 0xFFFF


def receive(device: GigeDevice, features: NodeMapFeatures, options: GigeOptions, *, own: bool) -> Reception:
    """Have the camera send to a new receiving process, or join that to what the camera sends already.

    `own` cameras are Heliograph's: their clock is known, and their block ids begin at 1.
    """
    with _open_sink(device, options) as sink:
        if options.control:
            direct_stream(device, sink)
            packet_size_bytes = _agree_on_packet_size(device, features, options, sink)
        else:
            packet_size_bytes = _packet_size_bytes(device)
        return Reception(sink, _config(device, features, options, packet_size_bytes, own=own))


def watched_stream(device: GigeDevice, features: NodeMapFeatures) -> tuple[str, int, int, int]:
    """Give what a client without control can receive now: group, port, packet size and payload size in bytes.

    Raises `CameraBusyError` when there is nothing.
    """
    return (*stream_group(device), _packet_size_bytes(device), int(features["PayloadSize"]))


def tick_hz(device: GigeDevice) -> int:
    """Ticks a second of the camera's timestamps; 0 when it does not say."""
    try:
        high = device.read_register(Register.TIMESTAMP_FREQUENCY_HIGH)
        return high << 32 | device.read_register(Register.TIMESTAMP_FREQUENCY_LOW)
    except HeliographError:
        return 0


def _packet_size_bytes(device: GigeDevice) -> int:
    return device.read_register(Register.STREAM_CHANNEL_PACKET_SIZE) & _PACKET_SIZE_MASK


def _open_sink(device: GigeDevice, options: GigeOptions) -> socket.socket:
    buffer_bytes = options.socket_buffer_bytes
    if not options.control:
        return sockets.open_multicast_sink(*stream_group(device), device.own_address, buffer_bytes)
    if options.multicast:
        return sockets.open_multicast_sink(options.multicast, 0, device.own_address, buffer_bytes)
    return sockets.open_stream_sink(device.own_address, buffer_bytes)


def _agree_on_packet_size(
    device: GigeDevice, features: NodeMapFeatures, options: GigeOptions, sink: socket.socket
) -> int:
    if options.packet_size_bytes:
        return set_packet_size(device, features, options.packet_size_bytes)
    return negotiate_packet_size(device, features, sink)


def _config(
    device: GigeDevice, features: NodeMapFeatures, options: GigeOptions, packet_size_bytes: int, *, own: bool
) -> ReceptionConfig:
    chunks = own if options.chunks is None else options.chunks
    if chunks and options.control:
        switch_chunks_on(features)
    return ReceptionConfig(
        source=device.address,
        payload_bytes=int(features["PayloadSize"]),
        packet_size_bytes=packet_size_bytes,
        tick_hz=tick_hz(device),
        clock=Clock.BOOTTIME if own else Clock.DEVICE,
        depth=options.buffers,
        counts_from_1=own,
        resend=can_resend(device),
        extended_ids=has_extended_ids(device),
        chunks=active_chunks(features),
    )
