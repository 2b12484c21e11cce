import json
from collections.abc import Callable
from typing import Any


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
