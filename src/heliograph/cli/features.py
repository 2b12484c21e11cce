"""`heliograph features`: everything a camera can be asked and told."""

from __future__ import annotations

import heliograph
from heliograph.cli.argument import CameraArgument, JsonOption, camera_url
from heliograph.cli.table import show
from heliograph.core import (
    Access,
    Feature,
    FeatureAccessError,
    FeatureKind,
    Features,
    FeatureValue,
    FeatureValueError,
    RemoteProtocolError,
)

_REFUSALS = (FeatureAccessError, FeatureValueError, RemoteProtocolError)


def features(cam: CameraArgument, as_json: JsonOption = False) -> None:
    """List a camera's features with their values and limits."""
    with heliograph.open(camera_url(cam), control=False) as camera:
        listed = [_asked(camera.features, name) for name in camera.features.names()]
    show([(_for_programs if as_json else _for_people)(*each) for each in listed], as_json)


def _asked(features: Features, name: str) -> tuple[Feature, FeatureValue | None]:
    """Give what a feature is and its value; one that the camera refuses to tell about takes no other away."""
    try:
        feature = features.describe(name)
    except _REFUSALS as error:
        return Feature(name, FeatureKind.STRING, description=str(error), access=Access.READ_ONLY), None
    try:
        return feature, features[name]
    except _REFUSALS:
        return feature, None


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
        "value": "-" if value is None else f"{value} {feature.unit}".rstrip(),
        "can be": _possible(feature),
        "description": feature.description,
    }


def _possible(feature: Feature) -> str:
    if feature.kind is FeatureKind.COMMAND:
        return "run"
    if feature.access is Access.READ_ONLY:
        return "read only"
    return "any text" if feature.kind is FeatureKind.STRING else feature.range_text
