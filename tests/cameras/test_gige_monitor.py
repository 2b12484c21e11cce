"""Several programs watch one camera: one controls it, the others read and receive what goes to a multicast group."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import heliograph
from heliograph.cameras.gige import GigeCamera
from heliograph.core import CameraBusyError, CameraUrlError, FeatureAccessError, FrameTimeoutError
from heliograph.gige.device.server import GigeDeviceServer
from heliograph.testing.camera import PatternCamera

GROUP = "239.192.7.1"


@pytest.fixture(autouse=True)
def _only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELIOGRAPH_INTERFACES", "127.0.0.1")


@pytest.fixture
def server(address: str) -> Iterator[GigeDeviceServer]:
    with GigeDeviceServer(PatternCamera(), address) as server:
        yield server


def watching(address: str) -> GigeCamera:
    camera = heliograph.open(f"gige://{address}", control=False)
    assert isinstance(camera, GigeCamera)
    return camera


def test_a_monitor_reads_while_another_controls_and_writes_nothing(server: GigeDeviceServer) -> None:
    with heliograph.open(f"gige://{server.address}", width=320), watching(server.address) as monitor:
        assert monitor.features["Width"] == 320
        with pytest.raises(FeatureAccessError, match="opened without control"):
            monitor.features["Width"] = 640
        with pytest.raises(FeatureAccessError, match="opened without control"):
            monitor.features.execute("AcquisitionStart")


def test_a_camera_that_nobody_controls_is_left_to_others(server: GigeDeviceServer) -> None:
    with watching(server.address), heliograph.open(f"gige://{server.address}?control=1") as camera:
        assert camera.grab().missing_packets == 0


def test_monitors_see_the_frames_of_the_controller(server: GigeDeviceServer) -> None:
    with heliograph.open(f"gige://{server.address}?multicast={GROUP}", width=320) as camera:
        camera.start()
        with watching(server.address) as first, heliograph.open(f"gige://{server.address}?control=0") as second:
            seen = [[(frame.id, frame.data.copy()) for frame in monitor.frames(5)] for monitor in (first, second)]
            for frames_of_one in seen:
                for number, data in frames_of_one:
                    assert data.shape == (480, 320)
                    assert np.array_equal(data[0, :4], (np.arange(4) + number).astype(np.uint8))
            # Ids are those that the controller sees.
            now_id = camera.grab().id
            assert all(now_id - 1000 < number <= now_id for frames in seen for number, _ in frames)
        # Who stops watching stops nothing.
        assert camera.grab().id > now_id


def test_monitors_follow_when_the_controller_changes_the_shape_or_stops(server: GigeDeviceServer) -> None:
    with heliograph.open(f"gige://{server.address}?multicast={GROUP}") as camera:
        camera.start()
        with watching(server.address) as monitor:
            frames = monitor.frames()
            assert next(frames).data.shape == (480, 640)
            camera.apply({"Width": 320})
            assert [frame.data.shape for frame, _ in zip(frames, range(20), strict=False)][-1] == (480, 320)
            camera.stop()
            with pytest.raises(FrameTimeoutError, match=r"does not stream.*from the client that has control"):
                monitor.grab(timeout_s=0.3)
            camera.start()
            assert monitor.grab().data.shape == (480, 320)


def test_a_stream_to_one_client_cannot_be_watched(server: GigeDeviceServer) -> None:
    with heliograph.open(f"gige://{server.address}") as camera, watching(server.address) as monitor:
        with pytest.raises(CameraBusyError, match=r"does not stream.*multicast=239\.192\.1\.1"):
            monitor.grab()
        camera.grab()
        with pytest.raises(CameraBusyError, match=r"streams to 127\.0\.0\.1 alone: .*multicast=239\.192\.1\.1"):
            monitor.grab()


@pytest.mark.parametrize("group", ["192.168.1.7", "all"])
def test_a_group_that_is_none(group: str) -> None:
    with pytest.raises(CameraUrlError, match=f"multicast in .* cannot be '{group}'"):
        heliograph.open(f"gige://127.0.0.1?multicast={group}")


def test_keywords_and_url_say_the_same(server: GigeDeviceServer) -> None:
    with heliograph.open(f"gige://{server.address}"):
        with watching(server.address) as said, heliograph.open(f"gige://{server.address}?control=0") as written:
            assert isinstance(written, GigeCamera)
            assert not said.controls
            assert not written.controls
        with pytest.raises(CameraBusyError):
            heliograph.open(f"gige://{server.address}")
    # A camera of this machine has nobody else who could control it.
    with heliograph.open("sim://bench", control=False, reconnect=True) as simulated:
        simulated.features["Gain"] = 1
