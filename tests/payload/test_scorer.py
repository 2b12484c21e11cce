from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from heliograph.core import SettingError
from heliograph.payload.scorer import Score, find_scorer

RGB = np.full((16, 16, 3), (120, 20, 10), np.uint8)


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"scorer_of_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text(
        "number = 4\n"
        "def blue(rgb): return rgb[..., 2].mean()\n"
        "def nothing(rgb): return float('nan')\n"
        "def broken(rgb): return 1 / 0\n"
        "def word(rgb): return 'red'\n"
        "def leaving(rgb): raise SystemExit(3)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    return name


def test_red_scores_threshold_and_pixels() -> None:
    scorer = find_scorer("red", min_pixels=100)
    assert scorer.score(RGB) == Score(100, 256)
    assert scorer.table_name == "red_threshold.txt"
    assert "at least 100 pixels" in " ".join(scorer.definition)


def test_min_pixels_reaches_the_measure() -> None:
    assert find_scorer("red", min_pixels=257).score(RGB) == Score(0, 256)


@pytest.mark.parametrize("name", ["brightness", "sharpness"])
def test_other_measures_tell_their_definition(name: str) -> None:
    scorer = find_scorer(name)
    assert scorer.score(RGB).value >= 0
    assert scorer.table_name == "scores.txt"
    assert scorer.definition


def test_users_own_function(mine: str) -> None:
    assert find_scorer(f"{mine}:blue").score(RGB) == Score(10.0)


def test_support_decides_between_equal_values() -> None:
    assert Score(5, 2) > Score(5, 1)
    assert Score(6, 0) > Score(5, 9)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("redness", "red, brightness, sharpness or module:function"),
        ("no_such_module:score", "No module named 'no_such_module'; PYTHONPATH=FOLDER"),
        (":score", "write module:function"),
        ("math:", "write module:function"),
        ("math:no_such", "cannot load scorer math:no_such: AttributeError"),
        ("math:pi", "pi is no function"),
    ],
)
def test_scorer_that_does_not_exist(name: str, says: str) -> None:
    with pytest.raises(SettingError, match=says):
        find_scorer(name)


@pytest.mark.parametrize(
    ("function", "says"),
    [
        ("nothing", "finite"),
        ("broken", "ZeroDivisionError"),
        ("word", "could not convert"),
        ("leaving", "SystemExit: 3"),
    ],
)
def test_function_that_gives_no_number(mine: str, function: str, says: str) -> None:
    with pytest.raises(SettingError, match=says):
        find_scorer(f"{mine}:{function}").score(RGB)
