"""A vehicle that asks whether it is armed, as those of the reference server do: the node only remembers."""

from __future__ import annotations

import json
import threading
from pathlib import Path

from msgspec.structs import replace

from heliograph.core import CommandFailedError
from heliograph.core.atomic import replace_file
from heliograph.link.event import Severity
from heliograph.node.outlet import Declare, Emit
from heliograph.node.vehicles.vehicle import streams_of


class Latch:
    """Remembers whether a vehicle shall be armed, over restarts too; its state is sampled whenever it changes.

    `file` keeps it. A file that cannot be read means disarmed.
    """

    def __init__(self, name: str, file: Path, declare: Declare, emit: Emit) -> None:
        self._name = name
        self._file = file
        self._emit = emit
        self._lock = threading.Lock()
        # What is only sampled when it changes is never stale.
        self._state = declare(replace(streams_of(name)["state"], stale_after_s=0.0))
        self._armed = self._read()

    def start(self) -> None:
        """Tell how it stands."""
        self._state.sample((self._armed, "latch"))

    def arm(self, armed: bool, timeout_s: float) -> None:
        """Remember it. Raises `CommandFailedError` when it cannot be kept."""
        del timeout_s  # a file is written at once
        with self._lock:
            try:
                self._file.parent.mkdir(parents=True, exist_ok=True)
                replace_file(self._file, json.dumps({"armed": armed}).encode())
            except OSError as error:
                raise CommandFailedError(f"{self._name} stays as it was: {error.strerror} ({self._file})") from error
            changed, self._armed = armed != self._armed, armed
        self._state.sample((armed, "latch"))
        if changed:
            self._emit(Severity.WARNING, "vehicle.armed", f"{self._name} is {'armed' if armed else 'disarmed'}")

    def close(self) -> None:
        """Keep what was remembered."""

    def _read(self) -> bool:
        try:
            kept = json.loads(self._file.read_bytes())
        except (OSError, ValueError):
            return False
        return isinstance(kept, dict) and kept.get("armed") is True
