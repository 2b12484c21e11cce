"""A flight for those who have no vehicle: a circuit over the same field, true at any time that is asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass

_EARTH_RADIUS_M = 6_371_000.0
_GRAVITY_M_PER_S2 = 9.80665
# International Standard Atmosphere at sea level.
_PRESSURE_HPA = 1013.25
_TEMPERATURE_C = 15.0
_LAPSE_C_PER_M = 0.0065


@dataclass(frozen=True, slots=True)
class FlightState:
    """Where the vehicle is and how it moves; angles in degrees, speeds in m/s to north, east and down."""

    latitude: float
    longitude: float
    altitude_m: float
    """Above the sea."""
    north_m_per_s: float
    east_m_per_s: float
    down_m_per_s: float
    roll: float
    pitch: float
    yaw: float
    """0 is north, 90 east; 0 to 360."""
    pressure_hpa: float
    temperature_c: float
    battery: float
    """Per cent left."""


@dataclass(frozen=True, slots=True)
class Circuit:
    """Circles of constant speed around a point, rising and falling gently; banked as a coordinated turn is.

    >>> Circuit().at(0.0).yaw
    90.0
    """

    latitude: float = 47.3977
    longitude: float = 8.5456
    ground_m: float = 488.0
    height_m: float = 60.0
    radius_m: float = 150.0
    speed_m_per_s: float = 12.0
    endurance_s: float = 1500.0
    """After this long in the air the battery is as it was in the beginning: somebody changed it."""

    def at(self, flown_s: float) -> FlightState:
        """Give the state after so many seconds in the air."""
        turn_per_s = self.speed_m_per_s / self.radius_m
        angle = flown_s * turn_per_s  # of the position, clockwise from north
        wave = math.radians(flown_s * 6)
        north_m, east_m = self.radius_m * math.cos(angle), self.radius_m * math.sin(angle)
        altitude_m = self.ground_m + self.height_m + 5 * math.sin(wave)
        climb_m_per_s = 5 * math.radians(6) * math.cos(wave)
        temperature_c = _TEMPERATURE_C - _LAPSE_C_PER_M * altitude_m
        return FlightState(
            latitude=self.latitude + math.degrees(north_m / _EARTH_RADIUS_M),
            longitude=self.longitude + math.degrees(east_m / (_EARTH_RADIUS_M * math.cos(math.radians(self.latitude)))),
            altitude_m=altitude_m,
            north_m_per_s=-self.speed_m_per_s * math.sin(angle),
            east_m_per_s=self.speed_m_per_s * math.cos(angle),
            down_m_per_s=-climb_m_per_s,
            roll=math.degrees(math.atan2(self.speed_m_per_s * turn_per_s, _GRAVITY_M_PER_S2)),
            pitch=math.degrees(math.atan2(climb_m_per_s, self.speed_m_per_s)),
            yaw=(math.degrees(angle) + 90) % 360,
            pressure_hpa=_PRESSURE_HPA * (1 - _LAPSE_C_PER_M * altitude_m / (_TEMPERATURE_C + 273.15)) ** 5.25588,
            temperature_c=temperature_c,
            battery=100 * (1 - flown_s % self.endurance_s / self.endurance_s),
        )

    @property
    def parked(self) -> FlightState:
        """The state on the ground, at the point around which it flies."""
        return FlightState(
            self.latitude, self.longitude, self.ground_m, 0, 0, 0, 0, 0, 90.0,
            _PRESSURE_HPA * (1 - _LAPSE_C_PER_M * self.ground_m / (_TEMPERATURE_C + 273.15)) ** 5.25588,
            _TEMPERATURE_C - _LAPSE_C_PER_M * self.ground_m,
            100.0,
        )  # fmt: skip
