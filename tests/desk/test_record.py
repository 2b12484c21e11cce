from __future__ import annotations

import csv
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import tifffile

import heliograph
from heliograph.core import (
    Camera,
    CameraLostError,
    Frame,
    FramePolicy,
    FrameTimeoutError,
    OutputError,
    PixelFormat,
    SettingError,
)
from heliograph.desk.record import RecordConfig, Recording, check_output, record
from heliograph.desk.sidecar import COLUMNS
from heliograph.desk.spool import Spool
from heliograph.testing.camera import PatternCamera
from heliograph.testing.disk import disk_full_beyond

SUFFIXES = [".npy", ".tif", ".mkv", ""]


@pytest.fixture
def camera() -> Iterator[PatternCamera]:
    with PatternCamera(64, 48, rate_hz=200) as pattern:
        yield pattern


def lines(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def summary(path: Path) -> Any:
    return json.loads(path.read_text())


def first_pixels(path: Path) -> list[int]:
    """Give the first pixel of every frame: in a `PatternCamera`'s it is the frame's id."""
    match path.suffix:
        case ".npy":
            pictures = np.load(path)
        case ".tif":
            pictures = tifffile.imread(path)
        case ".mkv":
            with av.open(str(path)) as container:
                pictures = [frame.to_ndarray() for frame in container.decode(video=0)]
        case _:
            with heliograph.open(f"replay://{path}/*.png") as camera:
                pictures = [frame.data for frame in camera.frames()]
    return [int(picture[0, 0]) for picture in pictures]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_frame_is_recorded_with_its_line(camera: PatternCamera, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"flight{suffix}"
    told: list[Recording] = []
    recording = record(camera, RecordConfig(path, count=12), told.append)
    assert (recording.frames, recording.size_bytes, recording.reason) == (12, 12 * 64 * 48, "")
    assert (recording.lost_frames, recording.dropped_frames) == (0, 0)
    assert [state.frames for state in told] == list(range(1, 13))
    assert first_pixels(path) == list(range(1, 13))
    table, about = (path / "frames.csv", path / "recording.json") if not suffix else sidecars(path)
    rows = lines(table)
    assert tuple(rows[0]) == COLUMNS
    assert [(row["index"], row["id"], row["missing_packets"]) for row in rows[:2]] == [("0", "1", "0"), ("1", "2", "0")]
    assert all(int(a["timestamp_ns"]) < int(b["timestamp_ns"]) for a, b in pairwise(rows))
    assert abs(int(rows[-1]["received_ns"]) - time.time_ns()) < 60e9
    told_of = summary(about)
    assert (told_of["frames"], told_of["pixel_format"], told_of["width_px"]) == (12, "Mono8", 64)
    assert told_of["settings"]["ExposureTime"] == 1000.0
    assert {file.name for file in tmp_path.iterdir()} == {path.name} | ({table.name, about.name} if suffix else set())


def sidecars(path: Path) -> tuple[Path, Path]:
    return path.with_name(f"{path.name}.csv"), path.with_name(f"{path.name}.json")


class Scripted(PatternCamera):
    """Frames that a function makes of a `PatternCamera`'s."""

    def __init__(self, change: Callable[[Frame], Frame]) -> None:
        super().__init__(64, 48, rate_hz=1000)
        self._change = change

    def grab(self, timeout_s: float = 5.0) -> Frame:
        return self._change(super().grab(timeout_s))


def renumbered(frame: Frame) -> Frame:
    data = {"exposure_us": 12.5, "wall_time_ns": 99, "missing_packets": 3}
    return Frame(frame.data, frame.pixel_format, frame.id + 2 * (frame.id > 3), frame.timestamp_ns, **data)  # type: ignore[arg-type]


def test_what_the_frames_tell_stands_in_the_table_and_losses_are_counted(tmp_path: Path) -> None:
    with Scripted(renumbered) as camera:
        recording = record(camera, RecordConfig(tmp_path / "a.npy", count=5))
    assert (recording.lost_frames, recording.missing_packets) == (2, 15)
    rows = lines(tmp_path / "a.npy.csv")
    assert [row["id"] for row in rows] == ["1", "2", "3", "6", "7"]
    told = {"exposure_us": "12.5", "wall_time_ns": "99", "missing_packets": "3", "gain_db": "", "temperature_c": ""}
    assert {name: rows[0][name] for name in told} == told


def test_time_ends_a_recording(camera: PatternCamera, tmp_path: Path) -> None:
    recording = record(camera, RecordConfig(tmp_path / "a.npy", duration_s=0.2))
    assert 0.2 <= recording.duration_s < 5
    assert 2 <= recording.frames <= 200 * recording.duration_s + 2
    assert recording.reason == ""


def test_a_stop_keeps_what_there_is(camera: PatternCamera, tmp_path: Path) -> None:
    stop = threading.Event()

    def after_three(state: Recording) -> None:
        if state.frames == 3:
            stop.set()

    recording = record(camera, RecordConfig(tmp_path / "a.mkv", count=1000), after_three, stop)
    assert (recording.frames, recording.reason) == (3, "ended after 3 frames")
    assert first_pixels(tmp_path / "a.mkv") == [1, 2, 3]
    assert summary(tmp_path / "a.mkv.json")["reason"] == "ended after 3 frames"


def test_a_stop_is_the_end_of_a_recording_without_one(camera: PatternCamera, tmp_path: Path) -> None:
    stop = threading.Event()
    recording = record(camera, RecordConfig(tmp_path / "a.npy"), lambda _: stop.set(), stop)
    assert (recording.frames, recording.reason) == (1, "")


class Vanishing(PatternCamera):
    """Is lost after three frames."""

    def frames(self, count: int | None = None, timeout_s: float = 5.0, policy: FramePolicy = "all") -> Iterator[Frame]:
        for frame in super().frames(count, timeout_s, policy):
            if frame.id > self.last:
                raise CameraLostError("pattern is gone")
            yield frame

    last = 3


def test_a_lost_camera_leaves_what_came_before(tmp_path: Path) -> None:
    with Vanishing(64, 48, rate_hz=1000) as camera:
        recording = record(camera, RecordConfig(tmp_path / "a.tif", count=10, timeout_s=0.2))
    assert (recording.frames, recording.reason) == (3, "pattern is gone")
    assert first_pixels(tmp_path / "a.tif") == [1, 2, 3]


def test_a_camera_that_gives_nothing_leaves_nothing(tmp_path: Path) -> None:
    with Vanishing(64, 48, rate_hz=1000) as camera:
        camera.last = 0
        with pytest.raises(CameraLostError, match="pattern is gone"):
            record(camera, RecordConfig(tmp_path / "a.npy", timeout_s=0.2))
    assert not list(tmp_path.iterdir())


class Interrupted(PatternCamera):
    """Is silent for a moment after two frames."""

    silences = 0

    def frames(self, count: int | None = None, timeout_s: float = 5.0, policy: FramePolicy = "all") -> Iterator[Frame]:
        for frame in super().frames(count, timeout_s, policy):
            yield frame
            if frame.id == 2:
                self.silences += 1
                raise FrameTimeoutError("a moment")


def test_a_moment_of_silence_does_not_end_it(tmp_path: Path) -> None:
    with Interrupted(64, 48, rate_hz=1000) as camera:
        recording = record(camera, RecordConfig(tmp_path / "a.npy", count=4))
    assert (recording.frames, camera.silences, recording.reason) == (4, 1, "")


def test_a_slow_disk_drops_frames_and_tells(camera: PatternCamera, tmp_path: Path) -> None:
    # One frame of 3072 bytes fits beside none: a camera faster than the encoder has to lose some.
    with PatternCamera(2048, 1536, rate_hz=400) as fast:
        recording = record(fast, RecordConfig(tmp_path / "shots", count=5, memory_bytes=1))
    assert recording.dropped_frames > 0
    kept = [int(row["id"]) for row in lines(tmp_path / "shots" / "frames.csv")]
    assert len(kept) == 5
    assert kept[-1] == 5 + recording.dropped_frames
    assert summary(tmp_path / "shots" / "recording.json")["dropped_frames"] == recording.dropped_frames


def test_memory_comes_back_when_frames_are_written(camera: PatternCamera, tmp_path: Path) -> None:
    frame = camera.grab()
    with Spool(tmp_path / "a.npy", None, 4 * frame.data.nbytes) as spool:
        deadline_s = time.monotonic() + 30
        taken = 0
        while taken < 40:
            taken += spool.offer(frame)
            assert time.monotonic() < deadline_s
        spool.finish({})
    assert len(np.load(tmp_path / "a.npy")) == 40


@pytest.mark.parametrize("suffix", [".npy", ".tif", ".mkv"])
def test_a_full_disk_is_one_error_and_leaves_no_final_name(tmp_path: Path, suffix: str) -> None:
    path, part = tmp_path / f"a{suffix}", tmp_path / f"a-part{suffix}"
    told = rf"no room to record .*a{suffix} \(File too large.*: free some; what was written of it is .*a-part{suffix}"
    with Scripted(noisy) as source, disk_full_beyond(200_000), pytest.raises(OutputError, match=told):
        record(source, RecordConfig(path, count=2000))
    assert {file.name for file in tmp_path.iterdir()} == {part.name, f"{part.name}.csv"}
    if suffix != ".mkv":
        kept = np.load(part) if suffix == ".npy" else tifffile.imread(part, key=range(12))
        assert len(kept) > 10
        assert int(kept[3][0, 0]) == 4


@pytest.mark.parametrize("suffix", [".npy", ""])
def test_a_disk_without_room_for_one_frame_is_left_as_it_was(tmp_path: Path, suffix: str) -> None:
    told = r"no room to record .*File too large.*: free some; nothing was written"
    with Scripted(noisy) as source, disk_full_beyond(300), pytest.raises(OutputError, match=told):
        record(source, RecordConfig(tmp_path / f"a{suffix}", count=2000))
    assert not list(tmp_path.iterdir())


def noisy(frame: Frame) -> Frame:
    """Give a frame that no encoder makes small, whose first pixel is its id."""
    data = np.random.default_rng(frame.id).integers(0, 256, frame.data.shape, np.uint8)
    data[0, 0] = frame.id & 0xFF
    return Frame(data, PixelFormat.Mono8, frame.id, frame.timestamp_ns)


def test_names_that_are_taken_or_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "a.npy").touch()
    (tmp_path / "b.npy.csv").touch()
    (tmp_path / "c-part.npy").touch()
    (tmp_path / "d").mkdir()
    for name, told in {
        "a.npy": r"a\.npy exists already",
        "b.npy": r"b\.npy\.csv exists already",
        "c.npy": r"c-part\.npy is left of one that was cut off; move it away first",
        "d": "d exists already",
        "nowhere/e.npy": "there is no folder .*nowhere; make it first",
        "f.mp4": r"its name ends in \.npy",
    }.items():
        with pytest.raises(OutputError, match=told):
            check_output(tmp_path / name)


@pytest.mark.parametrize("wrong", [{"count": 0}, {"duration_s": 0}, {"timeout_s": -1}, {"memory_bytes": 0}])
def test_recordings_that_cannot_be(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match=f"{next(iter(wrong))} cannot be"):
        RecordConfig(Path("a.npy"), **wrong)


@pytest.mark.parametrize("suffix", [".npy", ".tif", ".mkv"])
def test_what_a_killed_program_recorded_can_be_read(tmp_path: Path, suffix: str) -> None:
    code = (
        "import os, sys; from pathlib import Path; from heliograph.desk.record import *;"
        "from heliograph.testing.camera import PatternCamera\n"
        "with PatternCamera(640, 480, rate_hz=200) as camera:\n"
        "    record(camera, RecordConfig(Path(sys.argv[1])), lambda state: print(state.frames, flush=True))"
    )
    words = [sys.executable, "-c", code, str(tmp_path / f"a{suffix}")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as program:
        for line in program.stdout or ():
            if int(line) == 150:
                break
        table = tmp_path / f"a-part{suffix}.csv"
        while len(table.read_text().splitlines()) < 100:
            assert program.poll() is None
        os.kill(program.pid, signal.SIGKILL)
        program.stdout.close() if program.stdout else None
    part = tmp_path / f"a-part{suffix}"
    if suffix == ".mkv":
        # What the muxer holds back is lost: clusters are written when they are full.
        assert first_pixels(part)[:3] == [1, 2, 3]
    else:
        assert len(first_pixels(part)) >= 99
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


def test_a_replay_is_recorded_to_its_end(tmp_path: Path, camera: PatternCamera) -> None:
    record(camera, RecordConfig(tmp_path / "shots", count=4))
    with heliograph.open(f"replay://{tmp_path / 'shots'}/*.png") as again:
        opened: Camera = again
        recording = record(opened, RecordConfig(tmp_path / "a.npy"))
    assert (recording.frames, recording.reason) == (4, "")
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy")[:, 0, 0], [1, 2, 3, 4])
