"""One camera, several users."""

import threading
from collections.abc import Iterator

import pytest

import heliograph
from heliograph.core import CameraLostError, Frame, FrameTimeoutError
from heliograph.node.cameras.shared import SharedCamera
from heliograph.testing.camera import PatternCamera


@pytest.fixture
def shared() -> Iterator[SharedCamera]:
    shared = SharedCamera(heliograph.open("sim://bench", width=64, height=48, frame_rate_hz=100))
    yield shared
    shared.close()


def test_all_who_want_frames_get_the_same_ones(shared: SharedCamera) -> None:
    with shared.tap() as first, shared.tap() as second:
        first.start()
        second.start()
        taken: dict[str, list[Frame]] = {"first": [], "second": []}

        def take(name: str, tap: heliograph.Camera) -> None:
            taken[name] = list(tap.frames(20))

        threads = [
            threading.Thread(target=take, args=arguments) for arguments in (("first", first), ("second", second))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    times = [{frame.timestamp_ns: frame for frame in frames} for frames in taken.values()]
    common = times[0].keys() & times[1].keys()
    assert len(common) >= 10
    for time_ns in common:
        assert times[0][time_ns].data is times[1][time_ns].data


def test_the_driver_runs_while_anybody_wants_frames(shared: SharedCamera) -> None:
    first, second = shared.tap(), shared.tap()
    assert not shared.driver.streaming
    first.grab()
    second.grab()
    first.stop()
    assert shared.driver.streaming
    assert second.grab().id > 0
    second.close()
    assert not shared.driver.streaming
    assert not first.streaming


def test_frames_of_each_tap_are_numbered_from_one(shared: SharedCamera) -> None:
    with shared.tap() as first, shared.tap() as late:
        for _ in range(5):
            first.grab()
        assert [frame.id for frame in late.frames(3)] == [1, 2, 3]
        late.stop()
        assert late.grab().id == 1
        assert late.statistics.frames == 1


def test_what_a_slow_user_misses_is_a_gap(shared: SharedCamera) -> None:
    with shared.tap() as slow, shared.tap() as fast:
        slow.grab()
        for _ in range(10):
            fast.grab()
        ids = [slow.grab().id for _ in range(3)]
        assert ids[0] > 2
        assert slow.statistics.dropped_frames >= ids[0] - 2


def test_a_lock_is_the_shared_cameras(shared: SharedCamera) -> None:
    with shared.tap() as tap:
        tap.grab()
        with pytest.raises(heliograph.HeliographError, match="Width"):
            shared.driver.features["Width"] = 32
        tap.features["ExposureTime"] = 1234
        assert shared.driver.features["ExposureTime"] == pytest.approx(1234, abs=20)
    shared.driver.features["Width"] = 32
    with shared.tap() as tap:
        assert tap.grab().width == 32


class FailingCamera(PatternCamera):
    fails = True

    def grab(self, timeout_s: float = 5.0) -> Frame:
        if self.fails:
            raise CameraLostError("the cable is out: push it in")
        return super().grab(timeout_s)


def test_a_driver_that_fails_is_told_and_tried_again() -> None:
    driver = FailingCamera()
    shared = SharedCamera(driver)
    with shared.tap() as tap:
        with pytest.raises(CameraLostError, match="cable is out"):
            tap.grab()
        tap.stop()
        driver.fails = False
        assert tap.grab().id == 1


def test_no_frame_in_time_is_told() -> None:
    with SharedCamera(heliograph.open("sim://bench", exposure_us=900_000, frame_rate_hz=1)).tap() as tap:
        tap.start()
        with pytest.raises(FrameTimeoutError, match=r"0\.01 s"):
            tap.grab(timeout_s=0.01)


def test_a_client_of_the_network_and_a_command_share_a_camera(shared: SharedCamera) -> None:
    """The tap is a camera as any other: a device serves it while another tap is read."""
    from heliograph.gige.device.server import GigeDeviceServer
    from heliograph.testing.addresses import loopback_address

    with (
        loopback_address() as address,
        shared.tap() as served,
        GigeDeviceServer(served, address),
        heliograph.open(f"gige://{address}") as client,
        shared.tap() as own,
    ):
        stream = client.frames(10)
        assert next(stream).missing_packets == 0
        picture = own.grab()
        assert picture.width == 64
        assert len(list(stream)) == 9
