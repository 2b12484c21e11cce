"""`heliograph features`: everything a camera can be asked and told."""

from __future__ import annotations

import heliograph
from heliograph.cli.argument import CameraArgument, JsonOption, camera_url
from heliograph.cli.table import show
from heliograph.core import Access, Feature, FeatureAccessError, FeatureKind, Features, FeatureValue


def features(cam: CameraArgument, as_json: JsonOption = False) -> None:
    """List a camera's features with their values and limits."""
    with heliograph.open(camera_url(cam)) as camera:
        listed = [(camera.features.describe(name), _read(camera.features, name)) for name in camera.features.names()]
    show([(_for_programs if as_json else _for_people)(*each) for each in listed], as_json)


def _read(features: Features, name: str) -> FeatureValue | None:
    try:
        return features[name]
    except FeatureAccessError:
        return None


def _for_programs(feature: Feature, value: FeatureValue | None) -> dict[str, object]:
    return {
        "name": feature.name,
        "category": feature.category,
        "kind": feature.kind.value,
        "value": value,
        "unit": feature.unit,
        "access": feature.access.value,
        "minimum": feature.minimum,
        "maximum": feature.maximum,
        "increment": feature.increment,
        "entries": list(feature.entries),
        "description": feature.description,
    }


def _for_people(feature: Feature, value: FeatureValue | None) -> dict[str, object]:
    return {
        "name": feature.name,
        "value": "" if value is None else f"{value} {feature.unit}".rstrip(),
        "can be": _possible(feature),
        "description": feature.description,
    }


def _possible(feature: Feature) -> str:
    if feature.kind is FeatureKind.COMMAND:
        return "run"
    if feature.access is Access.READ_ONLY:
        return "read only"
    return "any text" if feature.kind is FeatureKind.STRING else feature.range_text
