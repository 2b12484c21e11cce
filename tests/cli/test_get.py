import json
from collections.abc import Callable
from typing import Any


def test_one_value_is_printed_bare(program: Callable[..., Any], camera: str) -> None:
    ended = program("get", camera, "Width")
    assert (ended.code, ended.out, ended.err) == (0, "64\n", "")


def test_several_values_are_printed_as_set_reads_them(program: Callable[..., Any], camera: str) -> None:
    assert program("get", camera, "Width", "Height").out == "Width=64\nHeight=48\n"


def test_json_is_an_object(program: Callable[..., Any], camera: str) -> None:
    assert json.loads(program("get", camera, "Width", "--json").out) == {"Width": 64}


def test_an_unknown_feature_is_not_found(program: Callable[..., Any], camera: str) -> None:
    ended = program("get", camera, "Wdth")
    assert ended.code == 3
    assert "no feature 'Wdth'" in ended.err
    assert ended.err.count("\n") == 1
