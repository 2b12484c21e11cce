from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest


def test_a_table_has_a_row_for_each_size(program: Callable[..., Any]) -> None:
    words = ["--format", "Mono8", "--size", "64x48", "--size", "32X32", "--seconds", "0.1", "--link", "2500"]
    ended = program("bench", "sim://bench", *words)
    assert ended.code == 0
    head, _, *rows = ended.out.splitlines()
    assert head.split()[:2] == ["format", "size"]
    assert "% of 2.5 Gbit/s" in head
    assert [row.split()[:2] for row in rows] == [["Mono8", "64x48"], ["Mono8", "32x32"]]


def test_json_has_the_numbers(program: Callable[..., Any], camera: str) -> None:
    ended = program("bench", camera, "--seconds", "0.1", "--json")
    (row,) = json.loads(ended.out)
    assert (row["pixel_format"], row["width_px"], row["height_px"]) == ("BGR8", 64, 48)
    assert row["frame_rate_hz"] > 0


@pytest.mark.parametrize(
    ("words", "told"),
    [(["--size", "64"], "write WIDTHxHEIGHT"), (["--format", "Grey"], "unknown pixel format 'Grey'")],
)
def test_what_cannot_be_asked_for(program: Callable[..., Any], camera: str, words: list[str], told: str) -> None:
    ended = program("bench", camera, *words)
    assert ended.code == 5
    assert told in ended.err
