import json
from collections.abc import Callable
from typing import Any

import pytest

import heliograph
from heliograph.core import (
    Feature,
    FeatureAccessError,
    FeatureKind,
    FeatureValueError,
    LocalFeatures,
    RemoteProtocolError,
)


def test_a_table_lists_names_values_and_limits(program: Callable[..., Any], camera: str) -> None:
    ended = program("features", camera)
    assert ended.code == 0
    (rate,) = [line for line in ended.out.splitlines() if "AcquisitionFrameRate" in line]
    assert "Hz" in rate
    assert "0.0 to" in rate
    (model,) = [line for line in ended.out.splitlines() if "DeviceModelName" in line]
    assert "read only" in model


def test_json_has_the_values_in_their_types(program: Callable[..., Any], camera: str) -> None:
    rows = {row["name"]: row for row in json.loads(program("features", camera, "--json").out)}
    assert rows["Width"]["value"] == 64
    assert rows["Height"]["value"] == 48
    assert rows["DeviceModelName"]["access"] == "RO"
    assert rows["PixelFormat"]["entries"]


class Refusing(LocalFeatures):
    """Features of which one refuses to be read, and one even to be described."""

    def describe(self, name: str) -> Feature:
        if name == "Secret":
            raise FeatureAccessError("Secret: the camera refused: it is busy")
        return super().describe(name)


class Grumpy:
    """A camera that refuses some of what it is asked."""

    def __init__(self, error: Exception) -> None:
        self.features = Refusing()

        def refuse() -> int:
            raise error

        self.features.add(Feature("Secret", FeatureKind.INTEGER))
        self.features.add(Feature("Moody", FeatureKind.INTEGER, minimum=0, maximum=9), refuse)
        self.features.add(Feature("Gain", FeatureKind.INTEGER, minimum=0, maximum=9), lambda: 7)

    def __enter__(self) -> "Grumpy":
        return self

    def __exit__(self, *exception: object) -> None:
        return


@pytest.mark.parametrize(
    "error", [FeatureAccessError("not now"), FeatureValueError("no limits"), RemoteProtocolError("register too long")]
)
def test_one_refused_feature_hides_no_other(
    program: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(heliograph, "open", lambda url, control: Grumpy(error), raising=False)
    rows = {row["name"]: row for row in json.loads(program("features", "cam-1", "--json").out)}
    assert {name: row["value"] for name, row in rows.items()} == {"Secret": None, "Moody": None, "Gain": 7}
    assert rows["Secret"]["description"] == "Secret: the camera refused: it is busy"
    assert [line.split()[1] for line in program("features", "cam-1").out.splitlines() if "Moody" in line] == ["-"]
