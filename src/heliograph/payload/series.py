"""A series of pictures, every one scored, of which only the best are held."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from heliograph.core import (
    Camera,
    CameraLostError,
    FeatureKind,
    FeatureValue,
    Frame,
    HeliographError,
    SettingError,
    SourceEndedError,
)
from heliograph.core.measure import native_rgb
from heliograph.payload.scorer import Scorer
from heliograph.payload.shortlist import Pick, Record, offer
from heliograph.payload.supply import Ending, Losses, OpenCamera, Supply


@dataclass(frozen=True, slots=True)
class SeriesConfig:
    """What a series is to do; raises `SettingError` when it cannot.

    >>> SeriesConfig("sim://red-giant", Path("data"), interval_s=0.5).count
    400
    """

    camera: str
    """URL of the camera."""
    out: Path
    """Folder of the products."""
    count: int = 400
    interval_s: float = 0.0
    """Seconds from picture to picture; 0 takes every frame in order."""
    start_at: datetime | None = None
    """When to begin; None for at once."""
    scorer: str = "red"
    min_pixels: int = 64
    best: int = 1
    """How many pictures to keep."""
    patience_s: float = 30.0
    """How long to try to get a lost camera back."""
    timeout_s: float = 5.0
    """How long to wait for a picture, beyond two frame periods, before the camera counts as lost."""

    def __post_init__(self) -> None:
        for name, minimum in (("count", 1), ("best", 1), ("min_pixels", 1), ("interval_s", 0), ("patience_s", 0)):
            value = getattr(self, name)
            if not (minimum <= value < math.inf):
                raise SettingError(f"{name} cannot be {value}: it must be at least {minimum}")
        if not 0 < self.timeout_s < math.inf:
            raise SettingError(f"timeout_s cannot be {self.timeout_s}: it must be above 0")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a series is."""

    taken: int
    asked: int
    leader: Record | None = None
    """The best picture so far."""
    notice: str = ""
    """What it waits for, if it does."""


class Series:
    """A series while it runs, and what is known of it afterwards."""

    def __init__(self, config: SeriesConfig, scorer: Scorer) -> None:
        self.config = config
        self.scorer = scorer
        self.records: list[Record] = []
        self.picks: tuple[Pick, ...] = ()
        self.ending = Ending.INTERRUPTED
        self.reason = ""
        self.losses = Losses()
        self.target = ""
        """RGB8 or RGB16, by the depth of the first picture: values of one series compare."""
        self.camera_name = ""
        self.camera_settings: dict[str, FeatureValue] = {}
        self.started_ns = 0
        self.duration_ns = 0
        self.scoring_ns = 0
        # How many records are settled, and the picks among them: replaced as one, so that a Ctrl-C between two
        # statements never leaves a record whose picture was not considered.
        self._standing: tuple[int, tuple[Pick, ...]] = (0, ())

    def take(self, open_camera: OpenCamera, progress: Callable[[Progress], None] | None, stop: threading.Event) -> None:
        """Take and score pictures until the series ends, and close the camera."""

        def report(notice: str = "") -> None:
            if progress:
                taken, picks = self._standing
                progress(Progress(taken, self.config.count, picks[0].record if picks else None, notice))

        supply = Supply(
            open_camera,
            interval_s=self.config.interval_s,
            patience_s=self.config.patience_s,
            timeout_s=self.config.timeout_s,
            stop=stop,
            notice=report,
        )
        try:
            self.camera_name = supply.camera.name
            self.camera_settings = _read_settings(supply.camera)
            if _wait_until(self.config.start_at, stop, report):
                self._take_from(supply, report)
        except KeyboardInterrupt:
            self.ending = Ending.INTERRUPTED
        except HeliographError as error:
            if not self._standing[0]:
                raise
            self.ending, self.reason = Ending.FAILED, str(error)
        finally:
            supply.close()
        self._settle(supply.losses)

    def _take_from(self, supply: Supply, report: Callable[[], None]) -> None:
        self.started_ns, begin_ns = time.time_ns(), time.monotonic_ns()
        try:
            for frame in supply.pictures():
                self._consider(frame)
                # The frame may be a lease of the camera's buffer: let go before the next one is asked for.
                del frame
                report()
                if self._standing[0] == self.config.count:
                    self.ending = Ending.COMPLETE
                    return
        finally:
            self.duration_ns = time.monotonic_ns() - begin_ns
        if not self._standing[0] and supply.ending is Ending.CAMERA_LOST:
            raise CameraLostError(supply.reason)
        if not self._standing[0] and supply.ending is Ending.SOURCE_ENDED:
            raise SourceEndedError(supply.reason)
        self.ending, self.reason = supply.ending, supply.reason

    def _consider(self, frame: Frame) -> None:
        received_ns, begin_ns = time.time_ns(), time.monotonic_ns()
        self.target = self.target or native_rgb(frame.pixel_format)
        rgb = frame.data if frame.pixel_format.name == self.target else frame.to(self.target)
        score = self.scorer.score(rgb)
        self.scoring_ns += time.monotonic_ns() - begin_ns
        record = Record(len(self.records), score, frame.id, frame.timestamp_ns, received_ns, frame.missing_packets)
        self.records.append(record)
        self._standing = len(self.records), offer(self._standing[1], self.config.best, record, frame)

    def _settle(self, losses: Losses) -> None:
        settled, self.picks = self._standing
        del self.records[settled:]
        self.losses = losses
        if self.ending is Ending.INTERRUPTED:
            self.reason = f"stopped after {settled} of {self.config.count} pictures"


def _wait_until(start_at: datetime | None, stop: threading.Event, report: Callable[[str], None]) -> bool:
    """Wait for a wall-clock time, also when the wall clock is set meanwhile; False when stopped before."""
    while start_at and (left_s := (start_at - datetime.now(UTC)).total_seconds()) > 0:
        report(f"starts at {start_at.isoformat()}")
        if stop.wait(min(left_s, 1.0)):
            return False
    return not stop.is_set()


def _read_settings(camera: Camera) -> dict[str, FeatureValue]:
    settings: dict[str, FeatureValue] = {}
    for name in camera.features:
        # Not every feature can be read at every moment; those that cannot are no settings now.
        with contextlib.suppress(HeliographError):
            if camera.features.describe(name).kind is not FeatureKind.COMMAND:
                settings[name] = camera.features[name]
    return settings
