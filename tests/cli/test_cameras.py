import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

import heliograph


@dataclass(frozen=True)
class Found:
    name: str = "cam-1"
    vendor: str = "Heliograph"
    model: str = "red-giant"
    serial: str = "7"
    mac: str = "02:00:7f:00:00:01"
    address: str = "127.0.0.1"


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> list[Found]:
    """Give the list of cameras that answer."""
    found: list[Found] = []
    monkeypatch.setattr(heliograph, "discover", lambda timeout_s, interfaces: found, raising=False)
    return found


def test_a_table_of_what_answers(program: Callable[..., Any], network: list[Found]) -> None:
    network.append(Found())
    head, _, row = program("cameras").out.splitlines()
    assert head.split() == ["name", "vendor", "model", "serial", "mac", "address"]
    assert row.split() == ["cam-1", "Heliograph", "red-giant", "7", "02:00:7f:00:00:01", "127.0.0.1"]


def test_json(program: Callable[..., Any], network: list[Found]) -> None:
    network += [Found(), Found(name="cam-2")]
    assert [row["name"] for row in json.loads(program("cameras", "--json").out)] == ["cam-1", "cam-2"]


def test_a_wait_without_end_is_refused(program: Callable[..., Any], network: list[Found]) -> None:
    assert program("cameras", "--timeout", "inf").code == 2


def test_nothing_on_the_network_says_what_to_look_at(program: Callable[..., Any], network: list[Found]) -> None:
    ended = program("cameras")
    assert (ended.code, ended.out) == (0, "")
    assert "no camera answered" in ended.err
    assert program("cameras", "--json").out == "[]\n"
