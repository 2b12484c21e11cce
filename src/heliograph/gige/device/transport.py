"""The features that make a camera a network camera: acquisition, payload size, locks and throughput."""

from __future__ import annotations

from collections.abc import Mapping
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
from heliograph.gige.device.state import HEARTBEAT_MS, DeviceState

_NO_LIMIT_BYTES_PER_S = 12_500_000_000
_SLOWEST_BYTES_PER_S = 1_000_000
_USUAL_MBIT_PER_S = 1_000


class Stream(Protocol):
    """What starts and stops when a client says so; `Acquisition` is one."""

    @property
    def running(self) -> bool:
        """True between `start` and the end of the stream."""
        ...

    def configure(
        self,
        destination: tuple[str, int],
        packet_size_bytes: int,
        packet_delay_ns: int,
        throughput_limit_bytes_per_s: int | None,
    ) -> None:
        """Say where the next stream goes and how fast."""
        ...

    def start(self) -> None:
        """Start the camera and its stream."""
        ...

    def stop(self) -> None:
        """Stop the stream and the camera."""
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
        self._limit_bytes_per_s = (state.link_speed_mbit_per_s or _USUAL_MBIT_PER_S) * 125_000
        self._add_device()
        self._add_acquisition()
        self._add_transport()

    def stop(self) -> None:
        """Stop acquisition, as AcquisitionStop does."""
        self._state.acquiring = False
        self._stream.stop()

    def _start(self, _: object) -> None:
        state = self._state
        if self._stream.running:
            return
        if not state.host_port or state.destination == "0.0.0.0":
            raise FeatureAccessError("AcquisitionStart needs an open stream: write GevSCDA and GevSCPHostPort first")
        limit = self._limit_bytes_per_s if self._limited else None
        self._stream.configure(
            (state.destination, state.host_port), state.packet_size_bytes, state.packet_delay_ns, limit
        )
        self._stream.start()
        state.acquiring = True

    def _payload_bytes(self) -> int:
        pixel_format = PixelFormat.parse(str(self._camera["PixelFormat"]))
        return pixel_format.payload_bytes(int(self._camera["Width"]), int(self._camera["Height"]))

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
        )
        self.add(
            heartbeat,
            read=lambda: self._state.heartbeat_timeout_ms * 1e3,
            write=lambda value_us: self._state.write_heartbeat_timeout(round(value_us / 1e3)),
        )

    def _add_acquisition(self) -> None:
        category = "AcquisitionControl"
        mode = _choice("AcquisitionMode", category, "Frames come until AcquisitionStop.", {"Continuous": 0}, locks=True)
        self.add(mode, read=lambda: "Continuous", write=lambda value: None)
        start = Feature("AcquisitionStart", FeatureKind.COMMAND, category, "Starts the stream of frames.")
        self.add(start, write=self._start)
        stop = Feature("AcquisitionStop", FeatureKind.COMMAND, category, "Stops the stream of frames.")
        self.add(stop, write=lambda _: self.stop())

    def _add_transport(self) -> None:
        category = "TransportLayerControl"
        payload = Feature(
            "PayloadSize",
            FeatureKind.INTEGER,
            category,
            "Bytes of one frame with the present settings.",
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
