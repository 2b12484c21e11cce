"""All settings of a camera as one mapping: taken, kept, and applied again, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from heliograph.core.errors import (
    FeatureAccessError,
    FeatureNotFoundError,
    FeatureValueError,
    HeliographError,
    RemoteStatusError,
)
from heliograph.core.feature import Access, Feature, FeatureKind, Features, FeatureValue

# Formats before sizes, and a region at the origin before it grows: each one moves the limits of those after it.
_FIRST = ("PixelFormat", "BinningHorizontal", "BinningVertical", "DecimationHorizontal", "DecimationVertical")
_ORIGIN = ("OffsetX", "OffsetY")
# Not every camera locks these while it streams, and then sends what no receiver has room for (Aravis' fake one).
_SHAPE = (*_FIRST, "Width", "Height")
_REGION = (*_SHAPE, *_ORIGIN)
_REFUSALS = (FeatureAccessError, FeatureValueError, RemoteStatusError)


def snapshot(features: Features) -> dict[str, FeatureValue]:
    """Give every setting that can be changed now, by feature name; one behind a selector as `Name[Entry]`.

    >>> snapshot(camera.features)                                              # doctest: +SKIP
    {'Width': 2028, 'Height': 1520, 'ExposureTime': 2000.0, 'BalanceRatio[Red]': 1.8, 'BalanceRatio[Blue]': 1.5}

    Selectors themselves, commands, and what is no setting (addresses, locks, names) are left out, and so is what
    another feature decides now, such as ExposureTime while ExposureAuto is Continuous. Selectors are moved for a
    moment and put back.
    """
    described = {name: features.describe(name) for name in features}
    selectors = {feature.selected_by for feature in described.values()}
    settings: dict[str, FeatureValue] = {}
    for name, feature in described.items():
        if name in selectors or not feature.streamable or feature.kind is FeatureKind.COMMAND:
            continue
        if not feature.selected_by:
            _take(features, name, name, settings)
            continue
        with _selector(features, feature.selected_by):
            for entry in described[feature.selected_by].entries:
                features[feature.selected_by] = entry
                _take(features, name, f"{name}[{entry}]", settings)
    return settings


def apply(features: Features, settings: Mapping[str, object]) -> None:
    """Set many features at once, in the order that their limits ask for.

    When one cannot be set, those that were are put back, and the error of that one is raised:
    `FeatureNotFoundError`, `FeatureValueError`, `FeatureAccessError`, `RemoteStatusError` or whatever a driver raises.
    """
    before: dict[str, FeatureValue] = {}
    try:
        refused = _apply(features, settings, before)
        if refused:
            raise next(iter(refused.values()))
    except Exception:
        # The camera took these values a moment ago; one it does not take back has no better error than the first.
        with suppress(Exception):
            _apply_all(features, before)
        raise


def restore(features: Features, settings: Mapping[str, object]) -> dict[str, HeliographError]:
    """Set as many features as can be set, in the order that their limits ask for; give the error of each other one.

    Raises `FeatureNotFoundError` for one that does not exist.
    """
    return _apply(features, settings, {})


def needs_stop(features: Features, settings: Mapping[str, object]) -> bool:
    """Tell whether a setting changes the shape of frames or what else is locked while they stream.

    Raises `FeatureNotFoundError`.
    """
    described = {key: features.describe(_parts(key)[0]) for key in settings}
    return any(
        shapes_frames(feature) and (feature.selected_by or features[feature.name] != settings[key])
        for key, feature in described.items()
    )


def shapes_frames(feature: Feature) -> bool:
    """Tell whether a feature decides what frames look like in memory, and so must not change while they stream."""
    return feature.locks_while_streaming or feature.name in _SHAPE


def _take(features: Features, name: str, key: str, settings: dict[str, FeatureValue]) -> None:
    feature = features.describe(name)
    # What is locked only because frames stream is a setting all the same.
    if feature.access is Access.READ_WRITE or (feature.access is Access.READ_ONLY and feature.locks_while_streaming):
        settings[key] = features[name]


def _apply(
    features: Features, settings: Mapping[str, object], before: dict[str, FeatureValue]
) -> dict[str, HeliographError]:
    ordered = {key: settings[key] for key in (*_FIRST, *settings) if key in settings}
    for key in ordered:
        _remember(features, key, before)
    offsets = {}
    if any(key in settings and settings[key] != before[key] for key in _REGION):
        offsets = {key: settings.get(key, features[key]) for key in _ORIGIN if key in features}
        for key in offsets:
            _remember(features, key, before)
        _apply_all(features, {key: features.describe(key).minimum or 0 for key in offsets})
    refused = _apply_all(features, {key: value for key, value in ordered.items() if key not in offsets})
    for key in offsets.keys() - settings.keys():
        # A region that is not asked to move stays where it is, as far as its new size leaves room.
        offsets[key] = min(before[key], features.describe(key).maximum or 0)
    return refused | _apply_all(features, offsets)


def _apply_all(features: Features, settings: Mapping[str, object]) -> dict[str, HeliographError]:
    """Set what can be set, again and again while that makes more possible; give the error of each of the others."""
    waiting = dict(settings)
    while True:
        refused: dict[str, HeliographError] = {}
        for key, value in waiting.items():
            try:
                _write(features, key, value)
            except _REFUSALS as error:
                refused[key] = error
        if not refused or len(refused) == len(waiting):
            return refused
        waiting = {key: waiting[key] for key in refused}


def _remember(features: Features, key: str, before: dict[str, FeatureValue]) -> None:
    name, entry = _parts(key)
    feature = features.describe(name)
    if entry and feature.selected_by:
        with _selector(features, feature.selected_by):
            features[feature.selected_by] = entry
            before[key] = features[name]
    elif entry:
        raise FeatureNotFoundError(f"{name} has no selector: write {name}, not {key}")
    else:
        before[key] = features[name]


def _write(features: Features, key: str, value: object) -> None:
    name, entry = _parts(key)
    if not entry:
        if features[name] != value:
            features[name] = value
        return
    selector = features.describe(name).selected_by
    with _selector(features, selector):
        features[selector] = entry
        if features[name] != value:
            features[name] = value


def _parts(key: str) -> tuple[str, str]:
    name, _, rest = key.partition("[")
    return name, rest.removesuffix("]")


@contextmanager
def _selector(features: Features, name: str) -> Iterator[None]:
    """Put a selector back to what it was."""
    present = features[name]
    try:
        yield
    finally:
        features[name] = present
