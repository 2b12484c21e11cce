"""The features that make a camera a network camera: acquisition, payload size, locks and throughput."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address
from types import MappingProxyType
from typing import Protocol

from heliograph.core import (
    Access,
    Feature,
    FeatureAccessError,
    FeatureKind,
    Features,
    LocalFeatures,
    PixelFormat,
    Visibility,
)
from heliograph.gige.bootstrap import LOCK_FEATURE
from heliograph.gige.chunk import tail_bytes
from heliograph.gige.device.acquisition_control import AcquisitionControl, Commands
from heliograph.gige.device.chunks import ChunkFeatures
from heliograph.gige.device.pacing import CATCH_UP_NS
from heliograph.gige.device.sender import StreamConfig
from heliograph.gige.device.state import HEARTBEAT_MS, DeviceState
from heliograph.gige.device.trigger import TriggerGate

_NO_LIMIT_BYTES_PER_S = 12_500_000_000
_SLOWEST_BYTES_PER_S = 1_000_000
# 0.5 MB at 1 Gbit/s: an interface queues that much, and where it does not, the socket makes the sender wait.
_QUEUED_NS = 4_000_000
_USUAL_MBIT_PER_S = 1_000


class Stream(Protocol):
    """What starts and stops when a client says so; `Acquisition` is one."""

    @property
    def running(self) -> bool:
        """True between `start` and the end of the stream."""
        ...

    def configure(self, config: StreamConfig, frame_count: int | None = None, gate: TriggerGate | None = None) -> None:
        """Say where the next stream goes, how many frames it has, and which of the sensor's frames."""
        ...

    def start(self) -> None:
        """Start the camera and its stream."""
        ...

    def stop(self, *, abort: bool = False) -> None:
        """Stop the stream and the camera, to abort within the present frame."""
        ...

    def trigger(self, source: str, time_ns: int) -> bool:
        """Take a trigger; False when too many wait."""
        ...


class TransportFeatures(LocalFeatures):
    """Features of the transport of one camera, beside the camera's own."""

    def __init__(self, camera: Features, state: DeviceState, stream: Stream) -> None:
        super().__init__(lambda: stream.running)
        self._camera = camera
        self._state = state
        self._stream = stream
        # As fast as the link, or as 1 Gbit/s where none is known: on loopback, where nothing slows a sender down, a
        # frame sent at once overruns the stock socket buffer of a client that may not enlarge it.
        self._limited = True
        self._link_bytes_per_s = (state.link_speed_mbit_per_s or _USUAL_MBIT_PER_S) * 125_000
        self._limit_bytes_per_s = self._link_bytes_per_s
        self._add_device()
        commands = Commands(self._start, self.stop, lambda: self.stop(abort=True), stream.trigger)
        self._acquisition = AcquisitionControl(self, commands)
        self._add_transport()
        self._chunks = ChunkFeatures(self)

    def stop(self, *, abort: bool = False) -> None:
        """Stop acquisition, as AcquisitionStop does, or AcquisitionAbort."""
        self._state.acquiring = False
        self._stream.stop(abort=abort)

    def follow_stream(self) -> None:
        """Unlock what is locked while frames stream, when the stream has ended by itself and was not started again."""
        self._state.acquiring = self._stream.running

    def _start(self) -> None:
        state = self._state
        if self._stream.running:
            return
        if not state.host_port or state.destination == "0.0.0.0":
            raise FeatureAccessError("AcquisitionStart needs an open stream: write GevSCDA and GevSCPHostPort first")
        config = StreamConfig(
            (state.destination, state.host_port),
            self._payload_bytes(),
            state.packet_size_bytes,
            state.packet_delay_ns,
            self._limit_bytes_per_s if self._limited else None,
            state.extended_ids,
            self._chunks.chosen,
            self._catch_up_ns(),
        )
        self._stream.configure(config, self._acquisition.frame_count, self._acquisition.gate())
        self._stream.start()
        state.acquiring = True

    def _catch_up_ns(self) -> int:
        """What a late sender may make up for: more where the interface keeps the limit anyway and queues the rest.

        A stream of 97 % of the link has 1 ms a frame to spare, and a busy machine may wake us later than that.
        """
        state = self._state
        queued = self._limit_bytes_per_s >= self._link_bytes_per_s and not state.packet_delay_ns
        return _QUEUED_NS if queued and not IPv4Address(state.destination).is_loopback else CATCH_UP_NS

    def _payload_bytes(self) -> int:
        pixel_format = PixelFormat.parse(str(self._camera["PixelFormat"]))
        image_bytes = pixel_format.payload_bytes(int(self._camera["Width"]), int(self._camera["Height"]))
        chunks = self._chunks.chosen
        return image_bytes if chunks is None else image_bytes + tail_bytes(image_bytes, chunks)

    def _add_device(self) -> None:
        scan = _choice("DeviceScanType", "DeviceControl", "How the sensor takes a picture.", {"Areascan": 0}, "RO")
        self.add(scan, read=lambda: "Areascan")
        mode = _choice(
            "DeviceLinkThroughputLimitMode",
            "DeviceControl",
            "Whether DeviceLinkThroughputLimit holds.",
            {"Off": 0, "On": 1},
            locks=True,
        )
        self.add(
            mode,
            read=lambda: "On" if self._limited else "Off",
            write=lambda value: setattr(self, "_limited", value == "On"),
        )
        limit = Feature(
            "DeviceLinkThroughputLimit",
            FeatureKind.INTEGER,
            description="Most that the camera sends, IP headers included.",
            unit="Bps",
            visibility=Visibility.EXPERT,
            minimum=_SLOWEST_BYTES_PER_S,
            maximum=_NO_LIMIT_BYTES_PER_S,
            increment=1,
            locks_while_streaming=True,
        )
        self.add(
            limit,
            read=lambda: self._limit_bytes_per_s,
            write=lambda value: setattr(self, "_limit_bytes_per_s", value),
        )
        heartbeat = Feature(
            "DeviceLinkHeartbeatTimeout",
            FeatureKind.FLOAT,
            description="Control is lost when the client is silent for this long.",
            unit="us",
            visibility=Visibility.GURU,
            minimum=HEARTBEAT_MS[0] * 1e3,
            maximum=HEARTBEAT_MS[1] * 1e3,
            streamable=False,
        )
        self.add(
            heartbeat,
            read=lambda: self._state.heartbeat_timeout_ms * 1e3,
            write=lambda value_us: self._state.write_heartbeat_timeout(round(value_us / 1e3)),
        )

    def _add_transport(self) -> None:
        category = "TransportLayerControl"
        payload = Feature(
            "PayloadSize",
            FeatureKind.INTEGER,
            category,
            "Most bytes that a frame takes with the present settings, chunks included.",
            unit="B",
            access=Access.READ_ONLY,
            visibility=Visibility.EXPERT,
        )
        self.add(payload, read=self._payload_bytes)
        locked = Feature(
            LOCK_FEATURE,
            FeatureKind.INTEGER,
            category,
            "1 while the features that decide the shape of frames must not change.",
            visibility=Visibility.GURU,
            minimum=0,
            maximum=1,
            increment=1,
            streamable=False,
        )
        self.add(
            locked,
            read=lambda: int(self._state.parameters_locked or self._state.streaming),
            write=lambda value: setattr(self._state, "parameters_locked", bool(value)),
        )


def _choice(
    name: str, category: str, description: str, entries: Mapping[str, int], access: str = "RW", *, locks: bool = False
) -> Feature:
    return Feature(
        name,
        FeatureKind.ENUMERATION,
        category,
        description,
        access=Access(access),
        entries=MappingProxyType(entries),
        locks_while_streaming=locks,
    )
