"""A camera that tests serve: every kind of feature, and pictures that tell which one they are."""

from __future__ import annotations

import threading
import time
from types import MappingProxyType

import numpy as np

from heliograph.core import (
    Access,
    CameraBase,
    Feature,
    FeatureKind,
    Frame,
    LocalFeatures,
    PixelFormat,
    StreamStatistics,
)

_FORMATS = ("Mono8", "RGB8", "BGR8", "BayerRG8", "YCbCr420_8_YY_CbCr_Semiplanar")


class PatternCamera(CameraBase):
    """Gives frames whose bytes count up from the frame's id.

    >>> with PatternCamera() as camera:
    ...     frame = camera.grab()
    >>> frame.data[0, :3] - frame.id
    array([0, 1, 2], dtype=uint8)

    Reading `Slow` takes `slow_s` and waits until `let_slow_go` is set, as a driver that hangs for a while.
    """

    name = "pattern"
    features = LocalFeatures()

    def __init__(self, width: int = 640, height: int = 480, rate_hz: float = 100.0, slow_s: float = 0.0) -> None:
        self.features = LocalFeatures(lambda: self.running)
        self.statistics = StreamStatistics()
        self.running = False
        self.starts = 0
        self.slow_entered = threading.Event()
        self.let_slow_go = threading.Event()
        self.let_slow_go.set()
        self._rate_hz = rate_hz
        self._slow_s = slow_s
        self._values: dict[str, int | float | bool | str] = {
            "Width": width,
            "Height": height,
            "PixelFormat": "Mono8",
            "ExposureTime": 1000.0,
            "Gain": 0.0,
            "ReverseX": False,
            "Note": "",
        }
        self._add_features(width, height)

    @property
    def streaming(self) -> bool:
        """True while acquisition runs."""
        return self.running

    def start(self) -> None:
        """Start acquisition."""
        if self.running:
            return
        self.running = True
        self.starts += 1
        self._id = 0
        self._due_s = time.monotonic()

    def stop(self) -> None:
        """Stop acquisition."""
        self.running = False

    def close(self) -> None:
        """Stop acquisition."""
        self.stop()

    def grab(self, timeout_s: float = 5.0) -> Frame:
        """Give the next picture."""
        self.start()
        time.sleep(max(0.0, self._due_s - time.monotonic()))
        self._due_s += 1 / self._rate_hz
        self._id += 1
        pixel_format = PixelFormat.parse(str(self._values["PixelFormat"]))
        shape = pixel_format.shape(int(self._values["Width"]), int(self._values["Height"]))
        count = np.arange(256, dtype=np.uint8) + np.uint8(self._id & 0xFF)
        data = np.resize(count, shape)
        return Frame(data, pixel_format, id=self._id, timestamp_ns=time.clock_gettime_ns(time.CLOCK_BOOTTIME))

    def _add_features(self, width: int, height: int) -> None:
        integer, number = FeatureKind.INTEGER, FeatureKind.FLOAT
        image, acquisition = "ImageFormatControl", "AcquisitionControl"
        formats = MappingProxyType({name: int(PixelFormat[name]) for name in _FORMATS})
        size = {"increment": 4, "minimum": 4, "locks_while_streaming": True}
        self._add(Feature("Width", integer, image, "Width in px.", maximum=width, **size))  # type: ignore[arg-type]
        self._add(Feature("Height", integer, image, "Height in px.", maximum=height, **size))  # type: ignore[arg-type]
        pixel_format = Feature(
            "PixelFormat", FeatureKind.ENUMERATION, image, entries=formats, locks_while_streaming=True
        )
        self._add(pixel_format)
        self._add(Feature("ReverseX", FeatureKind.BOOLEAN, image, "Mirrors the picture."))
        exposure = Feature("ExposureTime", number, acquisition, "Exposure <&> time.", "us", minimum=10.0, maximum=1e5)
        self.features.add(
            exposure,
            read=lambda: self._values["ExposureTime"],
            write=lambda value: self._values.__setitem__("ExposureTime", value),
            # A narrower picture is read faster: limits that move show who caches them.
            limits=lambda: (10.0, 1e5 if self._values["Width"] == width else 1e4),
        )
        self._add(Feature("Gain", number, "AnalogControl", unit="dB", minimum=0.0, maximum=24.0))
        self._add(Feature("Note", FeatureKind.STRING, "DeviceControl", "A note."))
        self.features.add(
            Feature("Slow", integer, "DeviceControl", access=Access.READ_ONLY, minimum=0, maximum=9),
            read=self._read_slowly,
        )

    def _add(self, feature: Feature) -> None:
        name = feature.name
        self.features.add(
            feature,
            read=lambda: self._values[name],
            write=lambda value: self._values.__setitem__(name, value),
        )

    def _read_slowly(self) -> int:
        self.slow_entered.set()
        time.sleep(self._slow_s)
        self.let_slow_go.wait()
        return 7
