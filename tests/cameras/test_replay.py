from __future__ import annotations

import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

import heliograph
from heliograph.cameras.footage import Picture, read_still
from heliograph.cameras.replay import ReplayCamera, open_camera
from heliograph.cameras.url import CameraUrl
from heliograph.core import (
    Camera,
    CameraUrlError,
    FeatureAccessError,
    FeatureValueError,
    FrameTimeoutError,
    SourceEndedError,
    SourceError,
    SourceNotFoundError,
)
from heliograph.testing.peers import missing


def write(file: Path, value: int, size: tuple[int, int] = (6, 8)) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(file), np.full((*size, 3), value, np.uint8))
    return file


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """Three pictures of values 10, 20 and 30, and a note."""
    for value in (10, 20, 30):
        write(tmp_path / "shelf" / f"shot_{value}.png", value)
    (tmp_path / "shelf" / "notes.txt").write_text("no picture")
    return tmp_path / "shelf"


def replay(location: Path | str, query: str = "") -> Camera:
    return open_camera(CameraUrl.parse(f"replay://{location}{query}"))


def values(camera: Camera, count: int | None = None) -> list[int]:
    with camera:
        return [int(frame.data.flat[0]) for frame in camera.frames(count)]


def test_folder_gives_its_pictures_in_order_and_ends(shelf: Path) -> None:
    assert values(replay(shelf)) == [10, 20, 30]


def test_pattern(shelf: Path) -> None:
    assert values(replay(f"{shelf}/*_[12]0.png")) == [10, 20]


def test_pattern_through_folders(shelf: Path) -> None:
    write(shelf / "more" / "shot_5.png", 5)
    assert sorted(values(replay(f"{shelf}/**/*.png"))) == [5, 10, 20, 30]


def test_relative_path(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shelf.parent)
    assert values(replay("shelf/*.png")) == [10, 20, 30]


def test_question_mark_in_a_pattern_is_written_percent_3f(shelf: Path) -> None:
    assert values(replay(f"{shelf}/shot_%3F0.png")) == [10, 20, 30]


def test_file_whose_name_looks_like_a_pattern(shelf: Path) -> None:
    write(shelf / "shot_[1].png", 77)
    assert values(replay(shelf / "shot_[1].png")) == [77]


def test_numbers_in_names_count_as_people_count(tmp_path: Path) -> None:
    for number in (10, 9, 100, 1):
        write(tmp_path / f"shot_{number}.png", number)
    assert values(replay(tmp_path)) == [1, 9, 10, 100]


def test_loop_begins_again(shelf: Path) -> None:
    assert values(replay(shelf, "?loop=1"), 7) == [10, 20, 30, 10, 20, 30, 10]


def test_grab_at_the_end_says_so(shelf: Path) -> None:
    with replay(shelf) as camera:
        for _ in range(3):
            camera.grab()
        with pytest.raises(SourceEndedError, match=r"no more pictures after 3: add \?loop=1"):
            camera.grab()


def test_start_after_stop_begins_at_the_first_picture_with_id_1(shelf: Path) -> None:
    with replay(shelf) as camera:
        first = [camera.grab() for _ in range(2)]
        assert [frame.id for frame in first] == [1, 2]
        camera.stop()
        again = camera.grab()
        assert (again.id, int(again.data.flat[0])) == (1, 10)
        assert camera.statistics.frames == 1


def test_frame_tells_when_it_was_delivered_and_from_which_file(shelf: Path) -> None:
    before_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    with replay(shelf) as camera:
        frame = camera.grab()
    assert before_ns <= frame.timestamp_ns <= time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    assert frame.metadata["file"] == str(shelf / "shot_10.png")


def test_sizes_may_differ_and_the_features_tell_the_first(shelf: Path) -> None:
    write(shelf / "wide.png", 9, size=(5, 40))
    with replay(shelf) as camera:
        assert [(frame.width, frame.height) for frame in camera.frames()] == [(8, 6), (8, 6), (8, 6), (40, 5)]
        names = ("SensorWidth", "SensorHeight", "Width", "Height", "PixelFormat", "AcquisitionFrameRate")
        assert [camera.features[name] for name in names] == [8, 6, 8, 6, "BGR8", 0.0]


def test_only_the_rate_can_be_set(shelf: Path) -> None:
    with replay(shelf) as camera:
        for name in set(camera.features) - {"AcquisitionFrameRate"}:
            assert camera.features[name] not in ("", None)
            with pytest.raises(FeatureAccessError, match=f"{name} is read-only"):
                camera.features[name] = camera.features[name]
        with pytest.raises(FeatureValueError, match=r"0\.0 to 10000\.0 Hz"):
            camera.features.AcquisitionFrameRate = -1
        with pytest.raises(FeatureValueError, match="the slowest is 1e-06 Hz"):
            camera.features.AcquisitionFrameRate = 1e-300


def test_given_rate_is_kept(shelf: Path) -> None:
    with replay(shelf, "?rate=100&loop=1") as camera:
        times_ns = [frame.timestamp_ns for frame in camera.frames(21)]
    # Twenty periods of 10 ms; a busy machine makes pictures late, the first one too.
    assert 0.1e9 <= times_ns[-1] - times_ns[0] < 2e9


def test_rate_can_be_set_as_any_cameras(shelf: Path) -> None:
    with heliograph.open(f"replay://{shelf}", frame_rate_hz=40) as camera:
        assert camera.features.AcquisitionFrameRate == 40.0
        times_ns = [frame.timestamp_ns for frame in camera.frames()]
    assert times_ns[2] - times_ns[0] >= 0.02e9


def test_stills_come_as_fast_as_asked_for(shelf: Path) -> None:
    begin_s = time.monotonic()
    assert len(values(replay(shelf, "?loop=1"), 200)) == 200
    assert time.monotonic() - begin_s < 5


def test_picture_due_after_the_timeout(shelf: Path) -> None:
    with replay(shelf, "?rate=0.01") as camera:
        camera.grab()
        begin_s = time.monotonic()
        with pytest.raises(FrameTimeoutError, match=r"due in 100\.0 s, waited for 0\.1 s"):
            camera.grab(timeout_s=0.1)
        assert 0.1 <= time.monotonic() - begin_s < 5


def test_a_stop_ends_the_wait_of_another_thread(shelf: Path) -> None:
    camera = replay(shelf, "?rate=0.01")
    taken: list[int] = []
    thread = threading.Thread(target=lambda: taken.extend(frame.id for frame in camera.frames(timeout_s=200)))
    thread.start()
    deadline_s = time.monotonic() + 10
    while not taken and time.monotonic() < deadline_s:
        time.sleep(0.002)
    camera.stop()
    thread.join(10)
    assert not thread.is_alive()
    assert taken == [1]
    assert not camera.streaming


class Guarded:
    """Footage that notices whether it is closed while it is read."""

    rate_hz = 0.0

    def __init__(self, first: Picture) -> None:
        self.first = first
        self.read_begun = threading.Event()
        self.reading = self.closed_while_read = False

    def rewind(self) -> None:
        pass

    def read(self) -> Picture | None:
        self.reading = True
        self.read_begun.set()
        time.sleep(0.05)
        self.reading = False
        return self.first

    def close(self) -> None:
        self.closed_while_read = self.reading


def test_files_are_not_closed_while_another_thread_reads_them(shelf: Path) -> None:
    footage = Guarded(read_still(shelf / "shot_10.png"))
    camera = ReplayCamera("guarded", footage)
    camera.on_frame(lambda frame: None)
    assert footage.read_begun.wait(10)
    camera.close()
    assert not footage.closed_while_read


def test_the_serial_number_is_that_of_the_path(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def serial(location: Path | str, query: str = "") -> str:
        with replay(location, query) as camera:
            return str(camera.features["DeviceSerialNumber"])

    monkeypatch.chdir(shelf.parent)
    assert serial(shelf) == serial("shelf") == serial("shelf", "?loop=1")
    assert serial(shelf) != serial(shelf / "shot_10.png")
    # GVCP has room for so many letters.
    assert len(serial(shelf)) < 16


@pytest.fixture
def video(tmp_path: Path) -> Path:
    file = tmp_path / "pass.avi"
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*"MJPG"), 50.0, (64, 48))
    for value in (40, 120, 200):
        writer.write(np.full((48, 64, 3), value, np.uint8))
    writer.release()
    if not file.exists() or not file.stat().st_size:
        missing("this OpenCV writes no video: pip install 'heliograph[images]'")
    return file


def test_video_gives_its_pictures_at_its_own_rate(video: Path) -> None:
    with replay(video) as camera:
        assert camera.features.AcquisitionFrameRate == pytest.approx(50.0)
        frames = list(camera.frames())
    assert [round(float(frame.data.mean()), -1) for frame in frames] == [40, 120, 200]
    assert frames[2].timestamp_ns - frames[0].timestamp_ns >= 0.02e9
    assert frames[0].pixel_format.name == "BGR8"


def test_video_loops_at_a_given_rate(video: Path) -> None:
    with replay(video, "?loop=1&rate=1000") as camera:
        means = [round(float(frame.data.mean()), -1) for frame in camera.frames(5)]
    assert means == [40, 120, 200, 40, 120]


def test_pictures_of_a_video_do_not_change_under_their_holder(video: Path) -> None:
    with replay(video, "?rate=1000") as camera:
        first = camera.grab()
        before = first.data.copy()
        camera.grab()
    np.testing.assert_array_equal(first.data, before)


@pytest.mark.parametrize(
    ("location", "error", "says"),
    [
        ("{shelf}/none.png", SourceNotFoundError, "no such file: .*none.png"),
        ("{shelf}/*.jpg", SourceNotFoundError, r"no file matches .*\*.jpg"),
        ("{shelf}/empty", SourceNotFoundError, "no picture in folder"),
        ("{shelf}/notes.txt", SourceError, "notes.txt is neither a picture nor a video"),
        ("{shelf}/*", SourceError, "notes.txt is no picture that OpenCV reads: leave it out"),
        ("", CameraUrlError, "needs a file, a folder or a pattern"),
        ("{shelf}/" + "a" * 300, SourceError, "cannot read .*: File name too long"),
        ("{shelf}?rate=-1", CameraUrlError, "rate in .* cannot be -1: possible is 0 to 10000 Hz"),
        ("{shelf}?rate=nan", CameraUrlError, "cannot be nan"),
        ("{shelf}?rate=1e-300", CameraUrlError, "cannot be 1e-300: above 0, the slowest is 1e-06 Hz"),
        ("{shelf}?rate=fast", CameraUrlError, "is no number"),
        ("{shelf}?speed=2", CameraUrlError, "knows no parameter 'speed'; it has loop, rate, canvas"),
    ],
)
def test_sources_that_cannot_be(shelf: Path, location: str, error: type[Exception], says: str) -> None:
    (shelf / "empty").mkdir()
    with pytest.raises(error, match=says):
        replay(location.format(shelf=shelf))


def test_unreadable_picture_midway_is_named(shelf: Path) -> None:
    torn = shelf / "shot_20.png"
    torn.write_bytes(torn.read_bytes()[:60])
    with replay(shelf) as camera:
        camera.grab()
        with pytest.raises(SourceError, match=r"cannot read picture .*shot_20\.png: it is cut off"):
            camera.grab()


def test_a_canvas_gives_all_pictures_one_size_and_changes_no_pixel(shelf: Path) -> None:
    write(shelf / "tall.png", 9, size=(12, 4))
    cv2.imwrite(str(shelf / "torn_grey.png"), np.full((3, 3), 77, np.uint8))
    with replay(shelf, "?canvas=20x12") as camera:
        assert [camera.features[name] for name in ("Width", "Height", "SensorWidth")] == [20, 12, 20]
        frames = list(camera.frames())
    assert {frame.data.shape for frame in frames} == {(12, 20, 3)}
    for frame, (value, rows, columns) in zip(
        frames, [(10, 6, 8), (20, 6, 8), (30, 6, 8), (9, 12, 4), (77, 3, 3)], strict=True
    ):
        top, left = (12 - rows) // 2, (20 - columns) // 2
        assert (frame.data[top : top + rows, left : left + columns] == value).all()
        assert np.count_nonzero(frame.data) == rows * columns * 3


def test_what_does_not_fit_the_canvas_is_named(shelf: Path) -> None:
    write(shelf / "wide.png", 9, size=(5, 40))
    with replay(shelf, "?canvas=20x12") as camera, pytest.raises(SourceError, match=r"wide\.png has 40x5 px, more"):
        list(camera.frames())
    cv2.imwrite(str(shelf / "a_grey.png"), np.full((3, 3), 77, np.uint8))
    with (
        replay(shelf, "?canvas=99x99") as camera,
        pytest.raises(SourceError, match=r"is BGR8, the series began with Mono8"),
    ):
        list(camera.frames())


@pytest.mark.parametrize("canvas", ["20", "0x5", "axb", "20x", "-3x4", "100000x3"])
def test_a_canvas_is_a_size(shelf: Path, canvas: str) -> None:
    with pytest.raises(CameraUrlError, match="write width and height in px, such as 2000x1500"):
        replay(shelf, f"?canvas={canvas}")
