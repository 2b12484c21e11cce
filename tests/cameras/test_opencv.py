from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

import heliograph
from heliograph.cameras.videostream import without_password
from heliograph.core import (
    Camera,
    CameraLostError,
    CameraNotFoundError,
    CameraUrlError,
    FeatureAccessError,
    Frame,
    FrameTimeoutError,
    SourceError,
)
from heliograph.testing.broadcast import Broadcast, MjpegServer, RtspServer, pictures

SERVERS = [MjpegServer, RtspServer]


@pytest.fixture(params=SERVERS, ids=["mjpeg", "rtsp"])
def server(request: pytest.FixtureRequest) -> Iterator[Broadcast]:
    with request.param() as broadcast:
        yield broadcast


def level(frame: Frame) -> int:
    """Give the number of the picture, modulo 32."""
    return round(float(frame.data.mean()) / 8)


def grab_until_it_fails(camera: Camera) -> None:
    """Take what is still on its way, then what fails."""
    while True:
        camera.grab(timeout_s=0.5)


def test_frames_come_in_order_and_keep_their_pixels(server: Broadcast) -> None:
    with heliograph.open(server.url) as camera:
        frames = list(camera.frames(10))
    ids = [frame.id for frame in frames]
    assert ids == list(range(ids[0], ids[0] + 10))
    # Each picture is 8 brighter than the one before; decoded JPEG is off by 1 at most.
    assert [(level(frame) - level(frames[0])) % 32 for frame in frames] == list(range(10))
    assert all(np.ptp(frame.data.astype(int)) <= 2 for frame in frames)
    assert (frames[0].data.shape, frames[0].pixel_format.name) == ((48, 64, 3), "BGR8")


def test_a_frame_is_timestamped_when_it_arrives(server: Broadcast) -> None:
    with heliograph.open(server.url) as camera:
        camera.grab()
        before_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        frame = camera.grab()
        assert before_ns <= frame.timestamp_ns <= time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def test_what_the_stream_says_is_told_and_cannot_be_set(server: Broadcast) -> None:
    with heliograph.open(server.url) as camera:
        told = [camera.features[name] for name in ("Width", "Height", "PixelFormat")]
        assert told == [64, 48, "BGR8"]
        assert camera.features.describe("Width").maximum == 64
        with pytest.raises(FeatureAccessError, match="Width is read-only"):
            camera.features.Width = 32


def test_old_frames_do_not_pile_up_behind_a_slow_program(server: Broadcast) -> None:
    with heliograph.open(server.url) as camera:
        seen = [camera.grab().id]
        pause = threading.Event()
        for _ in range(3):
            pause.wait(0.5)  # a program that works for 25 frames
            frame = next(camera.frames(1))
            age_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - frame.timestamp_ns
            seen.append(frame.id)
        # Frames that pile up would make it 1.5 s; four of them are 80 ms, on a machine that is not busy.
        assert age_ns < 1e9
        assert camera.statistics.dropped_frames == seen[-1] - seen[0] - 3 > 0


def test_the_stream_goes_on_after_the_server_was_restarted(server: Broadcast, caplog: pytest.LogCaptureFixture) -> None:
    with heliograph.open(server.url) as camera:
        frames = camera.frames(timeout_s=30)
        taken = [next(frames)]
        server.stop()
        back = threading.Timer(0.5, server.start)
        back.start()
        while "is back after" not in caplog.text:
            taken.append(next(frames))
        back.join()
        taken += [next(frames) for _ in range(5)]
        before, after = max(pairwise(taken), key=lambda pair: pair[1].timestamp_ns - pair[0].timestamp_ns)
        assert after.timestamp_ns - before.timestamp_ns >= 0.4e9
        # The outage alone: half a second, at the 25 frames/s that motion JPEG says or at the 50 of the other.
        assert after.id - before.id >= 10
        assert camera.statistics.dropped_frames >= after.id - before.id - 1
        assert camera.statistics.reconnects == 1
        camera.stop()
        camera.start()
        assert camera.statistics.reconnects == 1, "counted since it was opened"
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert "is lost, trying again" in caplog.text
    assert "is back after" in caplog.text


def test_a_camera_that_stays_away_is_lost_and_tried_on(server: Broadcast) -> None:
    with heliograph.open(server.url) as camera:
        camera.grab()
        server.stop()
        with pytest.raises(CameraLostError, match=r"is lost: (its stream ended|nothing answers at 127)"):
            grab_until_it_fails(camera)
        server.start()
        assert camera.grab(timeout_s=30).id > 0


def test_a_stopped_camera_starts_anew(server: Broadcast) -> None:
    with heliograph.open(server.url) as camera:
        camera.start()
        assert camera.streaming
        for _ in range(2):
            next(camera.frames(1))
        camera.stop()
        assert not camera.streaming
        next(camera.frames(1))
        assert camera.statistics.frames == 1


def test_a_stop_ends_the_wait_of_another_thread() -> None:
    with MjpegServer() as server, heliograph.open(server.url) as camera:
        camera.grab()
        server.silent.set()
        stopper = threading.Timer(0.2, camera.stop)
        stopper.start()
        begin_s = time.monotonic()
        assert list(camera.frames(timeout_s=60))[5:] == []
        assert time.monotonic() - begin_s < 30
        server.silent.clear()
        stopper.join()


def test_silence_is_a_timeout() -> None:
    with MjpegServer() as server, heliograph.open(server.url) as camera:
        camera.grab()
        server.silent.set()
        with pytest.raises(FrameTimeoutError, match=r"within 0\.5 s"):
            grab_until_it_fails(camera)
        server.silent.clear()


@pytest.mark.parametrize("kind", SERVERS)
def test_user_and_password_are_used_and_never_shown(
    kind: type[Broadcast], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with kind(credentials="keeper:s3cr3t") as server:
        entered = server.url.replace("://", "://keeper:s3cr3t@")
        with heliograph.open(entered) as camera:
            assert camera.grab().data.shape == (48, 64, 3)
            assert camera.name == server.url
            server.stop()
            with pytest.raises(CameraLostError) as lost:
                grab_until_it_fails(camera)
            server.start()
        with pytest.raises(CameraNotFoundError, match="check its path, user and password") as refused:
            heliograph.open(server.url.replace("://", "://keeper:wr0ng@"))
    told = f"{lost.value} {refused.value} {caplog.text} {capfd.readouterr()}"
    assert "s3cr3t" not in told
    assert "wr0ng" not in told


@pytest.mark.parametrize("scheme", ["http", "rtsp"])
def test_a_host_that_does_not_answer(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(
        CameraNotFoundError, match=rf"nothing answers at 127\.0\.0\.1 port {port} \(Connection refused\)"
    ):
        heliograph.open(f"{scheme}://127.0.0.1:{port}/camera")


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("rtsp://", "names no host"),
        ("http:///stream", "names no host"),
        ("http://a:b/", "is no URL"),
        ("http://user:secret@[::1/", "'http://' is no URL"),
        ("http://a..b/", "is no URL"),
        ("http://" + "a" * 64 + "/", "is no URL"),
    ],
)
def test_urls_that_name_no_host(url: str, told: str) -> None:
    with pytest.raises(CameraUrlError, match=told):
        heliograph.open(url)


def test_a_password_with_an_at_sign_is_hidden_whole() -> None:
    assert without_password("rtsp://a:p@ss@host/x") == "rtsp://host/x"


def test_a_password_among_the_parameters_is_hidden() -> None:
    shown = without_password("http://host/v.cgi?user=a&Password=p%20w&size=2&access_token=t")
    assert shown == "http://host/v.cgi?user=a&Password=***&size=2&access_token=***"


@pytest.fixture
def film(tmp_path: Path) -> Path:
    file = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*"MJPG"), 50.0, (64, 48))
    for picture, _ in zip(pictures(), range(4), strict=False):
        writer.write(np.asarray(cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)))
    writer.release()
    return file


def test_file_urls_are_replayed(film: Path) -> None:
    with heliograph.open(f"file://{film}") as camera:
        assert [level(frame) for frame in camera.frames()] == [0, 1, 2, 3]


def test_a_film_on_a_web_server_is_no_camera(film: Path) -> None:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(film.parent))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(SourceError, match=r"is a file that ends.*replay://FILE"):
            heliograph.open(f"http://127.0.0.1:{server.server_port}/film.avi")
        server.shutdown()
