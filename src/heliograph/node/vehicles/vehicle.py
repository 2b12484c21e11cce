"""What every vehicle is, and the commands that arm and disarm it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from heliograph.link.channel import Channel, Limits, Stream
from heliograph.link.dictionary import Argument, CommandDefinition, Hazard
from heliograph.node.call import Call, Command


class Vehicle(Protocol):
    """Something that can be armed; it samples its telemetry from start to close."""

    def start(self) -> None:
        """Begin. Raises `HeliographError` for a connection that cannot be had."""

    def arm(self, armed: bool, timeout_s: float) -> None:
        """Arm or disarm, and return when the vehicle has confirmed it. Raises `CommandFailedError` when it does not."""

    def close(self) -> None:
        """End."""


def streams_of(vehicle: str) -> dict[str, Stream]:
    """Give the declarations that all vehicles share, so that one page shows any of them, by their short names.

    >>> streams_of("drone")["attitude"].name
    'drone.attitude'
    """
    streams = (
        Stream(
            name=f"{vehicle}.attitude",
            channels=tuple(Channel(name=name, unit="deg") for name in ("roll", "pitch", "yaw")),
            description="Euler angles; yaw 0 is north, 90 east.",
            stale_after_s=2.0,
        ),
        Stream(
            name=f"{vehicle}.position",
            channels=(
                Channel(name="latitude", unit="deg"),
                Channel(name="longitude", unit="deg"),
                Channel(name="altitude", unit="m", description="Above the sea."),
                *(Channel(name=f"{axis}_speed", unit="m/s") for axis in ("north", "east", "down")),
                Channel(name="heading", unit="deg"),
            ),
            stale_after_s=5.0,
        ),
        Stream(
            name=f"{vehicle}.air",
            channels=(Channel(name="pressure", unit="hPa"), Channel(name="temperature", unit="degC")),
            stale_after_s=10.0,
        ),
        Stream(
            name=f"{vehicle}.battery",
            channels=(
                Channel(name="remaining", unit="%", limits=Limits(warning_low=25.0, alarm_low=10.0)),
                Channel(name="voltage", unit="V", description="NaN where the vehicle does not tell."),
                Channel(name="current", unit="A", description="NaN where the vehicle does not tell."),
            ),
            stale_after_s=10.0,
        ),
        Stream(
            name=f"{vehicle}.state",
            channels=(Channel(name="armed", type="bool"), Channel(name="mode", type="text", size_bytes=32)),
            stale_after_s=10.0,
        ),
    )
    return {each.name.removeprefix(f"{vehicle}."): each for each in streams}


def vehicle_commands(vehicles: Mapping[str, Vehicle]) -> list[Command]:
    """Give `vehicle.arm` and `vehicle.disarm` for vehicles under their names; none when there is no vehicle."""
    if not vehicles:
        return []
    names = tuple(vehicles)
    which = Argument(
        name="vehicle", choices=names, default=names[0] if len(names) == 1 else None, description="Name in node.toml."
    )
    wait = Argument(
        name="timeout", type="number", unit="s", minimum=0.5, maximum=60, default=5.0,
        description="How long to wait for the vehicle's own confirmation.",
    )  # fmt: skip

    def command(name: str, armed: bool, hazard: Hazard, description: str) -> Command:
        def run(call: Call) -> dict[str, Any]:
            vehicles[call.arguments["vehicle"]].arm(armed, call.arguments["timeout"])
            return {"vehicle": call.arguments["vehicle"], "armed": armed}

        definition = CommandDefinition(
            name=name, description=description, arguments=(which, wait), hazard=hazard, timeout_s=90
        )
        # A vehicle is stopped whatever else is under way.
        return Command(definition, run, prompt=not armed)

    return [
        command("vehicle.arm", True, Hazard.HAZARDOUS, "Let the motors turn; completed when the vehicle confirms it."),
        command("vehicle.disarm", False, Hazard.HAZARDOUS, "Stop the motors; one in the air may refuse it, or fall."),
    ]
