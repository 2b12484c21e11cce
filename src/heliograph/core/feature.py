"""Features: the typed, self-describing knobs of a camera, under their SFNC names."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any, TypeAlias

from heliograph.core.errors import FeatureAccessError, FeatureNotFoundError, FeatureValueError
from heliograph.core.pixelformat import PixelFormat

FeatureValue: TypeAlias = int | float | bool | str


class FeatureKind(StrEnum):
    """What a feature holds; the values are the names of GenApi's node types."""

    INTEGER = "Integer"
    FLOAT = "Float"
    BOOLEAN = "Boolean"
    ENUMERATION = "Enumeration"
    STRING = "String"
    COMMAND = "Command"


class Access(StrEnum):
    """What can be done with a feature."""

    READ_ONLY = "RO"
    READ_WRITE = "RW"
    WRITE_ONLY = "WO"


class Visibility(StrEnum):
    """For whom a feature is meant, as in GenApi."""

    BEGINNER = "Beginner"
    EXPERT = "Expert"
    GURU = "Guru"


@dataclass(frozen=True, slots=True)
class Feature:
    """What a feature is and what it can be set to at this moment.

    >>> Feature("ExposureTime", FeatureKind.FLOAT, unit="us", minimum=19.0, maximum=40_000.0).range_text
    '19.0 to 40000.0 us'
    """

    name: str
    kind: FeatureKind
    category: str = "DeviceControl"
    description: str = ""
    unit: str = ""
    access: Access = Access.READ_WRITE
    visibility: Visibility = Visibility.BEGINNER
    minimum: int | float | None = None
    maximum: int | float | None = None
    increment: int | float | None = None
    entries: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """Entries of an enumeration and the integer each one is on the wire."""
    locks_while_streaming: bool = False
    """True when the feature decides the size or shape of frames: read-only between start and stop."""
    selected_by: str = ""
    """Enumeration that says which of several values this name stands for now, such as BalanceRatioSelector."""
    automatic_by: str = ""
    """Enumeration, such as ExposureAuto, by which the camera sets this value itself: read-only unless it is `Off`."""
    streamable: bool = True
    """True when the value, where it can be written, is a setting: part of a user set and of `settings.snapshot`."""

    @property
    def range_text(self) -> str:
        """What the feature can be set to, in words."""
        if self.kind is FeatureKind.ENUMERATION:
            return "one of " + ", ".join(self.entries)
        if self.kind is FeatureKind.BOOLEAN:
            return "true or false"
        if self.kind is FeatureKind.STRING:
            return "any text"
        if self.kind is FeatureKind.COMMAND:
            return "executed, not set"
        unit = f" {self.unit}" if self.unit else ""
        text = f"{self.minimum} to {self.maximum}{unit}"
        return f"{text} in steps of {self.increment}" if self.increment not in (None, 1) else text

    def check(self, value: object) -> FeatureValue:
        """Give `value` as this feature's type; text such as a command line has is understood.

        Raises `FeatureValueError` that names the range, `FeatureAccessError` when the feature cannot be written.
        """
        if self.access is Access.READ_ONLY:
            raise FeatureAccessError(f"{self.name} is read-only")
        try:
            checked = _coerce(self, value)
        except (TypeError, ValueError, OverflowError):
            told = f"{self.name} cannot be {value!r}: it takes {self._taken_text}"
            raise FeatureValueError(told) from None
        if isinstance(checked, (int, float)) and not isinstance(checked, bool):
            self._check_range(checked)
        return checked

    @property
    def _taken_text(self) -> str:
        numbers = {FeatureKind.INTEGER: "whole numbers, ", FeatureKind.FLOAT: "numbers, "}
        return numbers.get(self.kind, "") + self.range_text

    def _check_range(self, value: int | float) -> None:
        low, high, step = self.minimum, self.maximum, self.increment
        inside = (low is None or value >= low) and (high is None or value <= high)
        on_step = self.kind is FeatureKind.FLOAT or not step or (value - (low or 0)) % step == 0
        if not (inside and on_step):
            raise FeatureValueError(f"{self.name} cannot be {value}: possible is {self.range_text}")


def _coerce(feature: Feature, value: object) -> FeatureValue:
    match feature.kind:
        case FeatureKind.INTEGER:
            if isinstance(value, str):
                return int(value, 0)
            whole: int = int(value)  # type: ignore[call-overload]
            if whole != value:
                raise ValueError
            return whole
        case FeatureKind.FLOAT:
            number = float(value)  # type: ignore[arg-type]
            if math.isnan(number):
                raise ValueError
            return number
        case FeatureKind.BOOLEAN:
            return _boolean(value)
        case FeatureKind.ENUMERATION:
            name = str(value)
            if feature.name == "PixelFormat" and name not in feature.entries:
                # NV12 and the other aliases that `heliograph.open` knows.
                name = PixelFormat.parse(name).name
            if name not in feature.entries:
                raise ValueError
            return name
        case FeatureKind.STRING:
            return str(value)
        case _:
            raise FeatureAccessError(f"{feature.name} is a command: execute it instead of setting it")


def _boolean(value: object) -> bool:
    text = str(value).lower()
    if text in ("true", "1", "on", "yes"):
        return True
    if text in ("false", "0", "off", "no"):
        return False
    raise ValueError


class Features(ABC):
    """All features of a camera: by key, by attribute, or listed.

    >>> features["ExposureTime"] = 2000          # doctest: +SKIP
    >>> features.ExposureTime                    # doctest: +SKIP
    2000.0
    >>> features.describe("ExposureTime").maximum  # doctest: +SKIP
    40000.0

    Every access asks the camera; nothing is cached that the camera could have changed.
    Raises `FeatureNotFoundError`, `FeatureValueError` or `FeatureAccessError`.
    """

    @abstractmethod
    def names(self) -> list[str]:
        """Names of all features, in the order of their categories."""

    @abstractmethod
    def describe(self, name: str) -> Feature:
        """What the feature is and its limits now."""

    @abstractmethod
    def __getitem__(self, name: str) -> FeatureValue:
        """Read a feature."""

    @abstractmethod
    def __setitem__(self, name: str, value: object) -> None:
        """Write a feature, after checking the value against its limits."""

    @abstractmethod
    def execute(self, name: str) -> None:
        """Run a command feature and wait until it is done."""

    def __contains__(self, name: object) -> bool:
        return name in self.names()

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.names()]

    def _ipython_key_completions_(self) -> list[str]:
        return self.names()

    def __getattr__(self, name: str) -> FeatureValue:
        if name.startswith("_"):
            raise AttributeError(name)
        return self[name]

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            super().__setattr__(name, value)
        else:
            self[name] = value


@dataclass(slots=True)
class _Knob:
    feature: Feature
    read: Callable[[], FeatureValue] | None
    write: Callable[[Any], None] | None
    limits: Callable[[], tuple[float, ...]] | None


class LocalFeatures(Features):
    """Features of a camera in this process, each backed by functions of its driver.

    >>> gain = [0.0]
    >>> features = LocalFeatures()
    >>> features.add(Feature("Gain", FeatureKind.FLOAT, unit="dB", minimum=0.0, maximum=24.0),
    ...              read=lambda: gain[0], write=lambda value: gain.__setitem__(0, value))
    >>> features.Gain = 6
    >>> features["Gain"]
    6.0

    `streaming` tells whether acquisition runs: features that decide the shape of frames are locked meanwhile.
    """

    def __init__(self, streaming: Callable[[], bool] = lambda: False) -> None:
        self._knobs: dict[str, _Knob] = {}
        self._streaming = streaming

    def add(
        self,
        feature: Feature,
        read: Callable[[], FeatureValue] | None = None,
        write: Callable[[Any], None] | None = None,
        limits: Callable[[], tuple[float, ...]] | None = None,
    ) -> None:
        """Add a feature; `limits` gives minimum, maximum and, if need be, increment that depend on other features."""
        self._knobs[feature.name] = _Knob(feature, read, write, limits)

    def names(self) -> list[str]:
        """Names of all features, in the order they were added."""
        return list(self._knobs)

    def describe(self, name: str) -> Feature:
        """What the feature is and its limits now."""
        knob = self._knob(name)
        feature = knob.feature
        if knob.limits is not None:
            minimum, maximum, *increment = knob.limits()
            feature = replace(feature, minimum=minimum, maximum=maximum, increment=(*increment, feature.increment)[0])
        return replace(feature, access=Access.READ_ONLY) if self._is_automatic(feature) else feature

    def __getitem__(self, name: str) -> FeatureValue:
        knob = self._knob(name)
        if knob.read is None:
            raise FeatureAccessError(f"{name} cannot be read")
        return knob.read()

    def __setitem__(self, name: str, value: object) -> None:
        knob = self._knob(name)
        if self._is_automatic(knob.feature):
            raise FeatureAccessError(f"{name} is set by the camera: set {knob.feature.automatic_by} to Off first")
        checked = self.describe(name).check(value)
        if knob.write is None:
            raise FeatureAccessError(f"{name} is read-only")
        if knob.feature.locks_while_streaming and self._streaming():
            raise FeatureAccessError(f"{name} is locked while frames stream: stop acquisition first")
        knob.write(checked)

    def execute(self, name: str) -> None:
        """Run a command feature."""
        knob = self._knob(name)
        if knob.feature.kind is not FeatureKind.COMMAND or knob.write is None:
            raise FeatureAccessError(f"{name} is not a command")
        knob.write(True)

    def _is_automatic(self, feature: Feature) -> bool:
        return bool(feature.automatic_by) and self[feature.automatic_by] != "Off"

    def _knob(self, name: str) -> _Knob:
        try:
            return self._knobs[name]
        except KeyError:
            raise FeatureNotFoundError(f"the camera has no feature {name!r}; it has {', '.join(self._knobs)}") from None
