from collections.abc import Callable
from typing import Any

import pytest

import heliograph
from heliograph.core import Feature, FeatureKind, LocalFeatures


class Knobs:
    """A camera that is nothing but features, to see what `set` writes and runs."""

    def __init__(self) -> None:
        self.gain_db, self.latched = 0.0, 0
        self.features = LocalFeatures()
        gain = Feature("Gain", FeatureKind.FLOAT, unit="dB", minimum=0.0, maximum=24.0)
        self.features.add(gain, lambda: self.gain_db, lambda value: setattr(self, "gain_db", value))
        latch = Feature("TimestampLatch", FeatureKind.COMMAND)
        self.features.add(latch, write=lambda _: setattr(self, "latched", self.latched + 1))

    def __enter__(self) -> "Knobs":
        return self

    def __exit__(self, *exception: object) -> None:
        return


@pytest.fixture
def knobs(monkeypatch: pytest.MonkeyPatch) -> Knobs:
    camera = Knobs()
    monkeypatch.setattr(heliograph, "open", lambda url: camera, raising=False)
    return camera


def test_the_value_the_camera_took_is_printed(program: Callable[..., Any], knobs: Knobs) -> None:
    ended = program("set", "cam-1", "Gain=6")
    assert (ended.code, ended.out) == (0, "Gain=6.0\n")
    assert knobs.gain_db == 6.0


def test_a_bare_name_runs_a_command(program: Callable[..., Any], knobs: Knobs) -> None:
    assert program("set", "cam-1", "TimestampLatch").code == 0
    assert knobs.latched == 1


def test_an_impossible_value_is_refused_with_the_range(program: Callable[..., Any], knobs: Knobs) -> None:
    ended = program("set", "cam-1", "Gain=60")
    assert ended.code == 5
    assert "0.0 to 24.0 dB" in ended.err
    assert knobs.gain_db == 0.0


def test_a_bare_name_that_is_no_command_is_a_mistake(program: Callable[..., Any], knobs: Knobs) -> None:
    ended = program("set", "cam-1", "Gain")
    assert ended.code == 5
    assert "NAME=VALUE" in ended.err


def test_what_cannot_be_written_says_so(program: Callable[..., Any], camera: str) -> None:
    ended = program("set", camera, "Width=32")
    assert ended.code == 5
    assert "read-only" in ended.err
