"""Fixtures of the simulated camera's tests."""

from __future__ import annotations

import pytest

from heliograph.sim.camera import SimCamera
from heliograph.sim.clock import ManualClock
from heliograph.sim.rendering import Renderer
from heliograph.sim.sensor import SensorModel
from heliograph.testing.scene import DawnScene


@pytest.fixture
def clock() -> ManualClock:
    """Give a clock that no test waits for."""
    return ManualClock(now_ns=5_000_000_000)


@pytest.fixture
def small() -> SensorModel:
    """Give a sensor that renders in a millisecond: 100 frames/s at most, by its blank lines."""
    return SensorModel(width_px=320, height_px=240, line_time_ns=20_000, blank_lines=260)


@pytest.fixture
def dawn(small: SensorModel, clock: ManualClock) -> SimCamera:
    """Give a camera before a scene that tells the time, 10 frames/s by the manual clock."""
    camera = SimCamera("dawn", Renderer(DawnScene(light_per_ms=1.0), small, seed=1), small, clock)
    camera.features["AcquisitionFrameRate"] = 10
    return camera
