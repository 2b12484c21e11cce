"""What a series leaves behind: the best pictures, a histogram, a table of values and a summary."""

from __future__ import annotations

import hashlib
import json
import math
import platform
import re
from datetime import UTC, datetime
from typing import Any

from heliograph import __version__
from heliograph.core.convert import opencv
from heliograph.core.measure import native_rgb
from heliograph.core.picture import encode_picture
from heliograph.payload.histogram import draw_histogram
from heliograph.payload.series import Series
from heliograph.payload.shortlist import Pick, Record, picture_number
from heliograph.payload.supply import Ending

OWN_NAMES = re.compile(r"frame_\d{3,}\.png|histogram\.png|red_threshold\.txt|scores\.txt|summary\.json")
"""Files in the output folder that belong to the job: a new series replaces all of them."""

_NAME_LENGTH = 48


def build_products(series: Series) -> dict[str, bytes]:
    """Give the products of a series as file contents by name, `summary.json` last."""
    products = {_frame_name(series, pick): encode_picture(pick.frame, ".png") for pick in series.picks}
    best = series.picks[0]
    rgb = best.frame.to(native_rgb(best.frame.pixel_format))
    products["histogram.png"] = draw_histogram(rgb, _title(series, best.record), _subtitle(series, best))
    products[series.scorer.table_name] = _table(series).encode()
    summary = _summary(series)
    summary["products"] = [
        {"name": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in products.items()
    ]
    products["summary.json"] = (json.dumps(_plain(summary), indent=2, allow_nan=False) + "\n").encode()
    return products


def _number(series: Series, record: Record) -> str:
    return picture_number(record.number, series.config.count)


def _frame_name(series: Series, pick: Pick) -> str:
    return f"frame_{_number(series, pick.record)}.png"


def _value(record: Record) -> str:
    value = record.score.value
    return str(value) if isinstance(value, int) else f"{value:.6g}"


def _title(series: Series, record: Record) -> str:
    which = f"Picture {_number(series, record)} of {len(series.records)}"
    return f"{which}: {series.scorer.value_name} {_value(record)}"


def _subtitle(series: Series, best: Pick) -> str:
    frame = best.frame
    # The end of a long path tells more than its beginning.
    name = series.camera_name if len(series.camera_name) <= _NAME_LENGTH else f"…{series.camera_name[-_NAME_LENGTH:]}"
    parts = [name, f"{frame.width} x {frame.height} px {frame.pixel_format.name}"]
    if frame.exposure_us is not None:
        parts.append(f"{frame.exposure_us / 1000:g} ms")
    parts.append(f"{datetime.fromtimestamp(best.record.received_ns / 1e9, UTC):%Y-%m-%d %H:%M:%S} UTC")
    if best.record.missing_packets:
        parts.append(f"INCOMPLETE: {best.record.missing_packets} packets missing")
    return "   ·   ".join(parts)


def _table(series: Series) -> str:
    config, taken = series.config, len(series.records)
    state = "complete" if series.ending is Ending.COMPLETE else f"PARTIAL ({series.ending}): {series.reason}"
    depth = "RGB8, 0 to 255" if series.target == "RGB8" else "RGB16, 0 to 65535"
    lines = [
        f"heliograph {__version__}: {series.scorer.value_name} of every picture of a series",
        *series.scorer.definition,
        f"measured on {depth}",
        f"pictures: {taken} of {config.count}, {state}",
        f"incomplete pictures (packets missing; they never beat a whole one): {series.losses.incomplete_pictures}",
        f"best picture: {_number(series, series.picks[0].record)}",
        f"number in order of arrival<TAB>{series.scorer.value_name}",
    ]
    rows = [f"{_number(series, record)}\t{_value(record)}" for record in series.records]
    return "\n".join([*(f"# {line}" for line in lines), *rows, ""])


def _summary(series: Series) -> dict[str, Any]:
    config, taken = series.config, len(series.records)
    duration_s = series.duration_ns / 1e9
    return {
        "software": {"heliograph": __version__, "opencv": opencv().__version__, "python": platform.python_version()},
        "partial": series.ending is not Ending.COMPLETE,
        "ending": series.ending,
        "reason": series.reason,
        "job": {
            "camera": config.camera,
            "scorer": series.scorer.name,
            "definition": series.scorer.definition,
            "pictures": config.count,
            "interval_s": config.interval_s,
            "start_at": config.start_at.isoformat() if config.start_at else None,
            "best": config.best,
            "min_pixels": config.min_pixels,
            "patience_s": config.patience_s,
        },
        "timing": {
            "started": _utc(series.started_ns),
            "first_picture": _utc(series.records[0].received_ns),
            "last_picture": _utc(series.records[-1].received_ns),
            "duration_s": round(duration_s, 6),
            "pictures_per_s": round(taken / duration_s, 3) if duration_s else None,
            "scoring_ms_per_picture": round(series.scoring_ns / taken / 1e6, 3),
        },
        "pictures": {
            "taken": taken,
            "measured_on": series.target,
            "incomplete": [record.number for record in series.records if record.missing_packets],
        },
        "losses": {
            "lost_frames": series.losses.lost_frames if not config.interval_s else None,
            "incomplete_pictures": series.losses.incomplete_pictures,
            "missing_packets": series.losses.missing_packets,
            "skipped_slots": series.losses.skipped_slots,
            "reconnections": series.losses.reconnections,
        },
        "picks": [_pick(series, pick) for pick in series.picks],
        "camera": {"name": series.camera_name, "settings": series.camera_settings},
    }


def _pick(series: Series, pick: Pick) -> dict[str, Any]:
    record, frame = pick.record, pick.frame
    return {
        "number": record.number,
        "file": _frame_name(series, pick),
        "value": record.score.value,
        "support": record.score.support,
        "received": _utc(record.received_ns),
        "frame_id": frame.id,
        "timestamp_ns": frame.timestamp_ns,
        "clock": frame.clock,
        "exposure_us": frame.exposure_us,
        "gain_db": frame.gain_db,
        "pixel_format": frame.pixel_format.name,
        "width_px": frame.width,
        "height_px": frame.height,
        "missing_packets": frame.missing_packets,
        "metadata": frame.metadata,
    }


def _utc(since_1970_ns: int) -> str:
    return datetime.fromtimestamp(since_1970_ns / 1e9, UTC).isoformat(timespec="microseconds")


def _plain(value: Any) -> Any:
    """Give what JSON can hold: a camera may have features at infinity, and metadata of any kind."""
    if isinstance(value, dict) or hasattr(value, "items"):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (str, int)) else str(value)
