"""Vehicles: the latch, the simulated one, and the commands that arm them."""

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from heliograph.core import CommandFailedError
from heliograph.node.vehicles.latch import Latch
from heliograph.node.vehicles.simulated import SimulatedVehicle
from heliograph.node.vehicles.vehicle import vehicle_commands
from heliograph.sim.flight import Circuit
from heliograph.testing.outlet import Heard


@dataclass
class AskedCall:
    arguments: dict[str, Any]
    id: str = "0" * 32
    user: str = ""
    key: str = ""
    cancelled: threading.Event = field(default_factory=threading.Event)

    def progress(self, text: str, fraction: float | None = None) -> None:
        del text, fraction


def test_a_latch_remembers_over_a_restart(tmp_path: Path) -> None:
    heard = Heard()
    file = tmp_path / "vehicles" / "rest.json"
    latch = Latch("rest", file, heard.declare, heard.emit)
    latch.start()
    latch.arm(True, 1)
    assert heard.streams["rest.state"].values == [(False, "latch"), (True, "latch")]
    assert heard.streams["rest.state"].stream.stale_after_s == 0  # told at changes alone, and never stale
    again = Latch("rest", file, heard.declare, heard.emit)
    again.start()
    assert heard.streams["rest.state"].values[-1] == (True, "latch")
    again.arm(True, 1)
    assert heard.event_names == ["vehicle.armed"]  # nothing changed the second time


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"armed": "yes"}', b"\xff"])
def test_a_latch_that_cannot_be_read_is_disarmed(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "rest.json"
    file.write_bytes(content)
    heard = Heard()
    Latch("rest", file, heard.declare, heard.emit).start()
    assert heard.streams["rest.state"].values == [(False, "latch")]


def test_a_latch_that_cannot_be_kept_stays_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    heard = Heard()
    latch = Latch("rest", tmp_path / "file" / "rest.json", heard.declare, heard.emit)
    with pytest.raises(CommandFailedError, match="stays as it was"):
        latch.arm(True, 1)
    latch.start()
    assert heard.streams["rest.state"].values == [(False, "latch")]


def test_a_simulated_vehicle_flies_while_it_is_armed() -> None:
    heard = Heard()
    vehicle = SimulatedVehicle("drone", heard.declare, heard.emit, circuit=Circuit(), rate_hz=200)
    vehicle.start()
    try:
        positions = heard.streams["drone.position"].values
        heard.wait_for(lambda: len(positions) >= 3)
        assert len(set(positions)) == 1
        vehicle.arm(True, 1)
        heard.wait_for(lambda: len(set(positions)) >= 5)
        heard.wait_for(lambda: heard.streams["drone.state"].values[-1] == (True, "circuit"))
        vehicle.arm(False, 1)
        heard.wait_for(lambda: heard.streams["drone.state"].values[-1] == (False, "parked"))
    finally:
        vehicle.close()
    assert heard.event_names == ["vehicle.armed", "vehicle.armed"]


def test_commands_arm_the_vehicle_that_they_name(tmp_path: Path) -> None:
    heard = Heard()
    vehicles = {name: Latch(name, tmp_path / name, heard.declare, heard.emit) for name in ("left", "right")}
    commands = {each.definition.name: each for each in vehicle_commands(vehicles)}
    result = commands["vehicle.arm"].run(AskedCall({"vehicle": "right", "timeout": 1.0}))
    assert result == {"vehicle": "right", "armed": True}
    assert heard.streams["right.state"].values == [(True, "latch")]
    assert not heard.streams["left.state"].values
    commands["vehicle.disarm"].run(AskedCall({"vehicle": "right", "timeout": 1.0}))
    assert heard.streams["right.state"].values[-1] == (False, "latch")
    assert not vehicle_commands({})
