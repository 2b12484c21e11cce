"""What a camera can do, and its set-ups under names: those of its sensor, and the user sets that it keeps itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar

from heliograph.cameras.setup import Setup, facts_of
from heliograph.core import (
    Access,
    Camera,
    Feature,
    FeatureAccessError,
    Features,
    FeatureValue,
    FeatureValueError,
    PixelFormat,
    RemoteStatusError,
    SettingError,
)

_BINNING = ("BinningHorizontal", "BinningVertical")
_REFUSALS = (FeatureValueError, FeatureAccessError, RemoteStatusError)
_SELECTOR, _DESCRIPTION = "UserSetSelector", "UserSetDescription"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Mode:
    """A size that a camera gives of its whole field, and at most how often."""

    width: int
    height: int
    binning: int
    pixel_formats: tuple[str, ...]
    max_rate_hz: float | None
    """At the shortest exposure; None where the camera does not tell."""


def presets_for(camera: Camera) -> dict[str, dict[str, FeatureValue]]:
    """Give the shipped set-ups of a camera's sensor, by name, as far as the camera has what they set.

    >>> presets_for(camera)["Half"]["Width"]                                   # doctest: +SKIP
    2028

    The sensor is known by DeviceModelName, which contains its name, such as imx477. Values are for
    `heliograph.core.settings.apply`; a camera with another sensor has none.
    """
    features = camera.features
    facts = facts_of(str(features["DeviceModelName"])) if "DeviceModelName" in features else None
    fitting = {each.name: fitted(each, features) for each in (facts.setups if facts else ())}
    return {name: settings for name, settings in fitting.items() if settings}


def fitted(setup: Setup, features: Features) -> dict[str, FeatureValue]:
    """Give the settings of a set-up that a camera has; none when it lacks the format or the binning.

    Sizes go down to the camera's steps, and a mode of the sensor that it does not know is its own to choose.
    """
    settings = {name: value for name, value in setup.settings.items() if name in features}
    if not _takes(features, "SensorMode", settings.get("SensorMode")):
        settings.pop("SensorMode", None)
    binned = setup.binning == 1 or "BinningHorizontal" in settings
    if not binned or not all(_takes(features, name, settings.get(name)) for name in ("PixelFormat", *_BINNING)):
        return {}
    for name in ("Width", "Height"):
        feature = features.describe(name)
        if feature.access is not Access.READ_WRITE:
            return {}
        step, least = _step_px(features, feature, setup), int(feature.minimum or 0)
        settings[name] = least + (int(settings[name]) - least) // step * step
    return settings


def _step_px(features: Features, feature: Feature, setup: Setup) -> int:
    """Give the step of a size in the set-up's format: where the step of now is the format's, it will be another."""
    present = PixelFormat.__members__.get(str(features["PixelFormat"]))
    step = int(feature.increment or 1)
    return PixelFormat.parse(setup.pixel_format).size_increment if present and step == present.size_increment else step


def _takes(features: Features, name: str, value: FeatureValue | None) -> bool:
    """Tell whether a feature can have a value as far as that does not depend on others; what is not set can."""
    try:
        if value is not None:
            features.describe(name).check(value)
    except _REFUSALS:
        return False
    return True


def list_modes(camera: Camera) -> list[Mode]:
    """Give every size of the camera's whole field, the formats it comes in, and the highest frame rates.

    Binned by powers of two. Asks the camera by setting it this way and that, and puts its settings back. Raises
    `FeatureAccessError` while frames stream.
    """
    features = camera.features
    if camera.streaming:
        raise FeatureAccessError("modes cannot be listed while frames stream: stop acquisition first")
    before = camera.snapshot_settings()
    found: dict[tuple[int, int, int, float | None], list[str]] = {}
    try:
        for name in ("ExposureTime", "OffsetX", "OffsetY"):
            _try(features, name, "minimum")
        formats = list(features.describe("PixelFormat").entries)
        for binning in _settable(features, "BinningHorizontal", _powers_of_two(features, "BinningHorizontal")):
            _set(features, "BinningVertical", binning)
            for pixel_format, (width, height) in _sizes(features, formats):
                key = (width, height, int(binning or 1), _highest_rate_hz(features))
                found.setdefault(key, []).append(pixel_format)
            # Mosaics, which come last, may not go with the next binning.
            _set(features, "PixelFormat", formats[0])
    finally:
        camera.apply(before)
    return [Mode(w, h, b, tuple(formats), rate_hz) for (w, h, b, rate_hz), formats in found.items()]


def _sizes(features: Features, formats: list[str]) -> Iterator[tuple[str, tuple[int, int]]]:
    """Set the largest size in each format in turn; those with the same steps have the same."""
    sizes: dict[int, tuple[int, int]] = {}
    for name in _settable(features, "PixelFormat", formats):
        known = PixelFormat.__members__.get(str(name))
        step = known.size_increment if known else 0
        if not step or sizes.keys() != {step}:
            _try(features, "Width", "maximum")
            _try(features, "Height", "maximum")
            sizes = {step: (int(features["Width"]), int(features["Height"]))}
        yield str(name), sizes[step]


def _powers_of_two(features: Features, name: str) -> list[int]:
    feature = features.describe(name) if name in features else None
    highest = int(feature.maximum or 1) if feature else 1
    return [1 << power for power in range(highest.bit_length())]


def _settable(features: Features, name: str, values: list[_T]) -> Iterator[_T | FeatureValue | None]:
    """Set each value that the camera takes; give what it has when there is none to set."""
    if name not in features:
        yield None
    elif features.describe(name).access is not Access.READ_WRITE:
        yield features[name]
    else:
        yield from (value for value in values if _set(features, name, value))


def _set(features: Features, name: str, value: object) -> bool:
    with suppress(*_REFUSALS, KeyError):
        features[name] = value
        return True
    return False


def _try(features: Features, name: str, limit: str) -> None:
    if name in features:
        _set(features, name, getattr(features.describe(name), limit))


def _highest_rate_hz(features: Features) -> float | None:
    if "AcquisitionFrameRate" not in features:
        return None
    highest_hz = features.describe("AcquisitionFrameRate").maximum
    return None if highest_hz is None else round(float(highest_hz), 2)


def user_sets(camera: Camera) -> dict[str, str]:
    """Give the camera's user sets and their descriptions; none for a camera that keeps no settings."""
    features = camera.features
    if _SELECTOR not in features or _DESCRIPTION not in features:
        return {}
    with _selector(features):
        return {entry: str(_selected(features, entry)) for entry in features.describe(_SELECTOR).entries}


def save_user_set(camera: Camera, name: str) -> str:
    """Save the camera's settings under a name: in the user set that has it, or the first free one, which is given.

    Raises `SettingError` when no set is free, or the camera keeps none.
    """
    sets = _sets(camera)
    own = [entry for entry, description in sets.items() if name in (entry, description)]
    free = [entry for entry, description in sets.items() if not description and entry.startswith("UserSet")]
    if not (own or free):
        raise SettingError(f"no user set is free for {name!r}: save under one of {_known(sets)}")
    entry = (own or free)[0]
    if not entry.startswith("UserSet"):
        raise SettingError(f"{entry} is the camera's own and cannot be saved: choose another name")
    features = camera.features
    with _selector(features):
        features[_SELECTOR] = entry
        if name != entry:
            features[_DESCRIPTION] = name
        features.execute("UserSetSave")
    return entry


def load_user_set(camera: Camera, name: str) -> str:
    """Set the camera as the user set of this name or description says, and give the set.

    Raises `SettingError` when there is none.
    """
    sets = _sets(camera)
    found = [entry for entry, description in sets.items() if name in (entry, description)]
    if not found:
        raise SettingError(f"there is no user set {name!r}; there are {_known(sets)}")
    with _selector(camera.features):
        camera.features[_SELECTOR] = found[0]
        try:
            camera.features.execute("UserSetLoad")
        except FeatureAccessError as error:
            # A camera refuses an empty set in the same words as a client without control.
            raise SettingError(f"{found[0]} cannot be loaded: nothing is saved in it, or {error}") from error
    return found[0]


def save_setups(camera: Camera, setups: list[Setup]) -> dict[str, str]:
    """Save set-ups as user sets of the camera, whose settings are the same afterwards; give the set of each name.

    Raises `SettingError` when the camera cannot do one, or has no room; those before it stay saved.
    """
    before = camera.snapshot_settings()
    saved = {}
    try:
        for setup in setups:
            settings = fitted(setup, camera.features)
            if not settings:
                raise SettingError(f"the camera has no {setup.pixel_format} binned {setup.binning} for {setup.name!r}")
            camera.apply(settings)
            saved[setup.name] = save_user_set(camera, setup.name)
    finally:
        camera.apply(before)
    return saved


def _sets(camera: Camera) -> Mapping[str, str]:
    sets = user_sets(camera)
    if not sets:
        raise SettingError(f"{camera.name} keeps no user sets: only a camera on the network does, see heliograph serve")
    return sets


def _known(sets: Mapping[str, str]) -> str:
    return ", ".join(f"{entry} ({text})" if text else entry for entry, text in sets.items())


def _selected(features: Features, entry: str) -> FeatureValue:
    features[_SELECTOR] = entry
    return features[_DESCRIPTION]


@contextmanager
def _selector(features: Features) -> Iterator[None]:
    """Put the selector back to what it was."""
    present = features[_SELECTOR]
    try:
        yield
    finally:
        features[_SELECTOR] = present
