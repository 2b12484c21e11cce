"""How long a campaign is: short in every test run, long in `make soak`."""

from __future__ import annotations

import os
from dataclasses import dataclass

import pytest


@dataclass(frozen=True, slots=True)
class Length:
    """What a campaign does, and with which seed."""

    packets: int
    stream_s: float
    kills: int
    cuts: int
    seed: int


@pytest.fixture
def length() -> Length:
    seed = int(os.environ.get("SOAK_SEED", "1"))
    if os.environ.get("HELIOGRAPH_SOAK") == "1":
        return Length(packets=1_000_000, stream_s=1800.0, kills=200, cuts=1000, seed=seed)
    return Length(packets=20_000, stream_s=8.0, kills=4, cuts=12, seed=seed)
