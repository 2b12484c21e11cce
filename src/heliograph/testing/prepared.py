"""A camera that costs nothing: frames prepared beforehand, served by a process of its own.

It waits for its link where a sensor would drop frames, so that a gap in what arrives is the receiver's doing.

    python -m heliograph.testing.prepared 127.0.0.1 cam-1 2028 1520 25

Prints a line when it serves and ends when its input ends.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from heliograph.core import (
    CameraBase,
    Feature,
    FeatureKind,
    Frame,
    FrameTimeoutError,
    LocalFeatures,
    PixelFormat,
    StreamStatistics,
)
from heliograph.gige.device.server import GigeDeviceServer

_NV12 = PixelFormat.parse("NV12")
_PICTURES = 4


class PreparedCamera(CameraBase):
    """Gives NV12 frames at a rate, the same four pictures in turn; frame `n` shows picture `n % 4`.

    >>> with PreparedCamera(64, 48, rate_hz=100) as camera:
    ...     (camera.grab().data == prepared_picture(64, 48, 1)).all()
    np.True_
    """

    name = "prepared"
    features = LocalFeatures()

    def __init__(self, width: int, height: int, rate_hz: float) -> None:
        self.statistics = StreamStatistics()
        self.features = LocalFeatures()
        self._pictures = [prepared_picture(width, height, number) for number in range(_PICTURES)]
        self._period_ns = round(1e9 / rate_hz)
        self._started_ns: int | None = None
        self._id = 0
        self._add(Feature("Width", FeatureKind.INTEGER, minimum=width, maximum=width), width)
        self._add(Feature("Height", FeatureKind.INTEGER, minimum=height, maximum=height), height)
        self._add(Feature("PixelFormat", FeatureKind.ENUMERATION, entries={_NV12.name: int(_NV12)}), _NV12.name)

    @property
    def streaming(self) -> bool:
        """True while acquisition runs."""
        return self._started_ns is not None

    def start(self) -> None:
        """Start acquisition."""
        if self._started_ns is None:
            self._started_ns, self._id = time.monotonic_ns(), 0

    def stop(self) -> None:
        """Stop acquisition."""
        self._started_ns = None

    def close(self) -> None:
        """Stop acquisition."""
        self.stop()

    def grab(self, timeout_s: float = 5.0) -> Frame:
        """Give the next picture."""
        self.start()
        due_ns = (self._started_ns or 0) + (self._id + 1) * self._period_ns
        wait_s = (due_ns - time.monotonic_ns()) / 1e9
        if wait_s > timeout_s:
            time.sleep(timeout_s)
            raise FrameTimeoutError(f"the next picture is {wait_s:g} s away")
        time.sleep(max(0.0, wait_s))
        self._id += 1
        picture = self._pictures[self._id % _PICTURES]
        return Frame(picture, _NV12, self._id, time.clock_gettime_ns(time.CLOCK_BOOTTIME))

    def _add(self, feature: Feature, value: int | str) -> None:
        self.features.add(feature, read=lambda: value)


def prepared_picture(width: int, height: int, number: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Give the picture that frames of this number modulo 4 show: noise, so that no two parts are alike."""
    return np.random.default_rng(number % _PICTURES).integers(0, 256, _NV12.shape(width, height), np.uint8)


def main(arguments: list[str]) -> None:
    """Serve a camera at an address under a name until standard input ends."""
    address, name, width, height, rate_hz = arguments
    with GigeDeviceServer(PreparedCamera(int(width), int(height), float(rate_hz)), address, name):
        sys.stdout.write(f"{name} at {address}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1:])
