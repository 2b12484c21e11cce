"""What a camera says of its frames reaches the program that takes them."""

from __future__ import annotations

import time

import pytest

import heliograph
from heliograph.gige.device.server import GigeDeviceServer


@pytest.mark.parametrize("extended", ["Off", "On"])
def test_frames_carry_what_our_camera_knows_of_them(address: str, extended: str) -> None:
    with (
        heliograph.open("sim://test-card", width=320, height=240, pixel_format="Mono8") as sensor,
        GigeDeviceServer(sensor, address, "cam-1"),
        heliograph.open(f"gige://{address}", exposure_us=1500, gain_db=3.0) as camera,
    ):
        camera.features["GevGVSPExtendedIDMode"] = extended
        for frame in camera.frames(5):
            assert frame.missing_packets == 0
            assert frame.exposure_us == pytest.approx(1500, rel=0.01)
            assert frame.gain_db == pytest.approx(3.0, rel=0.01)
            assert frame.wall_time_ns is not None
            assert abs(frame.wall_time_ns - time.time_ns()) < 60_000_000_000
            assert frame.metadata["ChunkTimestamp"] == frame.timestamp_ns
            assert frame.metadata["ChunkFrameID"] == frame.id
            assert frame.data.shape == (240, 320)


def test_chunks_stay_off_where_they_are_not_wanted(address: str) -> None:
    with (
        heliograph.open("sim://test-card", width=320, height=240, pixel_format="Mono8") as sensor,
        GigeDeviceServer(sensor, address, "cam-1"),
        heliograph.open(f"gige://{address}?chunks=0") as camera,
    ):
        frame = camera.grab()
        assert frame.exposure_us is None
        assert not camera.features["ChunkModeActive"]
