"""The machine's health."""

import math
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from heliograph.node.health import STREAM, Health, temperature_c
from heliograph.testing.outlet import Heard


def test_the_machine_is_sampled(tmp_path: Path) -> None:
    heard = Heard()
    with Health(heard.declare, heard.emit, tmp_path, interval_s=0.05):
        health = heard.streams["health"]
        heard.wait_for(lambda: len(health.values) >= 2)
    sample = dict(zip([each.name for each in STREAM.channels], health.values[-1], strict=True))
    for share in ("cpu", "memory", "disk"):
        assert 0 <= float(sample[share]) <= 100, share
    assert int(sample["memory_available"]) > 1e6
    assert int(sample["node_memory"]) > 1e6
    assert float(sample["uptime"]) > 1
    assert sample["throttled"] is False


def test_what_the_firmware_holds_back_is_an_event_at_each_change(tmp_path: Path) -> None:
    throttled = tmp_path / "get_throttled"
    throttled.write_text("50005\n")
    heard = Heard()
    with Health(heard.declare, heard.emit, tmp_path, interval_s=0.02, throttled=throttled):
        heard.wait_for(lambda: len(heard.streams["health"].values) >= 3)
        throttled.write_text("50000\n")
        heard.wait_for(lambda: len(heard.events) == 2)
    assert heard.events[0][3] == {"reasons": ["under-voltage", "throttled"]}
    assert heard.events[1][3] == {"reasons": []}
    held = [each.name for each in STREAM.channels].index("throttled")
    assert heard.streams["health"].values[0][held] is True


def test_what_cannot_be_read_for_a_while_does_not_end_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "state"
    heard = Heard()
    with Health(heard.declare, heard.emit, folder, interval_s=0.02):
        while not caplog.records:
            threading.Event().wait(0.01)
        folder.mkdir()
        heard.wait_for(lambda: len(heard.streams["health"].values) >= 2)
    assert [str(folder) in each.getMessage() for each in caplog.records] == [True], "told once"


def test_the_processors_own_sensor_is_taken() -> None:
    reading = [SimpleNamespace(current=51.5)]
    assert temperature_c({"nvme": [SimpleNamespace(current=30.0)], "cpu_thermal": reading}) == 51.5
    assert temperature_c({"nvme": reading}) == 51.5
    assert math.isnan(temperature_c({}))
