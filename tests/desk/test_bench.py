from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

import heliograph
from heliograph.core import CameraLostError, Feature, FeatureKind, Frame, FramePolicy, PixelFormat, SettingError
from heliograph.core.settings import snapshot
from heliograph.desk.bench import BenchConfig, Cell, bench, link_mb_per_s
from heliograph.testing.broadcast import MjpegServer
from heliograph.testing.camera import PatternCamera

MONO8 = (PixelFormat.Mono8,)
SMALL = ((64, 48),)


@pytest.fixture
def camera() -> Iterator[PatternCamera]:
    with PatternCamera(640, 480, rate_hz=100) as pattern:
        yield pattern


def test_every_format_is_measured_at_full_half_and_quarter_size(camera: PatternCamera) -> None:
    told: list[tuple[int, int, Cell]] = []
    cells = bench(camera, BenchConfig(0.02), lambda *each: told.append(each))
    names = list(camera.features.describe("PixelFormat").entries)
    sizes = [(640, 480), (320, 240), (160, 120)]
    assert [(cell.pixel_format, (cell.width_px, cell.height_px)) for cell in cells] == [
        (name, size) for name in names for size in sizes
    ]
    assert told == [(number, len(cells), cell) for number, cell in enumerate(cells, start=1)]


def test_rates_are_those_of_the_camera(camera: PatternCamera) -> None:
    (cell,) = bench(camera, BenchConfig(0.5, MONO8))[:1]
    # The camera waits for its next picture, and catches up when the machine stood still.
    assert 30 < cell.frame_rate_hz < 130
    assert cell.mb_per_s == pytest.approx(cell.frame_rate_hz * 640 * 480 / 1e6)
    assert cell.link_percent == pytest.approx(100 * cell.mb_per_s / 119.0, rel=1e-3)
    assert cell.frames / cell.frame_rate_hz == pytest.approx(0.5, abs=0.3)
    assert 0 < cell.cpu_percent < 200
    assert (cell.dropped_frames, cell.incomplete_frames, cell.missing_packets, cell.error) == (0, 0, 0, "")


def test_settings_are_put_back(camera: PatternCamera) -> None:
    camera.features.Width = 320
    camera.features.PixelFormat = "BGR8"
    before = snapshot(camera.features)
    bench(camera, BenchConfig(0.02, MONO8, SMALL))
    assert snapshot(camera.features) == before
    assert not camera.streaming


def test_the_rate_is_raised_as_far_as_it_goes_and_put_back(camera: PatternCamera) -> None:
    rates = [5.0]
    rate = Feature("AcquisitionFrameRate", FeatureKind.FLOAT, minimum=1.0, maximum=90.0)
    camera.features.add(rate, lambda: rates[-1], rates.append)
    bench(camera, BenchConfig(0.02, MONO8, SMALL))
    assert rates == [5.0, 90.0, 5.0]


def test_a_size_that_the_camera_refuses_is_told_and_the_others_measured(camera: PatternCamera) -> None:
    wrong, right = bench(camera, BenchConfig(0.02, MONO8, ((99_999, 48), (64, 48))))
    assert "Width cannot be 99999: possible is 4 to 640" in wrong.error
    assert (wrong.frames, right.error) == (0, "")
    assert right.frames > 0


def test_a_format_that_the_camera_has_not(camera: PatternCamera) -> None:
    with pytest.raises(SettingError, match="pattern gives no Mono12; it has Mono8, RGB8"):
        bench(camera, BenchConfig(formats=(PixelFormat.Mono12,)))


def test_a_stop_ends_it_after_a_cell(camera: PatternCamera) -> None:
    stop = threading.Event()
    assert len(bench(camera, BenchConfig(0.02), lambda *_: stop.set(), stop)) == 1


class Losing(PatternCamera):
    """Is lost at once."""

    def frames(self, count: int | None = None, timeout_s: float = 5.0, policy: FramePolicy = "all") -> Iterator[Frame]:
        raise CameraLostError("pattern is gone")


def test_a_lost_camera_ends_it() -> None:
    with Losing() as camera, pytest.raises(CameraLostError, match="pattern is gone"):
        bench(camera, BenchConfig(0.02))


def test_processes_that_work_for_this_one_are_told_apart(camera: PatternCamera) -> None:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as busy:
        try:
            (cell,) = bench(camera, BenchConfig(0.5, MONO8, SMALL))
        finally:
            busy.kill()
    assert cell.receiver_cpu_percent > 5
    assert cell.cpu_percent < 90


def test_what_cannot_be_set_is_measured_as_it_is() -> None:
    with MjpegServer() as server, heliograph.open(server.url) as camera:
        (cell,) = bench(camera, BenchConfig(0.3))
    assert (cell.pixel_format, cell.width_px, cell.height_px) == ("BGR8", 64, 48)
    assert 10 < cell.frame_rate_hz < 80


@pytest.mark.parametrize(
    ("mbit_per_s", "packet_bytes", "limit"), [(1000, 1500, 118.99), (1000, 9000, 123.98), (100, 1500, 11.899)]
)
def test_the_limit_of_a_link(mbit_per_s: float, packet_bytes: int, limit: float) -> None:
    assert link_mb_per_s(mbit_per_s, packet_bytes) == pytest.approx(limit, rel=1e-3)


@pytest.mark.parametrize("wrong", [{"duration_s": 0}, {"link_mbit_per_s": -1}, {"timeout_s": 0}])
def test_benches_that_cannot_be(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingError, match=f"{next(iter(wrong))} cannot be"):
        BenchConfig(**wrong)  # type: ignore[arg-type]  # the wrong value is what is tested
