"""The library a payload controller uses: take a series of pictures, score every one, keep the best, write products."""

from heliograph.core.measure import sharpness
from heliograph.payload.job import SeriesResult, run_series
from heliograph.payload.measure import Threshold, brightness, red_threshold
from heliograph.payload.schedule import parse_start_at
from heliograph.payload.scorer import Score, Scorer, find_scorer
from heliograph.payload.series import Progress, SeriesConfig
from heliograph.payload.shortlist import Record, picture_number
from heliograph.payload.supply import Ending, Losses

__all__ = [
    "Ending",
    "Losses",
    "Progress",
    "Record",
    "Score",
    "Scorer",
    "SeriesConfig",
    "SeriesResult",
    "Threshold",
    "brightness",
    "find_scorer",
    "parse_start_at",
    "picture_number",
    "red_threshold",
    "run_series",
    "sharpness",
]
