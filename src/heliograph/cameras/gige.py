"""GigE Vision cameras: `gige://cam-1`, by name, serial number, MAC, address or model."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from functools import cached_property, partial

from heliograph.cameras.gige_options import GigeOptions
from heliograph.cameras.gige_reception import receive, tick_hz, watched_stream
from heliograph.cameras.reception import Reception
from heliograph.cameras.reconnect import ReconnectingCamera
from heliograph.cameras.url import CameraUrl
from heliograph.core import (
    Camera,
    CameraBase,
    CameraBusyError,
    CameraLostError,
    CameraUrlError,
    Frame,
    FrameTimeoutError,
    HeliographError,
    PixelFormat,
    PixelFormatError,
    StreamStatistics,
    Subscription,
)
from heliograph.gige.client.device import GigeDevice
from heliograph.gige.client.discovery import DiscoveredCamera, find, find_again
from heliograph.gige.client.events import EventListener
from heliograph.gige.client.monitor import stream_group
from heliograph.gige.client.nodemap import NodeMapFeatures
from heliograph.gige.client.stream import start_stream, stop_stream
from heliograph.local import RingReader

_OWN_VENDOR = "Heliograph"
_TURN_S = 0.25


def open_camera(url: CameraUrl) -> Camera:
    """Open the camera that answers to the URL's location.

    Parameters: `control=0` only reads; `buffers`, frames that the program may hold at once (16); `packet_size` in
    bytes (the largest that arrives); `socket_buffer` in bytes (16 MB, 0 for the system's default); `multicast=GROUP`
    lets others receive too; `chunks=1` switches on what the camera can tell of each frame (on for our own);
    `reconnect=1` opens a lost camera again, for `reconnect_s` seconds (60).
    """
    options = GigeOptions.parse(url)
    if not url.location:
        raise CameraUrlError(f"{url.text!r} names no camera: write gige://NAME, with a name, serial, MAC or address")
    camera = GigeCamera(find(url.location), options)
    return ReconnectingCamera(camera, options.reconnect_s) if options.reconnect else camera


class GigeCamera(CameraBase):
    """A camera on the network, controlled by this program until it is closed.

    Frames are received by a process of their own; `grab` and `frames` take them from its ring without a copy.
    Raises `CameraBusyError` when another client controls the camera.
    """

    def __init__(self, found: DiscoveredCamera, options: GigeOptions | None = None) -> None:
        self.found = found
        self._options = options or GigeOptions()
        self._reception: Reception | None = None
        self._watched: tuple[str, int, int, int] | None = None
        self._statistics = StreamStatistics()
        self._last_id = 0
        self._listener: EventListener | None = None
        self._told: list[Subscription] = []
        self._device = GigeDevice.open(found.address, self._options.control)
        try:
            self._features = NodeMapFeatures(self._device)
        except BaseException:
            self._device.close()
            raise

    def reopened(self) -> GigeCamera:
        """Give this camera, which was lost and is closed, opened again; raises what opening a camera raises."""
        return GigeCamera(find_again(self.found), self._options)

    @property
    def name(self) -> str:
        """User-defined name, or model and serial number where it has none."""
        return self.found.name or f"{self.found.model}-{self.found.serial}"

    @property
    def controls(self) -> bool:
        """True when this program may change the camera; False for one that only watches."""
        return self._options.control

    @cached_property  # IPython completes behind no plain property
    def features(self) -> NodeMapFeatures:
        """All features of the camera's XML."""
        return self._features

    @property
    def statistics(self) -> StreamStatistics:
        """Counts of the frames taken since acquisition started."""
        return self._statistics

    @property
    def streaming(self) -> bool:
        """True while frames are received."""
        return self._reception is not None

    def start(self) -> None:
        """Start acquisition; does nothing when it runs.

        Raises `PixelFormatError` when the camera is set to a format that Heliograph does not know.
        """
        with self._switching:
            if self._reception is None:
                self._check_format()
                if not self._options.control:
                    self._watched = watched_stream(self._device, self._features)
                own = self.found.vendor == _OWN_VENDOR
                self._reception = receive(self._device, self._features, self._options, own=own)
                self._statistics = StreamStatistics()
                self._last_id = 0
                try:
                    if self._options.control:
                        start_stream(self._features)
                except BaseException:
                    self.stop()
                    raise

    def stop(self) -> None:
        """Stop acquisition; frames that the program holds stay as they are."""
        with self._switching:
            reception, self._reception = self._reception, None
            if reception is not None:
                try:
                    if self._options.control:
                        stop_stream(self._device, self._features)
                finally:
                    reception.close()

    def close(self) -> None:
        """Stop, and give control of the camera back."""
        # In a thread, which Ctrl-C does not reach: impatience would leave the camera held until its heartbeat runs out.
        done, failures = threading.Lock(), list[Exception]()
        done.acquire()
        try:
            threading.Thread(target=self._give_back_and_tell, args=(done, failures), name="heliograph-close").start()
        except RuntimeError:  # none begins while the interpreter ends, as in a function of atexit
            self._give_back()
        else:
            # A plain lock: Ctrl-C may leave the locks within a future taken, and a thread's end untold (Python 3.11).
            try:
                done.acquire()
            except KeyboardInterrupt:
                done.acquire()
                raise
            if failures:
                raise failures[0]
        # Not in that thread: a callback may be what closes the camera.
        if self._listener is not None:
            self._listener.join()

    def on_event(self, callback: Callable[[str, int, int], object], *names: str) -> Subscription:
        """Call `callback(name, frame_id, timestamp_ns)` with every event that is named, or with all there are.

        >>> camera.on_event(print, "ExposureEnd")                               # doctest: +SKIP
        ExposureEnd 1 5021300400117

        In a thread of its own. `frame_id` is the block id that the camera counts the frame by, 0 for an event of no
        frame; `timestamp_ns` is in the camera's clock, like that of frames. Raises `FeatureValueError` for an event
        that the camera does not have, `FeatureAccessError` when it has none or was opened without control.
        """
        with self._switching:
            if self._listener is None:
                ticks_per_s = tick_hz(self._device) or 1_000_000_000
                self._listener = EventListener(self._device, self._features, partial(self._tell, ticks_per_s))
            self._listener.switch_on(names)
            subscription = Subscription(
                lambda *event: callback(*event) if not names or event[0] in names else None, self.name
            )
            self._told = [*(each for each in self._told if not each.closed), subscription]
        return subscription

    def _tell(self, ticks_per_s: int, name: str, block_id: int, ticks: int) -> None:
        for subscription in self._told:
            subscription.deliver(name, block_id, ticks * 1_000_000_000 // ticks_per_s)

    def _give_back_and_tell(self, done: threading.Lock, failures: list[Exception]) -> None:
        try:
            self._give_back()
        except Exception as error:  # for the thread that waits
            failures.append(error)
        finally:
            done.release()

    def _give_back(self) -> None:
        try:
            self.stop()
            if self._listener is not None:
                self._listener.close()
        finally:
            self._device.close()

    def grab(self, timeout_s: float = 5.0) -> Frame:
        """Give the next picture: the first one that arrives whole after this call.

        Raises `FrameTimeoutError`, `FramesHeldError` when the program holds as many frames as there are buffers, and
        `CameraLostError` when the camera is gone.
        """
        self.start()
        return self._take(timeout_s, RingReader.newest)

    def _next(self, timeout_s: float) -> Frame:
        return self._take(timeout_s, RingReader.next)

    def _latest(self, timeout_s: float) -> Frame:
        return self._take(timeout_s, RingReader.latest)

    def _check_format(self) -> None:
        pixel_format = str(self._features["PixelFormat"])
        if pixel_format not in PixelFormat.__members__:
            known = [name for name in self._features.describe("PixelFormat").entries if name in PixelFormat.__members__]
            raise PixelFormatError(
                f"{self.name} sends {pixel_format}, which is not supported; set PixelFormat to {' or '.join(known)}"
            )

    def _take(self, timeout_s: float, take: Callable[[RingReader, float], Frame]) -> Frame:
        deadline_s = time.monotonic() + timeout_s
        while True:
            reception = self._reception
            if reception is None:
                raise CameraLostError(f"{self.name} was stopped by another thread")
            try:
                # In turns, so that whoever waits for a long time learns soon that the camera is lost.
                frame = take(reception.reader, min(_TURN_S, max(0.0, deadline_s - time.monotonic())))
            except FrameTimeoutError:
                self._follow(reception)
                if time.monotonic() >= deadline_s:
                    raise self._silence(timeout_s) from None
                if self._device.lost is not None:
                    raise self._lost() from None
                take = RingReader.next
            except CameraLostError:
                # Also when settings that shape frames made the stream start again.
                if not self._runs() or self._reception is reception:
                    raise
            else:
                self._count(frame)
                return frame

    def _follow(self, reception: Reception) -> None:
        """Go where the controlling client has the stream sent now, where another has control."""
        if self._options.control:
            return
        # Who controls it may stop the stream for a while.
        with contextlib.suppress(CameraBusyError), self._switching:
            try:
                moved = watched_stream(self._device, self._features) != self._watched
            except CameraLostError:
                raise self._lost() from None
            if moved and self._reception is reception:
                self.stop()
                self.start()

    def _lost(self) -> CameraLostError:
        return CameraLostError(f"{self.name} at {self.found.address} is lost: {self._device.lost}")

    def _silence(self, timeout_s: float) -> HeliographError:
        """Tell why no frame came: the camera is lost, or it has a reason of its own."""
        try:
            self._device.check()
        except CameraLostError:
            return self._lost()
        return FrameTimeoutError(
            f"no frame of {self.name} arrived within {timeout_s:g} s: {self._reason_for_silence(timeout_s)}"
        )

    def _reason_for_silence(self, timeout_s: float) -> str:
        if not self._options.control:
            try:
                stream_group(self._device)
            except CameraBusyError as busy:
                return str(busy)
        with contextlib.suppress(HeliographError):
            if self._features["TriggerMode"] == "On":
                return f"its TriggerMode is On, and nothing came from {self._features['TriggerSource']}"
        with contextlib.suppress(HeliographError):
            exposure_s = float(self._features["ExposureTime"]) / 1e6
            if exposure_s > timeout_s / 2:
                return f"its ExposureTime is {exposure_s:g} s, so wait longer or shorten it"
        return "is its frame rate lower than that, or does a firewall block its packets?"

    def _count(self, frame: Frame) -> None:
        counts = self._statistics
        gap = max(0, frame.id - self._last_id - 1) if self._last_id else 0
        self._last_id = frame.id
        self._statistics = StreamStatistics(
            counts.frames + 1,
            counts.incomplete_frames + (frame.missing_packets > 0),
            counts.missing_packets + frame.missing_packets,
            counts.dropped_frames + gap,
            resent_packets=counts.resent_packets + frame.resent_packets,
            malformed_packets=counts.malformed_packets + int(frame.metadata.get("malformed_packets", 0)),
        )
