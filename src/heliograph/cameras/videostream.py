"""Video over a network, RTSP or HTTP, received and decoded by OpenCV's FFmpeg."""

from __future__ import annotations

import contextlib
import re
import socket
import time
import zlib
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from heliograph.cameras.intake import Shot
from heliograph.core import (
    Access,
    CameraNotFoundError,
    CameraUrlError,
    Feature,
    FeatureKind,
    Features,
    LocalFeatures,
    PixelFormat,
    SourceError,
)
from heliograph.core.convert import opencv

_OPEN_TIMEOUT_MS = 5_000
# A camera that is silent for so long is opened again.
_READ_TIMEOUT_MS = 5_000
_HIGHEST_RATE_HZ = 1_000.0
# Many cameras take them as parameters.
_SECRET = re.compile(r"(?i)((?:^|&)[^&=]*(?:pass|pwd|secret|token|auth|key)[^&=]*=)[^&]*")
_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}


def without_password(url: str) -> str:
    """Give the URL as it may be shown.

    >>> without_password("rtsp://user:secret@cam.example:8554/main?profile=1&pwd=secret")
    'rtsp://cam.example:8554/main?profile=1&pwd=***'
    """
    try:
        parts = urlsplit(url)
    except ValueError:  # of no use as a URL, and of no use to whoever looks for a password
        return url.partition("://")[0] + "://"
    query = _SECRET.sub(r"\1***", parts.query)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=query))


class VideoStream:
    """A stream that is open: frames as BGR8, timestamped when they arrive.

    Raises `CameraNotFoundError` when there is no stream, `SourceError` when it is a file that ends,
    `CameraUrlError` when the URL names no host, `MissingDependencyError` without OpenCV.
    """

    def __init__(self, url: str) -> None:
        host, port = _host(url)
        cv2 = opencv()
        self._errors = cv2.error
        # One thread: with more, FFmpeg holds back one frame for each.
        options = (
            (cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _OPEN_TIMEOUT_MS),
            (cv2.CAP_PROP_READ_TIMEOUT_MSEC, _READ_TIMEOUT_MS),
            (cv2.CAP_PROP_N_THREADS, 1),
        )
        flat = [number for option in options for number in option]
        self._capture: Any = cv2.VideoCapture(url, cv2.CAP_FFMPEG, flat)
        if not self._capture.isOpened():
            self.close()
            raise CameraNotFoundError(_reason(without_password(url), host, port))
        if self._capture.get(cv2.CAP_PROP_FRAME_COUNT) > 0:
            self.close()
            raise SourceError(
                f"{without_password(url)} is a file that ends, no camera: download it, open replay://FILE"
            )
        rate_hz = float(self._capture.get(cv2.CAP_PROP_FPS))
        self.rate_hz = rate_hz if 0 < rate_hz < _HIGHEST_RATE_HZ else 0.0
        self.width = int(self._capture.get(cv2.CAP_PROP_FRAME_WIDTH))
        self.height = int(self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT))

    def read(self) -> Shot | None:
        """Wait for the next picture; None when the stream ended, broke, or was silent for 5 s."""
        with contextlib.suppress(self._errors):
            if self._capture.grab():
                timestamp_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
                decoded, data = self._capture.retrieve()
                if decoded:
                    return Shot(data, PixelFormat.BGR8, timestamp_ns)
        return None

    def close(self) -> None:
        """Leave the stream."""
        self._capture.release()


def _host(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
        (host or "").encode("idna")
    except ValueError as error:
        raise CameraUrlError(f"{without_password(url)!r} is no URL: {error}") from None
    if not host:
        raise CameraUrlError(f"{without_password(url)!r} names no host: write {parts.scheme}://HOST/PATH")
    return host, port or _PORTS[parts.scheme.lower()]


def _reason(shown: str, host: str, port: int) -> str:
    """Tell why there is no stream, which FFmpeg does not."""
    try:
        with socket.create_connection((host, port), timeout=_OPEN_TIMEOUT_MS / 1e3):
            pass
    except OSError as error:
        return f"nothing answers at {host} port {port} ({error.strerror or error}): check address, power and cable"
    return f"{shown} gives no video that FFmpeg reads: check its path, user and password"


class NetworkSource:
    """A stream on the network."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.name = without_password(url)
        self._width = self._height = 0
        self._rate_hz = 0.0

    def connect(self) -> VideoStream:
        """Open the stream; raises `CameraNotFoundError`."""
        stream = VideoStream(self._url)
        self._width, self._height, self._rate_hz = stream.width, stream.height, stream.rate_hz
        return stream

    def close(self) -> None:
        """Do nothing: a stream that is not open holds nothing."""

    def features(self, _streaming: Callable[[], bool]) -> Features:
        """Identity, size, format and rate, all read-only: a stream cannot be set from its other end."""
        features = LocalFeatures()
        serial = f"{zlib.crc32(self.name.encode()):08X}"
        kind = f"{self.name.partition(':')[0].upper()} stream"
        for name, text in (("VendorName", "Heliograph"), ("ModelName", kind), ("SerialNumber", serial)):
            features.add(Feature(f"Device{name}", FeatureKind.STRING, access=Access.READ_ONLY), read=lambda t=text: t)  # type: ignore[misc]  # mypy cannot infer a lambda's default
        image, read_only = "ImageFormatControl", Access.READ_ONLY
        integer = FeatureKind.INTEGER
        sizes: dict[str, Callable[[], int]] = {"Width": lambda: self._width, "Height": lambda: self._height}
        for name, size_px in sizes.items():
            features.add(
                Feature(name, integer, image, "Size that the stream says.", "px", read_only),
                read=size_px,
                limits=lambda size_px=size_px: (size_px(), size_px()),  # type: ignore[misc]  # as above
            )
        entries = {PixelFormat.BGR8.name: int(PixelFormat.BGR8)}
        features.add(
            Feature("PixelFormat", FeatureKind.ENUMERATION, image, "As decoded.", access=read_only, entries=entries),
            read=lambda: PixelFormat.BGR8.name,
        )
        features.add(
            Feature(
                "AcquisitionFrameRate",
                FeatureKind.FLOAT,
                "AcquisitionControl",
                "Rate that the stream says; 0 where it does not.",
                "Hz",
                read_only,
                minimum=0.0,
                maximum=1000.0,
            ),
            read=lambda: self._rate_hz,
        )
        return features
