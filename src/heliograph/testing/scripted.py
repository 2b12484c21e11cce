"""A camera that plays a script: pictures, losses and errors in a given order."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy.typing as npt

from heliograph.core import (
    Access,
    CameraBase,
    Feature,
    FeatureKind,
    Frame,
    FramesHeldError,
    LocalFeatures,
    PixelFormat,
    SourceEndedError,
    StreamStatistics,
)


@dataclass(frozen=True, slots=True)
class Lost:
    """Frames that never arrive: their ids are skipped."""

    frames: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """A picture with packets missing, or in a format that its array alone does not tell."""

    data: npt.NDArray[Any]
    missing_packets: int = 0
    pixel_format: PixelFormat = PixelFormat.RGB8


Scene: TypeAlias = "npt.NDArray[Any] | Shot | Lost | Exception"


class ScriptedCamera(CameraBase):
    """Plays scenes, then is at its end; an array is a whole RGB8 or RGB16 picture, an exception is raised.

    It has one buffer, as the poorest network camera: whoever still holds a frame, or an array made of it, when he
    asks for the next gets `FramesHeldError`.
    """

    name = "scripted"
    features = LocalFeatures()
    streaming = True

    def __init__(self, script: Iterable[Scene]) -> None:
        self.statistics = StreamStatistics()
        self.features = LocalFeatures()
        gain = Feature("Gain", FeatureKind.FLOAT, access=Access.READ_ONLY)
        self.features.add(gain, read=lambda: 6.0)
        self.features.add(Feature("Infinite", FeatureKind.FLOAT, access=Access.READ_ONLY), read=lambda: float("inf"))
        self.features.add(Feature("TriggerSoftware", FeatureKind.COMMAND), write=lambda _: None)
        self.features.add(Feature("Unreadable", FeatureKind.FLOAT))
        self.closed = False
        self._script = iter(script)
        self._id = 0
        self._lease: weakref.ref[npt.NDArray[Any]] | None = None

    def start(self) -> None:
        """Nothing runs before the first `grab`."""

    def stop(self) -> None:
        """Nothing runs between pictures."""

    def close(self) -> None:
        """Remember that it was closed."""
        self.closed = True

    def grab(self, timeout_s: float = 5.0) -> Frame:
        """Play up to the next picture or exception."""
        if self._lease and self._lease() is not None:
            raise FramesHeldError("the frame before is still held")
        for scene in self._script:
            if isinstance(scene, Exception):
                raise scene
            self._id += scene.frames if isinstance(scene, Lost) else 1
            if not isinstance(scene, Lost):
                return self._frame(scene)
        raise SourceEndedError("the script has ended")

    def _frame(self, scene: npt.NDArray[Any] | Shot) -> Frame:
        if not isinstance(scene, Shot):
            scene = Shot(scene, pixel_format=PixelFormat.RGB16 if scene.itemsize == 2 else PixelFormat.RGB8)
        data = scene.data.copy()
        self._lease = weakref.ref(data)
        return Frame(data, scene.pixel_format, self._id, self._id * 1_000, missing_packets=scene.missing_packets)
