"""`heliograph features`: everything a camera can be asked and told."""

from __future__ import annotations

from typing import Any

import heliograph
from heliograph.cli.argument import CameraArgument, JsonOption, camera_url
from heliograph.cli.table import show
from heliograph.core import FeatureAccessError, Features


def features(cam: CameraArgument, as_json: JsonOption = False) -> None:
    """List a camera's features with their values and limits."""
    with heliograph.open(camera_url(cam)) as camera:
        rows = [_row(camera.features, name) for name in camera.features.names()]
    show(rows, as_json)


def _row(features: Features, name: str) -> dict[str, Any]:
    feature = features.describe(name)
    try:
        value = features[name]
    except FeatureAccessError:
        value = None
    bounded = feature.entries or feature.minimum is not None or feature.maximum is not None
    return {
        "category": feature.category,
        "name": name,
        "value": value,
        "possible": feature.range_text if bounded else feature.unit,
        "access": feature.access.value,
        "description": feature.description,
    }
