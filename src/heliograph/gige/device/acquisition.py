"""From a camera to the wire: one thread takes frames, another sends them, so that capture and transmission overlap."""

from __future__ import annotations

import contextlib
import logging
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto

from heliograph.core import Camera, CameraLostError, Frame, FrameTimeoutError
from heliograph.gige.device.sender import StreamConfig, StreamSender
from heliograph.gige.device.trigger import TriggerGate
from heliograph.gige.scheduling import prefer_promptness

_log = logging.getLogger(__name__)

# One frame on the wire, one waiting, one being taken: more would only make pictures old.
_WAITING_FRAMES = 1
_POLL_S = 0.1
# A frame takes 40 ms at 1 Gbit/s; only a stream throttled far below that is cut.
_LAST_FRAME_NS = 1_000_000_000
_END_S = 10.0


@dataclass(frozen=True, slots=True)
class _Numbered:
    """A frame to be sent, and its number in the stream."""

    frame: Frame
    number: int
    last: bool


class _Signal(Enum):
    WAKE = auto()
    """There is something else to do than to send a frame."""


class Acquisition:
    """Streams what a camera gives until it is stopped, has sent as many frames as were asked for, or the camera ends.

    `on_ended` is called from a thread of the acquisition: with None after the last frame, whose packets can still be
    asked for again until the next `start` or `stop`; with the error when the camera fails. What the network does not
    take is lost, and told in the log: an interface comes back, and whether its client does is the heartbeat's to tell.
    `on_frame_event` is called before each frame is sent: "FrameStart" and, where the exposure is known, "ExposureEnd"
    of its last row, with the block id and the time of the event in ns.
    """

    def __init__(self, camera: Camera, source: socket.socket) -> None:
        self.on_ended: Callable[[Exception | None], None] = lambda error: None
        self.on_frame_event: Callable[[str, int, int], None] = lambda name, block_id, timestamp_ns: None
        self._camera = camera
        self._source = source
        self._config: StreamConfig | None = None
        self._frame_count: int | None = None
        self._gate: TriggerGate | None = None
        self._stop = threading.Event()
        self._finished = threading.Event()
        self._overdue_ns = 0
        self._queue: queue.Queue[_Numbered | _Signal | Exception] = queue.Queue(_WAITING_FRAMES)
        self._sender: StreamSender | None = None
        self._losing = False
        self._threads: list[threading.Thread] = []

    @property
    def running(self) -> bool:
        """True between `start` and the end of the stream."""
        return bool(self._threads) and not self._stop.is_set() and not self._finished.is_set()

    def configure(self, config: StreamConfig, frame_count: int | None = None, gate: TriggerGate | None = None) -> None:
        """Say where the next stream goes, how many frames it has (None: no end), and which of the sensor's frames."""
        self._config, self._frame_count, self._gate = config, frame_count, gate

    def start(self) -> None:
        """Start the camera and its stream; does nothing when it runs. Raises what the camera raises."""
        if self.running or self._config is None:
            return
        self.stop()
        self._stop.clear()
        self._finished.clear()
        self._losing = False
        self._queue = queue.Queue(_WAITING_FRAMES)
        sender = self._sender = StreamSender(self._source, self._config, self._overdue)
        self._camera.start()
        self._threads = [
            threading.Thread(target=self._capture, args=(self._gate,), name="heliograph-capture", daemon=True),
            threading.Thread(target=self._send, args=(sender,), name="heliograph-send", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def stop(self, *, abort: bool = False) -> None:
        """Stop the camera, and the stream at the end of the frame on the wire or, to abort, within it.

        Does nothing when nothing runs. Raises `CameraLostError` when the driver does not come back within 10 s.
        """
        self._overdue_ns = time.monotonic_ns() + (0 if abort else _LAST_FRAME_NS)
        self._stop.set()
        self._wake()
        threads, self._threads = self._threads, []
        for thread in threads:
            thread.join(_END_S)
        self._sender = None
        # A thread that is still in the driver must not wake up in the next stream: there is none before it ends.
        self._threads = [thread for thread in threads if thread.is_alive()]
        if self._threads:
            raise CameraLostError(f"{self._camera.name} hangs in its driver: stop again later, or end this program")
        if threads:
            self._camera.stop()

    def close(self) -> None:
        """Stop for good."""
        self.stop()

    def trigger(self, source: str, time_ns: int) -> bool:
        """Take a trigger of now or of a time to come; False when too many wait already.

        A trigger that the stream does not listen to is taken and has no effect.
        """
        gate = self._gate
        return gate is None or not self.running or gate.trigger(source, time_ns)

    def ask_again(self, block_id: int, first: int, last: int) -> None:
        """Have packets of a frame sent again; never waits."""
        sender = self._sender
        if sender is not None:
            sender.ask_again(block_id, first, last)
            self._wake()

    def _wake(self) -> None:
        # Full means that the sender is about to wake up anyway.
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(_Signal.WAKE)

    def _capture(self, gate: TriggerGate | None) -> None:
        taken = 0
        try:
            while not self._stop.is_set() and taken != self._frame_count:
                taken += self._take(gate, taken + 1)
            if not self._stop.is_set():
                self._camera.stop()
        except Exception as error:
            # In order behind the frames: those taken before a camera ended are still sent.
            self._pass_on(error)

    def _take(self, gate: TriggerGate | None, count: int) -> bool:
        """Take a frame and pass it on, as number `count`; False when there is none, or none that was asked for."""
        try:
            frame = self._camera.grab(_POLL_S)
        except FrameTimeoutError:
            return False
        if gate is not None and not gate.passes(frame.timestamp_ns):
            return False
        # A free-running sensor's own numbers tell which frames were lost; a triggered one's would tell of frames that
        # nobody wanted.
        number = frame.id if gate is None else count
        self._pass_on(_Numbered(frame, number, count == self._frame_count))
        return True

    def _pass_on(self, item: _Numbered | Exception) -> None:
        # A sensor runs on while the link is slow: its driver drops what nobody takes, and frame ids show the gap.
        while not self._stop.is_set():
            with contextlib.suppress(queue.Full):
                self._queue.put(item, timeout=_POLL_S)
                return

    def _send(self, sender: StreamSender) -> None:
        prefer_promptness()
        try:
            while not self._stop.is_set():
                self._handle(sender)
        except Exception as error:
            # The end of the line for whatever a driver or a socket may raise: the server reports it and lives on.
            if not self._stop.is_set():
                self._stop.set()
                self.on_ended(error)

    def _handle(self, sender: StreamSender) -> None:
        try:
            item = self._queue.get(timeout=_POLL_S)
        except queue.Empty:
            return
        if isinstance(item, Exception):
            raise item
        if isinstance(item, _Numbered):
            self._send_frame(sender, item)
        # The next frame goes first.
        with self._outage_told():
            while sender.answer() and self._queue.empty() and not self._stop.is_set():
                pass

    def _send_frame(self, sender: StreamSender, item: _Numbered) -> None:
        self._report(item.frame, sender.block_id(item.number))
        if item.last:
            # Before the client has the frame: whoever starts again as soon as it arrives must not find us running.
            self._finished.set()
        with self._outage_told():
            sender.send(item.frame, item.number)
            self._losing = False
        if item.last:
            self.on_ended(None)

    @contextlib.contextmanager
    def _outage_told(self) -> Iterator[None]:
        """Survive what the network does not take, and tell of it once an outage."""
        try:
            yield
        except OSError as error:
            if not self._losing:
                _log.warning("frames are lost until the network takes them again: %s", error)
            self._losing = True

    def _report(self, frame: Frame, block_id: int) -> None:
        self.on_frame_event("FrameStart", block_id, frame.timestamp_ns)
        if frame.exposure_us is not None:
            rows_ns = (frame.line_time_ns or 0) * (frame.height - 1)
            self.on_frame_event("ExposureEnd", block_id, frame.timestamp_ns + rows_ns + round(frame.exposure_us * 1e3))

    def _overdue(self) -> bool:
        """Tell whether the frame on the wire must be cut: SFNC lets AcquisitionStop wait for its end."""
        return self._stop.is_set() and time.monotonic_ns() >= self._overdue_ns
