from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np
import pytest

from heliograph.payload.report import OWN_NAMES, build_products
from heliograph.payload.scorer import find_scorer
from heliograph.payload.series import Series, SeriesConfig
from heliograph.testing.scripted import ScriptedCamera

PICTURE = np.full((8, 8, 3), (90, 30, 20), np.uint8)


def products(config: SeriesConfig, pictures: int, camera: ScriptedCamera | None = None) -> dict[str, bytes]:
    series = Series(config, find_scorer(config.scorer))
    series.take(lambda: camera or ScriptedCamera([PICTURE] * pictures), None, threading.Event())
    return build_products(series)


def test_names_are_known_as_our_own_and_the_summary_comes_last() -> None:
    for scorer in ("red", "sharpness"):
        built = products(SeriesConfig("", Path(), count=2, best=2, scorer=scorer), 2)
        assert all(OWN_NAMES.fullmatch(name) for name in built)
        assert list(built)[-1] == "summary.json"


@pytest.mark.parametrize(("count", "name"), [(1, "frame_000.png"), (1000, "frame_000.png"), (1001, "frame_0000.png")])
def test_numbers_have_room_for_the_whole_series(count: int, name: str) -> None:
    built = products(SeriesConfig("", Path(), count=count), 1)
    assert name in built
    assert OWN_NAMES.fullmatch(name)
    assert f"\n{name[6:-4]}\t60\n" in built["red_threshold.txt"].decode()


@pytest.mark.parametrize("name", ["frame_1.png", "my_frame_001.png", "frame_001.png.bak", "summary.json5"])
def test_files_of_others_are_not_our_own(name: str) -> None:
    assert not OWN_NAMES.fullmatch(name)


def test_header_defines_the_measure_and_numbers_need_no_key() -> None:
    text = products(SeriesConfig("", Path(), count=2), 2)["red_threshold.txt"].decode()
    head = [line for line in text.splitlines() if line.startswith("#")]
    assert text.startswith("# heliograph")
    assert any("R - max(G, B)" in line for line in head)
    assert any("at least 64 pixels have redness >= t" in line for line in head)
    assert text.splitlines()[len(head) :] == ["000\t60", "001\t60"]


def test_values_that_are_no_integers_are_short() -> None:
    text = products(SeriesConfig("", Path(), count=1, scorer="brightness"), 1)["scores.txt"].decode()
    assert text.splitlines()[-1] == f"000\t{0.299 * 90 + 0.587 * 30 + 0.114 * 20:.6g}"


def test_summary_holds_what_json_cannot() -> None:
    content = json.loads(products(SeriesConfig("", Path(), count=1), 1)["summary.json"])
    assert content["camera"]["settings"] == {"Gain": 6.0, "Infinite": None}
    assert content["software"]["heliograph"]
    assert content["picks"][0]["support"] == 64
    assert content["losses"]["lost_frames"] == 0


def test_every_frame_was_not_asked_for_so_none_counts_as_lost() -> None:
    content = json.loads(products(SeriesConfig("", Path(), count=1, interval_s=0.01), 1)["summary.json"])
    assert content["losses"]["lost_frames"] is None


def test_odd_camera_name_does_not_break_the_drawing() -> None:
    camera = ScriptedCamera([PICTURE])
    camera.name = "$\\frac{" * 20
    assert products(SeriesConfig("", Path(), count=1), 1, camera)["histogram.png"].startswith(b"\x89PNG")
