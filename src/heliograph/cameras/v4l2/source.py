"""A V4L2 device as a source of frames, streamed by OpenCV."""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from heliograph.cameras.intake import Shot
from heliograph.cameras.url import CameraUrl
from heliograph.cameras.v4l2.device import Ioctl, VideoDevice
from heliograph.cameras.v4l2.feature import WebcamFeatures
from heliograph.cameras.v4l2.mode import RAW, Mode
from heliograph.core import CameraBusyError, CameraNotFoundError, CameraUrlError, PixelFormat, PixelFormatError
from heliograph.core.convert import opencv

OpenCapture = Callable[[str, list[int]], Any]

# Broken frames in a row, such as a USB cable at fault gives, after which the device counts as lost.
_BROKEN_FRAMES = 30
_OLDEST_NS = 10_000_000_000
# Bytes from pixel to pixel in a row, where they are not those of a sample; none in a compressed picture.
_PIXEL_BYTES = {"MJPG": 0, "YUYV": 2, "UYVY": 2, "BGR3": 3, "RGB3": 3}


def device_path(url: CameraUrl) -> str:
    """Give the device of a URL.

    >>> device_path(CameraUrl.parse("v4l2://0")), device_path(CameraUrl.parse("v4l2:///dev/v4l/by-id/usb-cam"))
    ('/dev/video0', '/dev/v4l/by-id/usb-cam')

    Raises `CameraUrlError` when it names none.
    """
    url.check_parameters()
    if url.location.isdecimal():
        return f"/dev/video{url.location}"
    if not url.location.startswith("/") or "\0" in url.location:
        raise CameraUrlError(f"{url.text!r} names no device: write v4l2:///dev/video0 or v4l2://0")
    return url.location


def open_capture(path: str, options: list[int]) -> Any:
    """Open OpenCV's capture of a V4L2 device; `options` are properties and values in turn."""
    cv2 = opencv()
    return cv2.VideoCapture(path, cv2.CAP_V4L2, options)


class WebcamStream:
    """A device that streams; a picture's time is the driver's where that is of CLOCK_MONOTONIC, else its arrival."""

    def __init__(self, capture: Any, pixel_format: PixelFormat, rate_hz: float) -> None:
        cv2 = opencv()
        self.rate_hz = rate_hz
        self.width, self.height = (
            int(capture.get(side)) for side in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
        )
        self._capture = capture
        self._pixel_format = pixel_format
        self._errors = cv2.error
        self._position = cv2.CAP_PROP_POS_MSEC

    def read(self) -> Shot | None:
        """Wait for the next whole picture; None when the device went away, or sends nothing but broken ones."""
        size_bytes = self._pixel_format.payload_bytes(self.width, self.height)
        for _ in range(_BROKEN_FRAMES):
            with contextlib.suppress(self._errors):
                if not self._capture.grab():
                    return None
                timestamp_ns = self._timestamp_ns()
                decoded, data = self._capture.retrieve()
                if decoded and data.nbytes >= size_bytes:
                    flat = np.ascontiguousarray(data).reshape(-1).view(np.uint8)
                    pixels = self._pixel_format.view(flat, self.width, self.height)
                    return Shot(pixels, self._pixel_format, timestamp_ns)
        return None

    def close(self) -> None:
        """Let the device go."""
        self._capture.release()

    def _timestamp_ns(self) -> int:
        boottime_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        age_ns = time.monotonic_ns() - round(self._capture.get(self._position) * 1e6)
        return boottime_ns - age_ns if 0 <= age_ns < _OLDEST_NS else boottime_ns


class WebcamSource:
    """A V4L2 device by its path. Raises `CameraNotFoundError` when there is none, or none that gives pictures."""

    def __init__(self, path: str, ioctl: Ioctl = fcntl.ioctl, capture: OpenCapture = open_capture) -> None:
        self.name = path
        self._ioctl = ioctl
        self._capture = capture
        device = VideoDevice(path, ioctl)
        try:
            self._mode = Mode(device, path)
        except BaseException:
            device.close()
            raise
        self._features: WebcamFeatures | None = None

    def features(self, streaming: Callable[[], bool]) -> WebcamFeatures:
        """Format, size and rate, and every control of the driver."""
        self._features = WebcamFeatures(self.name, self._mode, streaming)
        return self._features

    def connect(self) -> WebcamStream:
        """Stream; raises `CameraNotFoundError`, `CameraBusyError`, or `PixelFormatError` for rows with padding."""
        mode = self._mode
        # What was unplugged comes back as another device of the same name.
        fresh = VideoDevice(self.name, self._ioctl)
        mode.device.close()
        mode.device = fresh
        # OpenCV would wait 10 s for it.
        if fresh.is_streaming():
            raise CameraBusyError(f"another program streams from {self.name}: end that one first")
        if self._features:
            self._features.restore()
        cv2 = opencv()
        wanted = {
            cv2.CAP_PROP_FOURCC: cv2.VideoWriter.fourcc(*mode.code),
            cv2.CAP_PROP_FRAME_WIDTH: mode.width,
            cv2.CAP_PROP_FRAME_HEIGHT: mode.height,
            cv2.CAP_PROP_CONVERT_RGB: int(mode.pixel_format is PixelFormat.BGR8),
        }
        if mode.rate_hz:
            wanted[cv2.CAP_PROP_FPS] = round(mode.rate_hz)
        capture = self._capture(self.name, [number for option in wanted.items() for number in option])
        try:
            return self._checked(capture)
        except BaseException:
            capture.release()
            raise

    def close(self) -> None:
        """Close the device."""
        self._mode.device.close()

    def _checked(self, capture: Any) -> WebcamStream:
        """Compare what the driver made of it with what was asked for."""
        cv2, mode = opencv(), self._mode
        asked = f"{mode.width}x{mode.height} {mode.code}"
        if not capture.isOpened():
            raise CameraNotFoundError(f"{self.name} does not stream {asked}: choose another format or size")
        stream = WebcamStream(capture, mode.pixel_format, max(0.0, float(capture.get(cv2.CAP_PROP_FPS))))
        codes = int(capture.get(cv2.CAP_PROP_FOURCC)), cv2.VideoWriter.fourcc(*mode.code)
        if codes[0] != codes[1] or (stream.width, stream.height) != (mode.width, mode.height):
            raise PixelFormatError(f"{self.name} streams something else than {asked}: choose another format or size")
        pixel_bytes = _PIXEL_BYTES[mode.code] if mode.code in _PIXEL_BYTES else RAW[mode.code].dtype.itemsize
        # OpenCV takes every row to begin where the one before it ends.
        if pixel_bytes and mode.device.row_bytes() != stream.width * pixel_bytes:
            raise PixelFormatError(f"{self.name} pads its rows at Width {stream.width}: choose a multiple of 32")
        mode.rate_hz = stream.rate_hz
        return stream
