"""From a camera to the wire: one thread takes frames, another sends them, so that capture and transmission overlap."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable

from heliograph.core import Camera, Frame, FrameTimeoutError
from heliograph.gige.device.sender import StreamConfig, StreamSender

# One frame on the wire, one waiting, one being taken: more would only make pictures old.
_WAITING_FRAMES = 1
_POLL_S = 0.1


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
        self._frames: queue.Queue[Frame] = queue.Queue(_WAITING_FRAMES)
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
        sender = StreamSender(self._source, self._config, self._stop.is_set)
        self._camera.start()
        self._threads = [
            threading.Thread(target=self._run, args=(work,), name=f"heliograph-{name}", daemon=True)
            for name, work in (("capture", self._capture), ("send", lambda: self._send(sender)))
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop the stream and the camera and wait until both have; does nothing when nothing runs."""
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

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            # The end of the line for whatever a driver may raise: the server reports it, the node lives on.
            if not self._stop.is_set():
                self._stop.set()
                self.on_ended(error)

    def _capture(self) -> None:
        while not self._stop.is_set():
            try:
                frame = self._camera.grab(_POLL_S)
            except FrameTimeoutError:
                continue
            # A sensor runs on while the link is slow: its driver drops what nobody takes, and frame ids show the gap.
            while not self._stop.is_set():
                try:
                    self._frames.put(frame, timeout=_POLL_S)
                    break
                except queue.Full:
                    continue

    def _send(self, sender: StreamSender) -> None:
        while not self._stop.is_set():
            try:
                frame = self._frames.get(timeout=_POLL_S)
            except queue.Empty:
                continue
            sender.send(frame)
