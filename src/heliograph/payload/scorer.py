"""Scorers: named functions that give a picture its score, those that come with Heliograph and the user's own."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy.typing as npt

from heliograph.core import SettingError
from heliograph.core.measure import sharpness
from heliograph.payload.measure import brightness, red_threshold


@dataclass(frozen=True, slots=True, order=True)
class Score:
    """How good a picture is; greater is better, and `support` decides between equal values."""

    value: float
    support: float = 0


ScoreFunction: TypeAlias = Callable[[npt.NDArray[Any]], Score]


@dataclass(frozen=True, slots=True)
class Scorer:
    """A measure by its name, with the words that define it."""

    name: str
    value_name: str
    """What a value is called, such as 'red threshold'."""
    definition: tuple[str, ...]
    """Lines that say what a value means; they head the table of values."""
    table_name: str
    """File name of the table of values."""
    score: ScoreFunction
    """Takes RGB of shape (h, w, 3), uint8 or uint16, full scale 255 or 65535."""


def find_scorer(name: str, min_pixels: int = 64) -> Scorer:
    """Give the scorer `red`, `brightness`, `sharpness`, or the user's own as `module:function`.

    >>> import numpy as np
    >>> find_scorer("brightness").score(np.zeros((4, 4, 3), np.uint8))
    Score(value=0.0, support=0)
    >>> find_scorer("statistics:mean").name
    'statistics:mean'

    A user's function takes RGB, shape (h, w, 3), uint8 or uint16, and gives a finite number: the greatest wins.
    `min_pixels` matters to `red` alone. Raises `SettingError` when there is no such scorer.
    """
    if name == "red":
        return _red(min_pixels)
    if name == "brightness":
        text = "value: mean luma (ITU-R BT.601) of the picture"
        return Scorer(name, name, (text,), "scores.txt", lambda rgb: Score(brightness(rgb)))
    if name == "sharpness":
        text = "value: variance of the Laplacian of the picture's luma"
        return Scorer(name, name, (text,), "scores.txt", lambda rgb: Score(sharpness(rgb)))
    if ":" in name:
        function = _load(name)
        return Scorer(
            name, name, (f"value: what {name} gave",), "scores.txt", lambda rgb: _checked(name, function, rgb)
        )
    raise SettingError(f"unknown scorer {name!r}: use red, brightness, sharpness or module:function")


def _red(min_pixels: int) -> Scorer:
    definition = (
        "redness of a pixel: R - max(G, B), not below 0",
        f"threshold of a picture: greatest t for which at least {min_pixels} pixels have redness >= t",
        "ties go to the larger number of pixels with redness >= t, then to the earlier picture",
    )
    return Scorer(
        "red", "red threshold", definition, "red_threshold.txt", lambda rgb: Score(*red_threshold(rgb, min_pixels))
    )


def _load(name: str) -> Callable[[npt.NDArray[Any]], Any]:
    module_name, _, function_name = name.partition(":")
    if not module_name or not function_name:
        raise SettingError(f"cannot load scorer {name}: write module:function")
    try:
        function = getattr(importlib.import_module(module_name), function_name)
    except ModuleNotFoundError as error:
        raise SettingError(
            f"cannot load scorer {name}: {error}; PYTHONPATH=FOLDER in front finds modules in FOLDER"
        ) from error
    # A user's module runs as it is imported: anything may go wrong there, and a script may end itself.
    except (Exception, SystemExit) as error:
        raise SettingError(f"cannot load scorer {name}: {type(error).__name__}: {error}") from error
    if not callable(function):
        raise SettingError(f"cannot load scorer {name}: {function_name} is no function")
    return function  # type: ignore[no-any-return]  # any callable; what it gives is checked


def _checked(name: str, function: Callable[[npt.NDArray[Any]], Any], rgb: npt.NDArray[Any]) -> Score:
    try:
        value = float(function(rgb))
    except (Exception, SystemExit) as error:
        raise SettingError(f"scorer {name} failed: {type(error).__name__}: {error}") from error
    if not math.isfinite(value):
        raise SettingError(f"scorer {name} gave {value}: it must give a finite number")
    return Score(value)
