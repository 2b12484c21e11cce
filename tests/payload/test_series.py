from __future__ import annotations

import threading
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from heliograph.core import CameraNotFoundError, SettingError
from heliograph.payload.scorer import Score, Scorer, find_scorer
from heliograph.payload.series import Series, SeriesConfig
from heliograph.payload.supply import Ending
from heliograph.testing.scripted import ScriptedCamera

PICTURE = np.full((8, 8, 3), 30, np.uint8)


@pytest.fixture
def config() -> SeriesConfig:
    return SeriesConfig("scripted://", Path("unused"), count=3)


def test_settings_of_the_camera_are_what_can_be_read(config: SeriesConfig) -> None:
    series = Series(config, find_scorer("brightness"))
    series.take(lambda: ScriptedCamera([PICTURE] * 3), None, threading.Event())
    assert series.camera_settings == {"Gain": 6.0, "Infinite": float("inf")}
    assert series.camera_name == "scripted"


def test_times_are_taken(config: SeriesConfig) -> None:
    series = Series(config, find_scorer("brightness"))
    series.take(lambda: ScriptedCamera([PICTURE] * 3), None, threading.Event())
    received_ns = [record.received_ns for record in series.records]
    assert series.started_ns <= received_ns[0] < received_ns[1] < received_ns[2]
    assert 0 < series.scoring_ns < series.duration_ns


def test_camera_is_closed_whatever_happens(config: SeriesConfig) -> None:
    def broken(rgb: object) -> Score:
        raise ZeroDivisionError

    camera = ScriptedCamera([PICTURE] * 3)
    series = Series(config, Scorer("mine", "mine", (), "scores.txt", broken))
    with pytest.raises(ZeroDivisionError):
        series.take(lambda: camera, None, threading.Event())
    assert camera.closed


def test_picture_whose_scoring_was_broken_off_leaves_no_trace(config: SeriesConfig) -> None:
    scores = iter([Score(5), Score(9)])

    def score(rgb: object) -> Score:
        try:
            return next(scores)
        except StopIteration:
            raise KeyboardInterrupt from None

    series = Series(config, Scorer("mine", "mine", (), "scores.txt", score))
    series.take(lambda: ScriptedCamera([PICTURE] * 3), None, threading.Event())
    assert series.ending is Ending.INTERRUPTED
    assert [record.number for record in series.records] == [0, 1]
    assert series.picks[0].record.number == 1


def test_record_whose_picture_was_not_considered_is_dropped(
    config: SeriesConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    series = Series(config, find_scorer("brightness"))
    monkeypatch.setattr("heliograph.payload.series.offer", interrupted)
    series.take(lambda: ScriptedCamera([PICTURE] * 3), None, threading.Event())
    assert (series.records, series.picks) == ([], ())


def test_broken_scorer_ends_the_series_at_its_first_picture_with_the_error(config: SeriesConfig) -> None:
    series = Series(config, find_scorer("math:sqrt"))
    with pytest.raises(SettingError, match="scorer math:sqrt failed"):
        series.take(lambda: ScriptedCamera([PICTURE] * 3), None, threading.Event())


def test_camera_that_does_not_exist(config: SeriesConfig) -> None:
    def missing() -> ScriptedCamera:
        raise CameraNotFoundError("no camera answers to cam-9")

    with pytest.raises(CameraNotFoundError, match="cam-9"):
        Series(config, find_scorer("red")).take(missing, None, threading.Event())


def test_memory_does_not_grow_with_the_number_of_pictures(config: SeriesConfig) -> None:
    shape = (300, 400, 3)

    def peak_bytes(count: int) -> int:
        pictures = (np.full(shape, 9, np.uint8) for _ in range(count))
        series = Series(replace(config, count=count, best=2), find_scorer("red"))
        tracemalloc.start()
        try:
            series.take(lambda: ScriptedCamera(pictures), None, threading.Event())
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak_bytes(3)  # what is imported and cached once
    assert peak_bytes(300) - peak_bytes(30) < np.prod(shape)
