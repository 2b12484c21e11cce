"""A camera whose frames carry its intrinsics."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from heliograph.core import (
    CalibrationError,
    Camera,
    CameraBase,
    CameraLostError,
    Feature,
    FeatureAccessError,
    Features,
    FeatureValue,
    Frame,
    FramePolicy,
    FrameTimeoutError,
    Geometry,
    Intrinsics,
    StreamStatistics,
)
from heliograph.core.state import calibration_file

# What can move a picture on the sensor without stopping the stream: frames under way would get intrinsics of others.
_MOVING = ("OffsetX", "OffsetY", "ReverseX", "ReverseY", "UserSetLoad")


def calibrated(camera: Camera, calibration: str | Path) -> Camera:
    """Give `camera` with frames that carry intrinsics: of a file, or with "auto" of what `heliograph calibrate` saved.

    Raises `SourceNotFoundError` when there are none, `CalibrationError` when they are of another camera or sensor.
    """
    serial = _serial(camera)
    path = calibration_file(serial) if calibration == "auto" else Path(calibration)
    lens = Intrinsics.load(path)
    if calibration == "auto" and lens.serial != serial:
        raise CalibrationError(f"{path} is of camera {lens.serial or 'unknown'}, not of {serial}: calibrate this one")
    lens.adapted(Geometry.of(camera.features))
    return CalibratedCamera(camera, lens)


def _serial(camera: Camera) -> str:
    return str(camera.features["DeviceSerialNumber"]) if "DeviceSerialNumber" in camera.features else ""


class CalibratedCamera(CameraBase):
    """Another camera, whose frames it gives with intrinsics for their region, binning and mirroring.

    While frames stream, the region cannot be moved nor the picture mirrored: stop first.
    """

    def __init__(self, camera: Camera, lens: Intrinsics) -> None:
        self._camera = camera
        self._lens = lens
        self._present: Intrinsics | None = None
        self._features = _Guarded(camera)

    @property
    def name(self) -> str:
        """That of the camera."""
        return self._camera.name

    @cached_property  # IPython completes behind no plain property
    def features(self) -> Features:
        """Those of the camera."""
        return self._features

    @property
    def streaming(self) -> bool:
        """True while acquisition runs."""
        return self._camera.streaming

    @property
    def statistics(self) -> StreamStatistics:
        """Those of the camera."""
        return self._camera.statistics

    def start(self) -> None:
        """Start acquisition."""
        if not self._camera.streaming:
            self._present = self._lens.adapted(Geometry.of(self._camera.features))
            self._camera.start()

    def stop(self) -> None:
        """Stop acquisition."""
        self._camera.stop()

    def close(self) -> None:
        """Give the camera back."""
        self._camera.close()

    def grab(self, timeout_s: float = 5.0) -> Frame:
        """Give the next picture, with intrinsics."""
        self.start()
        return self._stamped(self._camera.grab(timeout_s))

    def frames(self, count: int | None = None, timeout_s: float = 5.0, policy: FramePolicy = "all") -> Iterator[Frame]:
        """Give frame after frame, with intrinsics."""
        self.start()
        taken = 0
        while self._runs():
            before, restarts = taken, self._restarts
            try:
                for frame in self._camera.frames(None if count is None else count - taken, timeout_s, policy):
                    taken += 1
                    yield self._stamped(frame)
            except (CameraLostError, FrameTimeoutError):
                if self._runs() and self._restarts == restarts:
                    raise
            # The camera's own series ends where settings stop the stream only to start it again; a replay's for good.
            if taken == count or (taken == before and self._restarts == restarts):
                return

    def _stamped(self, frame: Frame) -> Frame:
        lens = self._present
        if lens is None or (lens.width, lens.height) != (frame.width, frame.height):
            raise CalibrationError(
                f"the intrinsics are not of pictures of {frame.width}x{frame.height} px: all pictures need the size "
                "that the camera had when the stream began"
            )
        return replace(frame, intrinsics=lens)

    def __getattr__(self, name: str) -> Any:
        # What only cameras of one kind have.
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._camera, name)


class _Guarded(Features):
    """A camera's features, of which some keep still while frames stream."""

    def __init__(self, camera: Camera) -> None:
        self._camera = camera

    def names(self) -> list[str]:
        return self._camera.features.names()

    def describe(self, name: str) -> Feature:
        feature = self._camera.features.describe(name)
        return replace(feature, locks_while_streaming=True) if name in _MOVING else feature

    def __getitem__(self, name: str) -> FeatureValue:
        return self._camera.features[name]

    def __setitem__(self, name: str, value: object) -> None:
        self._check(name)
        self._camera.features[name] = value

    def execute(self, name: str) -> None:
        self._check(name)
        self._camera.features.execute(name)

    def _check(self, name: str) -> None:
        if name in _MOVING and self._camera.streaming:
            raise FeatureAccessError(f"{name} would move the picture under its intrinsics: stop acquisition first")
