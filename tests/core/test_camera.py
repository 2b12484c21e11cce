"""`frames` and `with` follow from `grab` and `close`."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np

from heliograph.core import Camera, CameraBase, Frame, LocalFeatures, PixelFormat, StreamStatistics


class Counter(CameraBase):
    name = "counter"
    features = LocalFeatures()
    statistics = StreamStatistics()
    streaming = True

    def __init__(self) -> None:
        self.calls: list[str] = []

    def start(self) -> None:
        self.calls.append("start")

    def stop(self) -> None:
        self.calls.append("stop")

    def close(self) -> None:
        self.calls.append("close")

    def grab(self, timeout_s: float = 5.0) -> Frame:
        self.calls.append("grab")
        return Frame(np.zeros((2, 2), np.uint8), PixelFormat.Mono8, len(self.calls), 0, metadata=MappingProxyType({}))


def test_a_driver_is_a_camera() -> None:
    camera = Counter()
    assert isinstance(camera, Camera)
    with camera as same:
        assert same is camera
        assert [frame.id for frame in camera.frames(2)] == [2, 3]
        endless = camera.frames()
        assert next(endless).id == 5
    assert camera.calls == ["start", "grab", "grab", "start", "grab", "close"]
