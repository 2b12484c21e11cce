"""Cameras on the network from end to end: our client, our device, real sockets on loopback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import heliograph
from heliograph.cameras.gige import GigeCamera
from heliograph.core import (
    AddressError,
    CameraBusyError,
    CameraLostError,
    CameraNotFoundError,
    CameraUrlError,
    Clock,
    FeatureAccessError,
    FeatureValueError,
    Frame,
    FramesHeldError,
    FrameTimeoutError,
    PixelFormat,
    SettingError,
)
from heliograph.gige.device.server import GigeDeviceServer
from heliograph.testing.addresses import loopback_address
from heliograph.testing.camera import PatternCamera
from heliograph.testing.processes import children

FORMATS = ("Mono8", "RGB8", "BGR8", "BayerRG8", "NV12")
LATER_S = 20.0


@pytest.fixture(autouse=True)
def _only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELIOGRAPH_INTERFACES", "127.0.0.1")


def own_name(address: str) -> str:
    """Give a name that no other test's camera has, in the 15 bytes there are."""
    return "".join(f"{int(octet):02x}" for octet in address.split("."))


@contextmanager
def serving(address: str, rate_hz: float = 100.0, name: str = "") -> Iterator[GigeDeviceServer]:
    """Serve a camera of 640x480."""
    camera = PatternCamera(rate_hz=rate_hz)
    camera.name = f"model {own_name(address)}"
    with GigeDeviceServer(camera, address, name or own_name(address)) as server:
        yield server


@pytest.fixture
def server(address: str) -> Iterator[GigeDeviceServer]:
    """Serve a camera of 640x480 at 100 frames/s."""
    with serving(address) as server:
        yield server


def opened(url: str) -> GigeCamera:
    camera = heliograph.open(url)
    assert isinstance(camera, GigeCamera)
    return camera


def picture(frame: Frame) -> npt.NDArray[np.generic]:
    """What a `PatternCamera` shows in the frame of this id."""
    return np.resize(np.arange(256, dtype=np.uint8) + np.uint8(frame.id & 0xFF), frame.data.shape)


def until(condition: Callable[[], bool]) -> float:
    """Wait until something is so, and give how long it took in s."""
    begin_s = time.monotonic()
    while not condition():
        assert time.monotonic() - begin_s < LATER_S
        time.sleep(0.01)
    return time.monotonic() - begin_s


def by_name(server: GigeDeviceServer) -> str:
    return server.name


def by_serial(server: GigeDeviceServer) -> str:
    return server.identity.serial.lower()


def by_mac(server: GigeDeviceServer) -> str:
    return server.identity.mac.to_bytes(6, "big").hex("-").upper()


def by_model(server: GigeDeviceServer) -> str:
    return server.identity.model


def by_address(server: GigeDeviceServer) -> str:
    return server.address


@pytest.mark.parametrize("how", [by_name, by_serial, by_mac, by_model, by_address])
def test_opens_by(how: Callable[[GigeDeviceServer], str], server: GigeDeviceServer) -> None:
    with opened(f"gige://{how(server)}") as camera:
        assert camera.found.address == server.address
        assert camera.name == server.name
        assert camera.features.DeviceUserID == server.name


def test_a_name_that_several_have_lists_them(server: GigeDeviceServer) -> None:
    with loopback_address() as other, serving(other, name=server.name) as twin:
        with pytest.raises(CameraNotFoundError, match="fits several cameras") as caught:
            heliograph.open(f"gige://{server.name}")
        assert server.address in str(caught.value)
        assert twin.address in str(caught.value)
        with heliograph.open(f"gige://{twin.identity.serial}") as camera:
            assert camera.name == server.name


def test_a_name_that_nobody_has_lists_who_is_there(server: GigeDeviceServer) -> None:
    with pytest.raises(CameraNotFoundError, match="no camera answers to 'nobody'") as caught:
        heliograph.open("gige://nobody")
    assert server.address in str(caught.value)


def test_an_address_without_a_camera(address: str) -> None:
    with pytest.raises(CameraNotFoundError, match=f"no camera answers at {address}"):
        heliograph.open(f"gige://{address}")


def test_an_interface_that_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELIOGRAPH_INTERFACES", "wire7")
    with pytest.raises(AddressError, match=r"no interface 'wire7' here; there are .*lo"):
        heliograph.open("gige://cam-1")


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ("buffers=0", "buffers in .* cannot be 0"),
        ("buffers=65", "buffers in .* cannot be 65: it is a whole number, 1 to 64"),
        ("buffers=nan", "buffers in .* cannot be nan"),
        ("packet_size=1e9", "packet_size in .* cannot be 1e"),
        ("socket_buffer=-1", "socket_buffer in .* cannot be -1"),
        ("packet_size=1500.5", "cannot be 1500.5"),
        ("speed=1", "knows no parameter 'speed'"),
    ],
)
def test_parameters_that_cannot_be(parameters: str, reason: str, address: str) -> None:
    with pytest.raises(CameraUrlError, match=reason):
        heliograph.open(f"gige://{address}?{parameters}")


def test_a_url_without_a_camera() -> None:
    with pytest.raises(CameraUrlError, match="names no camera"):
        heliograph.open("gige://")


@pytest.mark.parametrize("pixel_format", FORMATS)
def test_every_pixel_of_every_format_arrives(pixel_format: str, server: GigeDeviceServer) -> None:
    with heliograph.open(f"gige://{server.address}", pixel_format=pixel_format, width=636) as camera:
        frames = list(camera.frames(5))
    wanted = PixelFormat.parse(pixel_format)
    assert [frame.id for frame in frames] == [1, 2, 3, 4, 5]
    for frame in frames:
        assert frame.pixel_format is wanted
        assert frame.data.shape == wanted.shape(636, 480)
        assert np.array_equal(frame.data, picture(frame))
        assert (frame.missing_packets, frame.clock) == (0, Clock.BOOTTIME)
        assert not frame.data.flags.writeable


def test_settings_are_applied_and_a_stream_starts_again_with_another_size(server: GigeDeviceServer) -> None:
    with opened(f"gige://{server.address}") as camera:
        for width, height in ((320, 240), (640, 480), (4, 4)):
            camera.features.Width, camera.features.Height = width, height
            frames = list(camera.frames(3))
            assert [frame.id for frame in frames] == [1, 2, 3]
            assert all(frame.data.shape == (height, width) for frame in frames)
            assert all(np.array_equal(frame.data, picture(frame)) for frame in frames)
            with pytest.raises(FeatureAccessError, match="locked while frames stream"):
                camera.features.Width = 8
            camera.stop()
    with heliograph.open(f"gige://{server.address}", width=320, exposure_us=2_000, gain_db=3) as plain:
        assert plain.features["Width"] == 320
        assert plain.features["ExposureTime"] == 2_000.0
        assert plain.features["Gain"] == 3.0


def test_an_impossible_setting_gives_the_camera_back(server: GigeDeviceServer) -> None:
    with pytest.raises(FeatureValueError, match="possible is 4 to 640 in steps of 4"):
        heliograph.open(f"gige://{server.address}", width=642)
    heliograph.open(f"gige://{server.address}").close()


def test_a_packet_size_that_the_camera_does_not_take(server: GigeDeviceServer) -> None:
    with (
        heliograph.open(f"gige://{server.address}?packet_size=100") as camera,
        pytest.raises(SettingError, match=r"packet size 100 is not possible .*576 to"),
    ):
        camera.start()


def test_statistics_count_since_the_start(server: GigeDeviceServer) -> None:
    with opened(f"gige://{server.address}") as camera:
        assert camera.statistics.frames == 0
        list(camera.frames(7))
        assert (camera.statistics.frames, camera.statistics.missing_packets) == (7, 0)
        camera.stop()
        list(camera.frames(2))
        assert camera.statistics.frames == 2


def test_frames_wait_in_order_and_grab_is_fresh(server: GigeDeviceServer) -> None:
    with opened(f"gige://{server.address}?buffers=10") as camera:
        (first,) = camera.frames(1)
        # The program thinks for as long as it takes to fill its ten buffers.
        time.sleep(0.5)
        (second,) = camera.frames(1)
        assert second.id == first.id + 1
        fresh = camera.grab()
        assert fresh.id > second.id + 8
        assert camera.statistics.dropped_frames == fresh.id - second.id - 1


def test_the_newest_frame_is_given_and_those_before_it_passed_over(server: GigeDeviceServer) -> None:
    with opened(f"gige://{server.address}?buffers=10") as camera:
        frames = camera.frames(policy="newest")
        first = next(frames)
        # As long as five frames take to arrive.
        until(lambda: time.clock_gettime_ns(time.CLOCK_BOOTTIME) > first.timestamp_ns + 150_000_000)
        second = next(frames)
        assert second.id >= first.id + 5
        assert camera.statistics.dropped_frames == second.id - first.id - 1
        assert next(frames).id > second.id


def test_frames_end_when_another_thread_stops_and_a_grab_says_so(server: GigeDeviceServer) -> None:
    with opened(f"gige://{server.address}") as camera:
        begun = threading.Event()
        ids: list[int] = []

        def take() -> None:
            for frame in camera.frames(timeout_s=60):
                ids.append(frame.id)
                begun.set()

        taking = threading.Thread(target=take)
        taking.start()
        assert begun.wait(LATER_S)
        camera.stop()
        taking.join(LATER_S)
        assert not taking.is_alive()
        assert not camera.streaming
        # It starts again when somebody wants frames.
        assert camera.grab().id >= 1


def test_settings_of_a_stream_are_applied_as_one(server: GigeDeviceServer) -> None:
    with opened(f"gige://{server.address}") as camera:
        frames = camera.frames()
        next(frames)
        before = camera.snapshot_settings()
        camera.apply({"Width": 320, "PixelFormat": "BGR8", "ExposureTime": 2_000})
        assert next(frames).data.shape == (480, 320, 3)
        camera.apply(before)
        assert next(frames).data.shape == (480, 640)
        assert camera.snapshot_settings() == before
        assert camera.streaming


IMPATIENT = """
import signal, sys, threading, time, heliograph
camera = heliograph.open(f"gige://{sys.argv[1]}")
camera.features.DeviceLinkHeartbeatTimeout = 60_000_000
camera.grab()
slow = camera._device.write_register
def tell(address, value):
    print("giving back", flush=True)
    time.sleep(0.5)
    slow(address, value)
camera._device.write_register = tell
with camera:
    print("streaming", flush=True)
    threading.Event().wait()
"""


def test_ctrl_c_twice_gives_the_camera_back(server: GigeDeviceServer) -> None:
    command = [sys.executable, "-c", IMPATIENT, server.address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as client:
        assert client.stdout is not None
        assert client.stdout.readline() == b"streaming\n"
        os.kill(client.pid, signal.SIGINT)
        assert client.stdout.readline() == b"giving back\n"
        os.kill(client.pid, signal.SIGINT)
        try:
            client.wait(60)
        finally:
            client.kill()
    # Its heartbeat would run out after a minute.
    heliograph.open(f"gige://{server.address}").close()


FORGETFUL = """
import atexit, sys, heliograph
camera = heliograph.open(f"gige://{sys.argv[1]}")
camera.features.DeviceLinkHeartbeatTimeout = 60_000_000
atexit.register(camera.close)
"""


def test_a_camera_can_be_given_back_while_the_interpreter_ends(server: GigeDeviceServer) -> None:
    command = [sys.executable, "-c", FORGETFUL, server.address]
    assert subprocess.run(command, capture_output=True, check=True).stderr == b""
    heliograph.open(f"gige://{server.address}").close()


def test_frames_stay_as_they_are_while_they_are_held(server: GigeDeviceServer) -> None:
    with heliograph.open(f"gige://{server.address}?buffers=6") as camera:
        held = [frame for _, frame in zip(range(4), camera.frames(), strict=False)]
        for _ in camera.frames(20):
            pass
        assert all(np.array_equal(frame.data, picture(frame)) for frame in held)
    # The camera is closed, and so is the ring.
    assert all(np.array_equal(frame.data, picture(frame)) for frame in held)


def test_who_holds_too_many_is_told(server: GigeDeviceServer) -> None:
    with heliograph.open(f"gige://{server.address}?buffers=3") as camera:
        held = list(camera.frames(3))
        with pytest.raises(FramesHeldError, match="holds 3 frames and may hold 3"):
            camera.grab()
        held.pop()
        assert camera.grab().id > held[-1].id


def test_no_frame_in_time(address: str) -> None:
    with serving(address, rate_hz=1.0), heliograph.open(f"gige://{address}") as camera:
        first_id = camera.grab().id
        with pytest.raises(FrameTimeoutError, match=r"no frame of .* arrived within 0.3 s"):
            camera.grab(timeout_s=0.3)
        assert camera.grab().id > first_id


def test_an_exposure_longer_than_the_timeout_is_told(address: str) -> None:
    with serving(address, rate_hz=1.0), opened(f"gige://{address}") as camera:
        camera.features.ExposureTime = 100_000
        camera.grab()
        with pytest.raises(FrameTimeoutError, match=r"its ExposureTime is 0.1 s, so wait longer or shorten it"):
            camera.grab(timeout_s=0.1)


def test_a_camera_that_waits_for_its_trigger_says_so(server: GigeDeviceServer) -> None:
    with opened(f"gige://{server.address}") as camera:
        camera.apply({"TriggerMode[FrameStart]": "On", "TriggerSource[FrameStart]": "Software"})
        with pytest.raises(FrameTimeoutError, match="its TriggerMode is On, and nothing came from Software"):
            camera.grab(timeout_s=0.2)


def test_the_loser_learns_who_has_the_camera(server: GigeDeviceServer) -> None:
    with opened(f"gige://{server.address}") as winner:
        host, port = winner._device._socket.getsockname()
        with pytest.raises(CameraBusyError, match=rf"is controlled by {host}:{port}:"):
            heliograph.open(f"gige://{server.address}")
        assert winner.grab().missing_packets == 0
    with heliograph.open(f"gige://{server.address}") as loser:
        assert loser.grab().missing_packets == 0


KILLED_CLIENT = """
import sys, heliograph
camera = heliograph.open(f"gige://{sys.argv[1]}")
camera.features.DeviceLinkHeartbeatTimeout = 500_000
camera.grab()
print("streaming", flush=True)
sys.stdin.read()
"""


def test_a_killed_client_gives_the_camera_back_within_its_heartbeat(server: GigeDeviceServer) -> None:
    command = [sys.executable, "-c", KILLED_CLIENT, server.address]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
        assert client.stdout is not None
        assert client.stdout.readline() == b"streaming\n"
        with pytest.raises(CameraBusyError):
            heliograph.open(f"gige://{server.address}")
        os.kill(client.pid, signal.SIGKILL)

    def free() -> bool:
        try:
            heliograph.open(f"gige://{server.address}").close()
        except CameraBusyError:
            return False
        return True

    # The heartbeat's 0.5 s, and room for a busy machine: far less than the usual 3 s plus as much.
    assert until(free) < 3.0


def test_a_camera_that_goes_away_is_lost_in_bounded_time(address: str) -> None:
    with serving(address) as server, heliograph.open(f"gige://{address}") as camera:
        camera.grab()
        server.close()
        begin_s = time.monotonic()
        with pytest.raises(CameraLostError, match="is lost: the camera does not answer any more"):
            for _ in camera.frames(timeout_s=60):
                pass
        # A heartbeat a second, five tries of 0.5 s each.
        assert time.monotonic() - begin_s < 10
        begin_s = time.monotonic()
        camera.close()
        assert time.monotonic() - begin_s < 2


def test_a_camera_that_was_restarted_says_so_and_opens_again(address: str) -> None:
    with serving(address) as server:
        with heliograph.open(f"gige://{address}") as camera:
            camera.grab()
            server.close()
            server.start()
            with pytest.raises(CameraLostError, match=r"took control back .* open it again"):
                for _ in camera.frames(timeout_s=60):
                    pass
        with heliograph.open(f"gige://{address}") as camera:
            assert camera.grab().id >= 1


def test_nothing_is_left_behind(server: GigeDeviceServer) -> None:
    def everything() -> tuple[list[str], list[int], list[str]]:
        threads = sorted(thread.name for thread in threading.enumerate())
        # The device's own sockets stay; what counts is that there are no more than before.
        return threads, sorted(children(os.getpid())), descriptors()

    with heliograph.open(f"gige://{server.address}") as camera:
        camera.grab()
        camera.stop()
    # Once before: modules, caches and the like are here to stay.
    before = everything()
    for _ in range(2):
        with heliograph.open(f"gige://{server.address}") as camera:
            frame = camera.grab()
            camera.stop()
            camera.grab()
        del frame
    until(lambda: everything() == before)


def descriptors() -> list[str]:
    """Give what the open descriptors of this process are: socket, pipe and so on."""
    kinds = []
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the one that lists them
            kinds.append(str(link.readlink()).partition(":")[0])
    return sorted(kinds)
