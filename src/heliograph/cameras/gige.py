"""GigE Vision cameras: `gige://cam-1`, by name, serial number, MAC, address or model."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from heliograph.cameras.reception import Reception, ReceptionConfig
from heliograph.cameras.url import CameraUrl
from heliograph.core import (
    CameraBase,
    CameraLostError,
    CameraUrlError,
    Clock,
    Frame,
    FrameTimeoutError,
    HeliographError,
    PixelFormat,
    PixelFormatError,
    StreamStatistics,
)
from heliograph.gige import sockets
from heliograph.gige.bootstrap import Register
from heliograph.gige.client.device import GigeDevice
from heliograph.gige.client.discovery import DiscoveredCamera, find
from heliograph.gige.client.nodemap import NodeMapFeatures
from heliograph.gige.client.stream import (
    direct_stream,
    negotiate_packet_size,
    set_packet_size,
    start_stream,
    stop_stream,
)
from heliograph.local.ledger import MAX_DEPTH

_OWN_VENDOR = "Heliograph"
_BUFFERS = 16
_TURN_S = 0.25
# Four frames of 2028x1520 NV12, or 0.13 s at 1 Gbit/s.
_SOCKET_BUFFER_BYTES = 16_000_000


def open_camera(url: CameraUrl) -> GigeCamera:
    """Open the camera that answers to the URL's location.

    Parameters: `buffers`, frames that the program may hold at once (16); `packet_size` in bytes (the largest that
    arrives); `socket_buffer` in bytes (16 MB, 0 for the system's default).
    """
    url.check_parameters("buffers", "packet_size", "socket_buffer")
    if not url.location:
        raise CameraUrlError(f"{url.text!r} names no camera: write gige://NAME, with a name, serial, MAC or address")
    buffers = _whole_number(url, "buffers", _BUFFERS, 1, MAX_DEPTH)
    packet_size_bytes = _whole_number(url, "packet_size", 0, 0, 0xFFFF)
    socket_buffer_bytes = _whole_number(url, "socket_buffer", _SOCKET_BUFFER_BYTES, 0, 1_000_000_000)
    return GigeCamera(find(url.location), buffers, packet_size_bytes, socket_buffer_bytes)


def _whole_number(url: CameraUrl, name: str, default: int, least: int, most: int) -> int:
    number = url.number(name, default)
    if not least <= number <= most or number != int(number):
        raise CameraUrlError(f"{name} in {url.text!r} cannot be {number:g}: it is a whole number, {least} to {most}")
    return int(number)


class GigeCamera(CameraBase):
    """A camera on the network, controlled by this program until it is closed.

    Frames are received by a process of their own; `grab` and `frames` take them from its ring without a copy.
    Raises `CameraBusyError` when another client controls the camera.
    """

    def __init__(
        self,
        found: DiscoveredCamera,
        buffers: int = _BUFFERS,
        packet_size_bytes: int = 0,
        socket_buffer_bytes: int = _SOCKET_BUFFER_BYTES,
    ) -> None:
        self.found = found
        self._buffers = buffers
        self._packet_size_bytes = packet_size_bytes
        self._socket_buffer_bytes = socket_buffer_bytes
        self._reception: Reception | None = None
        self._statistics = StreamStatistics()
        self._last_id = 0
        self._device = GigeDevice.open(found.address)
        try:
            self._features = NodeMapFeatures(self._device)
        except BaseException:
            self._device.close()
            raise

    @property
    def name(self) -> str:
        """User-defined name, or model and serial number where it has none."""
        return self.found.name or f"{self.found.model}-{self.found.serial}"

    @property
    def features(self) -> NodeMapFeatures:
        """All features of the camera's XML."""
        return self._features

    @property
    def statistics(self) -> StreamStatistics:
        """Counts of the frames taken since acquisition started."""
        return self._statistics

    def start(self) -> None:
        """Start acquisition; does nothing when it runs.

        Raises `PixelFormatError` when the camera is set to a format that Heliograph does not know.
        """
        if self._reception is not None:
            return
        pixel_format = str(self._features["PixelFormat"])
        if pixel_format not in PixelFormat.__members__:
            known = [name for name in self._features.describe("PixelFormat").entries if name in PixelFormat.__members__]
            raise PixelFormatError(
                f"{self.name} sends {pixel_format}, which is not supported; set PixelFormat to {' or '.join(known)}"
            )
        with sockets.open_stream_sink(self._device.own_address, self._socket_buffer_bytes) as sink:
            direct_stream(self._device, sink)
            if self._packet_size_bytes:
                packet_size_bytes = set_packet_size(self._device, self._features, self._packet_size_bytes)
            else:
                packet_size_bytes = negotiate_packet_size(self._device, self._features, sink)
            own = self.found.vendor == _OWN_VENDOR
            config = ReceptionConfig(
                source=self._device.address,
                payload_bytes=int(self._features["PayloadSize"]),
                packet_size_bytes=packet_size_bytes,
                tick_hz=self._tick_hz(),
                clock=Clock.BOOTTIME if own else Clock.DEVICE,
                depth=self._buffers,
                counts_from_1=own,
            )
            self._reception = Reception(sink, config)
        self._statistics = StreamStatistics()
        self._last_id = 0
        try:
            start_stream(self._features)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop acquisition; frames that the program holds stay as they are."""
        reception, self._reception = self._reception, None
        if reception is not None:
            try:
                stop_stream(self._device, self._features)
            finally:
                reception.close()

    def close(self) -> None:
        """Stop, and give control of the camera back."""
        try:
            self.stop()
        finally:
            self._device.close()

    def grab(self, timeout_s: float = 5.0) -> Frame:
        """Give the next picture: the first one that arrives whole after this call.

        Raises `FrameTimeoutError`, `FramesHeldError` when the program holds as many frames as there are buffers, and
        `CameraLostError` when the camera is gone.
        """
        return self._take(timeout_s, newest=True)

    def frames(self, count: int | None = None, timeout_s: float = 5.0) -> Iterator[Frame]:
        """Give every frame in order, `count` of them or without end.

        A program that is too slow finds gaps in `Frame.id`: up to 16 frames wait for it, see `buffers` in the URL.
        """
        taken = 0
        while count is None or taken < count:
            yield self._take(timeout_s, newest=False)
            taken += 1

    def _take(self, timeout_s: float, newest: bool) -> Frame:
        self.start()
        reception = self._reception
        if reception is None:
            raise CameraLostError(f"{self.name} was stopped by another thread")
        deadline_s = time.monotonic() + timeout_s
        take = reception.reader.newest if newest else reception.reader.next
        while True:
            # In turns, so that whoever waits for a long time learns soon that the camera is lost.
            wait_s = min(_TURN_S, max(0.0, deadline_s - time.monotonic()))
            try:
                frame = take(wait_s)
            except FrameTimeoutError:
                if self._device.lost is not None:
                    told = f"{self.name} at {self.found.address} is lost: {self._device.lost}"
                    raise CameraLostError(told) from None
                if time.monotonic() < deadline_s:
                    take = reception.reader.next
                    continue
                told = f"no frame of {self.name} arrived within {timeout_s:g} s: {self._reason_for_silence(timeout_s)}"
                raise FrameTimeoutError(told) from None
            self._count(frame)
            return frame

    def _reason_for_silence(self, timeout_s: float) -> str:
        with contextlib.suppress(HeliographError):
            exposure_s = float(self._features["ExposureTime"]) / 1e6
            if exposure_s > timeout_s / 2:
                return f"its ExposureTime is {exposure_s:g} s, so wait longer or shorten it"
        return "does it wait for a trigger, or does a firewall block its packets?"

    def _count(self, frame: Frame) -> None:
        counts = self._statistics
        gap = max(0, frame.id - self._last_id - 1) if self._last_id else 0
        self._last_id = frame.id
        self._statistics = StreamStatistics(
            counts.frames + 1,
            counts.incomplete_frames + (frame.missing_packets > 0),
            counts.missing_packets + frame.missing_packets,
            counts.dropped_frames + gap,
        )

    def _tick_hz(self) -> int:
        try:
            high = self._device.read_register(Register.TIMESTAMP_FREQUENCY_HIGH)
            return high << 32 | self._device.read_register(Register.TIMESTAMP_FREQUENCY_LOW)
        except HeliographError:
            return 0
