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


@pytest.fixture(scope="session", autouse=True)
def state_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the user's own user sets and calibrations out of the tests, and the tests' out of the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        patch.delenv("STATE_DIRECTORY", raising=False)
        yield


@pytest.fixture
def address() -> Iterator[str]:
    """Give the test a loopback address of its own."""
    with loopback_address() as own:
        yield own
