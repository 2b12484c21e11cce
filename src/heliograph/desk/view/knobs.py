"""A camera's features in the page's words: JSON, and changes made by people who look at a picture."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from heliograph.core import Access, Camera, CameraLostError, Feature, FeatureAccessError, FeatureKind, HeliographError

# Beyond this a number of JavaScript is no longer exact.
_EXACT = 2**53
# Starting and stopping the stream, and where it goes, is done by whoever takes frames.
_OWN = ("AcquisitionStart", "AcquisitionStop", "TLParamsLocked", "GevCCP", "GevSCDA", "GevSCPHostPort")


def describe(camera: Camera, names: Iterable[str] | None = None) -> list[dict[str, Any]]:
    """Give features of a camera, all or these, with their values and limits now, as JSON-like values.

    A feature that the camera refuses to read is there without a value; of one that it refuses to describe, the reason
    is the description. Raises `CameraLostError`.
    """
    return [_described(camera, name) for name in (camera.features.names() if names is None else names)]


def change(camera: Camera, name: str, value: object) -> None:
    """Set a feature, or run a command; a stream is stopped for a moment where the feature asks for that.

    Raises what setting it raises.
    """
    feature = camera.features.describe(name)
    if name in _OWN:
        raise FeatureAccessError(f"{name} belongs to the stream that the page shows: close the page's program first")
    if feature.kind is FeatureKind.COMMAND:
        camera.features.execute(name)
    else:
        camera.apply({name: value})


def _described(camera: Camera, name: str) -> dict[str, Any]:
    try:
        feature = camera.features.describe(name)
    except CameraLostError:
        raise
    except HeliographError as error:
        feature = Feature(name, FeatureKind.STRING, description=str(error), access=Access.READ_ONLY)
    return {
        "name": name,
        "kind": feature.kind.value,
        "category": feature.category,
        "description": feature.description,
        "unit": feature.unit,
        "visibility": feature.visibility.value,
        "writable": _writable(feature),
        "restarts": feature.locks_while_streaming,
        "minimum": _number(feature.minimum),
        "maximum": _number(feature.maximum),
        "increment": _number(feature.increment),
        "entries": list(feature.entries),
        "range": feature.range_text,
        "value": _value(camera, feature),
    }


def _writable(feature: Feature) -> bool:
    """Tell whether it can be set, if need be between two frames."""
    return feature.name not in _OWN and (feature.access is not Access.READ_ONLY or feature.locks_while_streaming)


def _value(camera: Camera, feature: Feature) -> Any:
    if feature.kind is FeatureKind.COMMAND or feature.access is Access.WRITE_ONLY:
        return None
    try:
        return _number(camera.features[feature.name])
    except CameraLostError:
        raise
    except HeliographError:
        return None


def _number(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > _EXACT:
        return str(value)
    return value
