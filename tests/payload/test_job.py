from __future__ import annotations

import hashlib
import importlib.util
import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from heliograph.core import (
    Camera,
    CameraLostError,
    CameraNotFoundError,
    OutputError,
    PixelFormat,
    SettingError,
    SourceError,
)
from heliograph.payload import Ending, Progress, SeriesConfig, SeriesResult, run_series
from heliograph.payload.supply import OpenCamera
from heliograph.testing.peers import missing
from heliograph.testing.scripted import Lost, Scene, ScriptedCamera, Shot

Picture = npt.NDArray[Any]
PRODUCTS = ["histogram.png", "red_threshold.txt", "summary.json"]


def red(value: int, pixels: int = 100) -> Picture:
    """A dark picture in which so many pixels have this redness."""
    rgb = np.full((20, 30, 3), 9, np.uint8)
    rgb.reshape(-1, 3)[:pixels, 0] = 9 + value
    return rgb


def playing(*scripts: Iterable[Scene]) -> OpenCamera:
    """Open a camera for each script, then no more."""
    cameras = iter(scripts)

    def open_camera() -> Camera:
        script = next(cameras, None)
        if script is None:
            raise CameraNotFoundError("no camera answers")
        return ScriptedCamera(script)

    return open_camera


@pytest.fixture
def config(tmp_path: Path) -> SeriesConfig:
    return SeriesConfig("scripted://", tmp_path / "data", count=5, patience_s=0)


def picture(file: Path) -> Picture:
    """A PNG file as RGB, at its own depth."""
    return np.asarray(cv2.imread(str(file), cv2.IMREAD_UNCHANGED))[..., ::-1]


def table(out: Path) -> dict[str, str]:
    """The rows of red_threshold.txt."""
    rows = [line for line in (out / "red_threshold.txt").read_text().splitlines() if not line.startswith("#")]
    return dict(row.split("\t") for row in rows)


def header(out: Path) -> str:
    return "\n".join(line for line in (out / "red_threshold.txt").read_text().splitlines() if line.startswith("#"))


def summary(out: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((out / "summary.json").read_text())
    return content


def names(out: Path) -> list[str]:
    return sorted(file.name for file in out.iterdir())


def brute_force(rgb: Picture, min_pixels: int = 64) -> tuple[int, int]:
    """Threshold and pixels at it, by trying every t from the top."""
    wide = rgb.astype(np.int64)
    redness = np.clip(wide[:, :, 0] - np.where(wide[:, :, 1] > wide[:, :, 2], wide[:, :, 1], wide[:, :, 2]), 0, None)
    reaching = np.bincount(redness.ravel(), minlength=65_536)[::-1].cumsum()[::-1]
    threshold = int(np.flatnonzero(reaching >= min_pixels).max(initial=0))
    return threshold, int(reaching[threshold])


def passing_giant(count: int, seed: int) -> list[Picture]:
    """A giant that crosses and grows, white stars, and hot pixels in every picture."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:96, :128]
    pictures = []
    for k in range(count):
        rgb = rng.poisson(12, (96, 128, 3)).astype(np.float64)
        rgb += 240 * np.exp(-((x - 20) ** 2 + (y - 30) ** 2) / 60)[..., None]
        glow = 150 * np.exp(-(((k - 0.6 * count) / (0.1 * count)) ** 2))
        rgb[..., 0] += glow * np.exp(-((x - k * 128 / count) ** 2 + (y - 60) ** 2) / 90)
        rgb[rng.integers(0, 96, 20), rng.integers(0, 128, 20)] = (255, 0, 0)
        pictures.append(rgb.clip(0, 255).astype(np.uint8))
    return pictures


def test_pick_among_400_pictures_is_that_of_brute_force(config: SeriesConfig) -> None:
    pictures = passing_giant(400, seed=3)
    result = run_series(replace(config, count=400), playing(pictures))
    wanted = [brute_force(picture) for picture in pictures]
    winner = max(range(400), key=lambda k: (*wanted[k], -k))
    naive = max(range(400), key=lambda k: int(pictures[k][..., 0].max()))
    assert winner != naive
    assert result.ending is Ending.COMPLETE
    assert not result.partial
    assert result.picks[0].number == winner
    assert table(config.out) == {f"{k:03d}": str(threshold) for k, (threshold, _) in enumerate(wanted)}
    assert list(table(config.out)) == [f"{k:03d}" for k in range(400)]
    assert names(config.out) == [f"frame_{winner:03d}.png", *PRODUCTS]
    np.testing.assert_array_equal(picture(config.out / f"frame_{winner:03d}.png"), pictures[winner])
    assert [record.number for record in result.ranking(10)] == sorted(range(400), key=lambda k: (*wanted[k], -k))[
        :-11:-1
    ]


def photographs() -> list[Path]:
    found = []
    for package, folder in (("skimage", "data"), ("sklearn", "datasets/images")):
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            missing(f"the photographs of {package} are missing: pip install 'heliograph[sim]' scikit-learn")
        place = Path(spec.submodule_search_locations[0]) / folder
        found += [file for file in sorted(place.iterdir()) if file.suffix in (".jpg", ".jpeg")]
        found += [file for file in sorted(place.iterdir()) if file.name in ("coffee.png", "chelsea.png", "coins.png")]
    return found


def test_pick_among_real_photographs_through_replay(config: SeriesConfig, tmp_path: Path) -> None:
    files = photographs()
    assert len(files) >= 6
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    for number, file in enumerate(files):
        (shelf / f"{number:02d}_{file.name}").symlink_to(file)
    wanted = []
    for file in files:
        bgr = cv2.imread(str(file), cv2.IMREAD_COLOR)
        wanted.append(brute_force(np.asarray(bgr)[:, :, ::-1]))
    camera = f"replay://{shelf}/*"
    result = run_series(replace(config, camera=camera, count=len(files)))
    winner = max(range(len(files)), key=lambda k: (*wanted[k], -k))
    assert [(record.score.value, record.score.support) for record in result.records] == wanted
    assert result.picks[0].number == winner
    assert summary(config.out)["picks"][0]["metadata"]["file"].endswith(files[winner].name)


def test_series_longer_than_its_source_is_partial(config: SeriesConfig) -> None:
    result = run_series(config, playing([red(3), red(8)]))
    assert result.ending is Ending.SOURCE_ENDED
    assert result.partial
    assert names(config.out) == ["frame_001.png", *PRODUCTS]
    assert "pictures: 2 of 5, PARTIAL (source ended)" in header(config.out)
    assert summary(config.out)["partial"] is True


@pytest.mark.parametrize("by_key", [True, False])
def test_stopped_series_writes_what_there_is(config: SeriesConfig, by_key: bool) -> None:
    stop = threading.Event()

    def progress(at: Progress) -> None:
        if at.taken == 3:
            stop.set()
            if by_key:
                raise KeyboardInterrupt

    result = run_series(config, playing([red(4), red(40), red(7), red(99)]), progress=progress, stop=stop)
    assert result.ending is Ending.INTERRUPTED
    assert result.reason == "stopped after 3 of 5 pictures"
    assert table(config.out) == {"000": "4", "001": "40", "002": "7"}
    assert "PARTIAL (interrupted)" in header(config.out)
    assert names(config.out) == ["frame_001.png", *PRODUCTS]


def test_ctrl_c_while_the_camera_waits(config: SeriesConfig) -> None:
    class Interrupted(ScriptedCamera):
        def grab(self, timeout_s: float = 5.0) -> Any:
            if self._id == 2:
                raise KeyboardInterrupt
            return super().grab(timeout_s)

    result = run_series(config, lambda: Interrupted([red(4), red(2), red(3)]))
    assert result.ending is Ending.INTERRUPTED
    assert table(config.out) == {"000": "4", "001": "2"}


def test_camera_lost_for_good_leaves_partial_products(config: SeriesConfig) -> None:
    script: list[Scene] = [red(4), red(6), CameraLostError("heartbeat stopped")]
    result = run_series(config, playing(script))
    assert result.ending is Ending.CAMERA_LOST
    assert "heartbeat stopped" in result.reason
    assert table(config.out) == {"000": "4", "001": "6"}
    assert summary(config.out)["ending"] == "camera lost"


def test_camera_that_comes_back_completes_the_series(config: SeriesConfig) -> None:
    first: list[Scene] = [red(4), CameraLostError("unplugged")]
    notices = []
    result = run_series(
        replace(config, count=3, patience_s=20),
        playing(first, [red(6), Lost(2), red(5)]),
        progress=lambda at: notices.append(at.notice),
    )
    assert result.ending is Ending.COMPLETE
    assert any("unplugged" in notice for notice in notices)
    assert summary(config.out)["losses"] == {
        "lost_frames": 2,
        "incomplete_pictures": 0,
        "missing_packets": 0,
        "skipped_slots": 0,
        "reconnections": 1,
    }


def test_camera_that_never_gives_a_picture_is_an_error_and_no_product(config: SeriesConfig) -> None:
    with pytest.raises(CameraLostError, match="gone"):
        run_series(config, playing([CameraLostError("gone")]))
    assert names(config.out) == []


def test_error_midway_keeps_what_was_seen(config: SeriesConfig) -> None:
    result = run_series(config, playing([red(4), red(6), SourceError("cannot read picture 3.png")]))
    assert result.ending is Ending.FAILED
    assert result.reason == "cannot read picture 3.png"
    assert table(config.out) == {"000": "4", "001": "6"}


def test_incomplete_picture_is_scored_and_told_but_does_not_win(config: SeriesConfig) -> None:
    result = run_series(replace(config, count=3), playing([red(4), Shot(red(200), 5), red(7)]))
    assert result.picks[0].number == 2
    assert table(config.out)["001"] == "200"
    assert "incomplete pictures (packets missing; they never beat a whole one): 1" in header(config.out)
    assert summary(config.out)["pictures"]["incomplete"] == [1]
    assert summary(config.out)["losses"]["missing_packets"] == 5


def test_best_three_are_saved_and_the_best_of_them_drawn(config: SeriesConfig) -> None:
    result = run_series(replace(config, best=3), playing([red(4), red(6), red(9), red(6, 101), red(1)]))
    assert [record.number for record in result.picks] == [2, 3, 1]
    assert names(config.out) == ["frame_001.png", "frame_002.png", "frame_003.png", *PRODUCTS]
    assert [pick["number"] for pick in summary(config.out)["picks"]] == [2, 3, 1]
    assert [path.name for path in result.products if path.name.startswith("frame")] == [
        "frame_002.png",
        "frame_003.png",
        "frame_001.png",
    ]


def test_products_of_an_earlier_run_do_not_mix_with_the_new(config: SeriesConfig) -> None:
    run_series(replace(config, best=2, count=3), playing([red(1), red(2), red(3)]))
    (config.out / "notes.txt").write_text("mine")
    run_series(replace(config, scorer="brightness", count=1), playing([red(5)]))
    assert names(config.out) == ["frame_000.png", "histogram.png", "notes.txt", "scores.txt", "summary.json"]


def test_run_without_a_picture_leaves_the_earlier_set(config: SeriesConfig) -> None:
    run_series(replace(config, count=1), playing([red(1)]))
    before = {file.name: file.read_bytes() for file in config.out.iterdir()}
    stop = threading.Event()
    stop.set()
    result = run_series(config, playing([red(5)]), stop=stop)
    assert (result.ending, result.records, result.products) == (Ending.INTERRUPTED, (), ())
    assert {file.name: file.read_bytes() for file in config.out.iterdir()} == before


def test_summary_vouches_for_every_product(config: SeriesConfig) -> None:
    result = run_series(replace(config, count=1), playing([red(1)]))
    listed = summary(config.out)["products"]
    assert [product["name"] for product in listed] == [path.name for path in result.products[:-1]]
    for product in listed:
        content = (config.out / product["name"]).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (product["bytes"], product["sha256"])


def test_deep_pictures_keep_every_bit(config: SeriesConfig) -> None:
    raw = np.random.default_rng(4).integers(0, 4096, (32, 48)).astype(np.uint16)
    result = run_series(replace(config, count=1), playing([Shot(raw, pixel_format=PixelFormat.BayerRG12)]))
    saved = picture(config.out / "frame_000.png")
    assert saved.dtype == np.uint16
    # Red of the mosaic stands at even rows and columns; demosaicing must leave it as it was measured.
    inner = saved[2:-2:2, 2:-2:2, 0].astype(float) * 4095 / 65535
    np.testing.assert_allclose(inner, raw[2:-2:2, 2:-2:2], atol=0.51)
    assert summary(config.out)["pictures"]["measured_on"] == "RGB16"
    assert result.picks[0].score.value > 255


def test_pictures_of_another_depth_are_measured_like_the_first(config: SeriesConfig) -> None:
    deep = red(50).astype(np.uint16) * 257
    result = run_series(replace(config, count=2), playing([red(50), deep]))
    assert [record.score.value for record in result.records] == [50, 50]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"count": 0}, "count cannot be 0: it must be at least 1"),
        ({"interval_s": -1.0}, "interval_s cannot be -1.0"),
        ({"interval_s": float("nan")}, "interval_s cannot be nan"),
        ({"patience_s": float("inf")}, "patience_s cannot be inf"),
        ({"timeout_s": 0.0}, "timeout_s cannot be 0.0"),
        ({"best": 0}, "best cannot be 0"),
        ({"min_pixels": 0}, "min_pixels cannot be 0"),
    ],
)
def test_settings_that_cannot_be(config: SeriesConfig, change: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingError, match=says):
        replace(config, **change)


def never() -> Camera:
    raise AssertionError("the camera was opened")


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lambda config: replace(config, out=Path("/proc/heliograph")), OutputError),
        (lambda config: replace(config, scorer="purple"), SettingError),
        (lambda config: replace(config, start_at=datetime(2020, 1, 1, tzinfo=UTC)), SettingError),
    ],
)
def test_what_cannot_work_is_told_before_the_camera_is_opened(
    config: SeriesConfig, spoil: Callable[[SeriesConfig], SeriesConfig], error: type[Exception]
) -> None:
    with pytest.raises(error):
        run_series(spoil(config), never)


def test_start_time_in_the_past_says_how_long_ago(config: SeriesConfig) -> None:
    past = datetime.now(UTC) - timedelta(seconds=90)
    with pytest.raises(SettingError, match=r"is 9\d\.\d s ago: give a later one"):
        run_series(replace(config, start_at=past), never)


def test_start_time_is_waited_for(config: SeriesConfig) -> None:
    start_at = datetime.now(UTC) + timedelta(seconds=0.4)
    notices = []
    run_series(
        replace(config, count=1, start_at=start_at),
        playing([red(1)]),
        progress=lambda at: notices.append(at.notice),
    )
    assert notices[0] == f"starts at {start_at.isoformat()}"
    first = datetime.fromisoformat(summary(config.out)["timing"]["first_picture"])
    assert timedelta(0) <= first - start_at < timedelta(seconds=5)


def test_wait_for_the_start_can_be_stopped(config: SeriesConfig) -> None:
    stop = threading.Event()
    later = datetime.now(UTC) + timedelta(hours=1)
    result = run_series(replace(config, start_at=later), playing([red(1)]), progress=lambda at: stop.set(), stop=stop)
    assert result.ending is Ending.INTERRUPTED
    assert result.records == ()


def test_leader_is_told_while_it_runs(config: SeriesConfig) -> None:
    leaders = []
    result: SeriesResult = run_series(
        replace(config, count=3),
        playing([red(4), red(9), red(6)]),
        progress=lambda at: leaders.append(at.leader.number if at.leader else None),
    )
    assert leaders == [0, 1, 1]
    assert result.picks[0].number == 1
