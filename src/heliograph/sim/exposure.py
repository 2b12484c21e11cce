"""Which settings each frame is taken with: those of the moment at which its exposure began."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from heliograph.sim.sensor import SensorSettings

# Changes that frames which somebody may still ask for began under.
_KEPT = 64


@dataclass(frozen=True, slots=True)
class _Change:
    first_id: int
    settings: SensorSettings


class SettingsHistory:
    """Settings by frame.

    >>> first = SensorSettings(640, 480)
    >>> history = SettingsHistory(first)
    >>> history.change(7, SensorSettings(640, 480, gain_db=6.0))
    >>> history.of(6).gain_db, history.of(7).gain_db
    (0.0, 6.0)
    """

    def __init__(self, settings: SensorSettings) -> None:
        self._changes = deque([_Change(1, settings)], maxlen=_KEPT)

    @property
    def newest(self) -> SensorSettings:
        """Settings of frames to come."""
        return self._changes[-1].settings

    def change(self, first_id: int, settings: SensorSettings) -> None:
        """Take `settings` for frame `first_id` and all after it."""
        self._changes.append(_Change(first_id, settings))

    def of(self, frame_id: int) -> SensorSettings:
        """Give the settings that a frame is taken with."""
        changes = reversed(self._changes)
        return next((each.settings for each in changes if each.first_id <= frame_id), self._changes[0].settings)
