"""From a camera to the wire: one thread takes frames, another sends them, so that capture and transmission overlap."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time
from collections.abc import Callable

from heliograph.core import Camera, Frame, FrameTimeoutError
from heliograph.gige.device.sender import StreamConfig, StreamSender
from heliograph.gige.scheduling import prefer_promptness

# One frame on the wire, one waiting, one being taken: more would only make pictures old.
_WAITING_FRAMES = 1
_POLL_S = 0.1
# A frame takes 40 ms at 1 Gbit/s; only a stream throttled far below that is cut.
_LAST_FRAME_NS = 1_000_000_000


class Acquisition:
    """Streams what a camera gives until it is stopped or the camera ends.

    `on_ended` is called from a thread of the acquisition when the camera or the network fails, with the error.
    """

    def __init__(self, camera: Camera, source: socket.socket) -> None:
        self.on_ended: Callable[[Exception], None] = lambda error: None
        self._camera = camera
        self._source = source
        self._config: StreamConfig | None = None
        self._stop = threading.Event()
        self._stop_ns = 0
        self._frames: queue.Queue[Frame | Exception] = queue.Queue(_WAITING_FRAMES)
        self._threads: list[threading.Thread] = []

    @property
    def running(self) -> bool:
        """True between `start` and the end of the stream."""
        return bool(self._threads) and not self._stop.is_set()

    def configure(
        self,
        destination: tuple[str, int],
        packet_size_bytes: int,
        packet_delay_ns: int,
        throughput_limit_bytes_per_s: int | None,
    ) -> None:
        """Say where the next stream goes and how fast."""
        self._config = StreamConfig(destination, packet_size_bytes, packet_delay_ns, throughput_limit_bytes_per_s)

    def start(self) -> None:
        """Start the camera and its stream; does nothing when it runs. Raises what the camera raises."""
        if self.running or self._config is None:
            return
        self.stop()
        self._stop.clear()
        self._frames = queue.Queue(_WAITING_FRAMES)
        sender = StreamSender(self._source, self._config, self._overdue)
        self._camera.start()
        self._threads = [
            threading.Thread(target=self._capture, name="heliograph-capture", daemon=True),
            threading.Thread(target=self._send, args=(sender,), name="heliograph-send", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop the stream at the end of the frame on the wire, and the camera; does nothing when nothing runs."""
        self._stop_ns = time.monotonic_ns()
        self._stop.set()
        threads, self._threads = self._threads, []
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join()
        if threads:
            self._camera.stop()

    def close(self) -> None:
        """Stop for good."""
        self.stop()

    def _capture(self) -> None:
        try:
            while not self._stop.is_set():
                with contextlib.suppress(FrameTimeoutError):
                    self._pass_on(self._camera.grab(_POLL_S))
        except Exception as error:
            # In order behind the frames: those taken before a camera ended are still sent.
            self._pass_on(error)

    def _pass_on(self, item: Frame | Exception) -> None:
        # A sensor runs on while the link is slow: its driver drops what nobody takes, and frame ids show the gap.
        while not self._stop.is_set():
            with contextlib.suppress(queue.Full):
                self._frames.put(item, timeout=_POLL_S)
                return

    def _send(self, sender: StreamSender) -> None:
        prefer_promptness()
        try:
            while not self._stop.is_set():
                with contextlib.suppress(queue.Empty):
                    item = self._frames.get(timeout=_POLL_S)
                    if isinstance(item, Exception):
                        raise item
                    sender.send(item)
        except Exception as error:
            # The end of the line for whatever a driver or a socket may raise: the server reports it and lives on.
            if not self._stop.is_set():
                self._stop.set()
                self.on_ended(error)

    def _overdue(self) -> bool:
        """Tell whether the frame on the wire must be cut: SFNC lets AcquisitionStop wait for its end."""
        return self._stop.is_set() and time.monotonic_ns() > self._stop_ns + _LAST_FRAME_NS
