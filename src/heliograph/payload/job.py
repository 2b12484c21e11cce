"""The main job of a payload controller: take a series of pictures and write what the ground wants of it."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from heliograph import cameras
from heliograph.core import SettingError
from heliograph.core.convert import opencv
from heliograph.payload.histogram import matplotlib
from heliograph.payload.output import OutputFolder
from heliograph.payload.report import OWN_NAMES, build_products
from heliograph.payload.scorer import find_scorer
from heliograph.payload.series import Progress, Series, SeriesConfig
from heliograph.payload.shortlist import Record
from heliograph.payload.supply import Ending, Losses, OpenCamera


@dataclass(frozen=True, slots=True)
class SeriesResult:
    """How a series went; `ending` and `reason` say why it is partial, if it is."""

    ending: Ending
    reason: str
    """One line; empty when the series is complete."""
    records: tuple[Record, ...]
    """Every picture in order of arrival."""
    picks: tuple[Record, ...]
    """Those that were kept, best first."""
    losses: Losses
    products: tuple[Path, ...]
    """Files written; none when no picture was taken."""

    @property
    def partial(self) -> bool:
        """Whether less was done than asked."""
        return self.ending is not Ending.COMPLETE

    def ranking(self, size: int) -> list[Record]:
        """Give the best `size` records of all, best first."""
        return sorted(self.records, key=lambda record: record.rank, reverse=True)[:size]


def run_series(
    config: SeriesConfig,
    open_camera: OpenCamera | None = None,
    *,
    progress: Callable[[Progress], None] | None = None,
    stop: threading.Event | None = None,
) -> SeriesResult:
    """Take pictures, score every one, keep the best, and write the products into `config.out`.

    >>> result = run_series(SeriesConfig("sim://red-giant", Path("data")))   # doctest: +SKIP
    >>> result.picks[0].number, result.picks[0].score.value                  # doctest: +SKIP
    (217, 143)

    `open_camera` opens the camera, and opens it again after a loss; without it `config.camera` is opened as it is.
    `stop`, or Ctrl-C, ends the series early. Whatever ends it early, the products of the pictures taken are written
    and say that they are partial; with no picture nothing is written and an earlier set stays as it is.

    Raises `SettingError`, `OutputError` and the camera's errors before the first picture; `OutputError` at the end.
    """
    scorer = find_scorer(config.scorer, config.min_pixels)
    # What a product needs is missed now, not after 400 pictures.
    opencv(), matplotlib()
    if config.start_at and (late_s := (datetime.now(UTC) - config.start_at).total_seconds()) > 0:
        raise SettingError(f"start time {config.start_at.isoformat()} is {late_s:.1f} s ago: give a later one")
    with OutputFolder(config.out) as folder:
        series = Series(config, scorer)
        series.take(open_camera or functools.partial(cameras.open, config.camera), progress, stop or threading.Event())
        products = build_products(series) if series.records else {}
        if products:
            folder.replace(products, OWN_NAMES)
    return SeriesResult(
        series.ending,
        series.reason,
        tuple(series.records),
        tuple(pick.record for pick in series.picks),
        series.losses,
        tuple(config.out / name for name in products),
    )
