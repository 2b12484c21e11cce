"""Fixtures of every test, and how hard hypothesis tries."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from heliograph.testing.addresses import loopback_address

# Two noisy cores: an example that takes long is no defect.
settings.register_profile("default", deadline=None)
settings.register_profile("soak", deadline=None, max_examples=5_000, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("default")


@pytest.fixture
def address() -> Iterator[str]:
    """Give the test a loopback address of its own."""
    with loopback_address() as own:
        yield own
