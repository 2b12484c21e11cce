"""A vehicle that flies a simulated circuit while it is armed."""

from __future__ import annotations

import threading
import time

from heliograph.link.event import Severity
from heliograph.node.outlet import Declare, Emit
from heliograph.node.vehicles.vehicle import streams_of
from heliograph.sim.flight import Circuit, FlightState

_NAN = float("nan")


class SimulatedVehicle:
    """Flies a circuit while armed, stands while not; samples like a real one.

    `rate_hz` is that of the attitude; the position comes with every fourth, all else with every twentieth.
    """

    def __init__(self, name: str, declare: Declare, emit: Emit, *, circuit: Circuit, rate_hz: float = 20.0) -> None:
        self._name = name
        self._emit = emit
        self._circuit = circuit
        self._rate_hz = rate_hz
        self._recorders = {short: declare(stream) for short, stream in streams_of(name).items()}
        self._armed_since_s: float | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"heliograph-flight-{name}", daemon=True)

    def start(self) -> None:
        """Begin to sample."""
        self._thread.start()

    def arm(self, armed: bool, timeout_s: float) -> None:
        """Take off, or stand."""
        del timeout_s  # it obeys at once
        if armed == (self._armed_since_s is not None):
            return
        self._armed_since_s = time.monotonic() if armed else None
        self._emit(Severity.WARNING, "vehicle.armed", f"{self._name} is {'armed' if armed else 'disarmed'}")

    def close(self) -> None:
        """End."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        count = 0
        while not self._closing.wait(1 / self._rate_hz):
            since_s = self._armed_since_s
            state = self._circuit.parked if since_s is None else self._circuit.at(time.monotonic() - since_s)
            self._sample(state, since_s is not None, count)
            count += 1

    def _sample(self, state: FlightState, armed: bool, count: int) -> None:
        self._recorders["attitude"].sample((state.roll, state.pitch, state.yaw))
        if count % 4 == 0:
            speeds = (state.north_m_per_s, state.east_m_per_s, state.down_m_per_s)
            position = (state.latitude, state.longitude, state.altitude_m, *speeds, state.yaw)
            self._recorders["position"].sample(position)
        if count % 20 == 0:
            self._recorders["air"].sample((state.pressure_hpa, state.temperature_c))
            self._recorders["battery"].sample((state.battery, _NAN, _NAN))
            self._recorders["state"].sample((armed, "circuit" if armed else "parked"))
