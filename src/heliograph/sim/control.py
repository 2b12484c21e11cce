"""Settings of a simulated camera, and the SFNC features of its pictures' geometry and format."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from heliograph.core import Access, Feature, FeatureKind, FeatureValueError, LocalFeatures, PixelFormat, Visibility
from heliograph.sim.development import FORMATS
from heliograph.sim.sensor import (
    BINNINGS,
    SMALLEST_SIZE_PX,
    SensorModel,
    SensorSettings,
    largest_size_px,
)
from heliograph.sim.testpattern import TEST_PATTERNS

_IMAGE = "ImageFormatControl"


@dataclass(frozen=True, slots=True)
class _Axis:
    """The names that one direction of a picture goes by."""

    size: str
    offset: str
    binning: str
    reverse: str
    sensor_size_px: int


class Control:
    """Settings of a sensor and the features that read and write them.

    `settings` is replaced whole, so that a thread that takes frames never sees half of a change.
    """

    def __init__(
        self,
        model: SensorModel,
        settings: SensorSettings,
        identity: Mapping[str, str],
        streaming: Callable[[], bool],
    ) -> None:
        self.model = model
        self.settings = settings
        self.features = LocalFeatures(streaming)
        self._lock = threading.Lock()
        for name, text in identity.items():
            self._read_only(Feature(name, FeatureKind.STRING, access=Access.READ_ONLY), text)
        self._add_geometry()
        self._add_pixel_format()
        self._add_test_pattern()

    def add(self, feature: Feature, setting: str, limits: Callable[[], tuple[float, ...]] | None = None) -> None:
        """Add a feature that is one of the settings."""
        self.features.add(
            feature,
            read=lambda: getattr(self.settings, setting),
            write=lambda value: self.set(setting, value),
            limits=limits,
        )

    def set(self, setting: str, value: Any) -> None:
        """Change one setting."""
        self.update(lambda settings: replace(settings, **{setting: value}))

    def update(self, change: Callable[[SensorSettings], SensorSettings]) -> None:
        """Change settings by what they are."""
        with self._lock:
            self.settings = change(self.settings)

    def _add_geometry(self) -> None:
        axes = (
            _Axis("width", "offset_x", "binning_x", "reverse_x", self.model.width_px),
            _Axis("height", "offset_y", "binning_y", "reverse_y", self.model.height_px),
        )
        letters = ("X", "Y")
        for axis in axes:
            size_px = axis.sensor_size_px
            feature = Feature(
                f"Sensor{axis.size.capitalize()}",
                FeatureKind.INTEGER,
                _IMAGE,
                "Size of the sensor.",
                unit="px",
                access=Access.READ_ONLY,
                visibility=Visibility.EXPERT,
                minimum=size_px,
                maximum=size_px,
            )
            self._read_only(feature, size_px)
        for axis in axes:
            self._size(axis)
        for axis, letter in zip(axes, letters, strict=True):
            self._offset(axis, letter)
        for axis, name in zip(axes, ("BinningHorizontal", "BinningVertical"), strict=True):
            self._binning(axis, name)
        for axis, letter in zip(axes, letters, strict=True):
            text = "Mirrors the picture before the region is cut out; a mosaic keeps its pattern."
            self.add(Feature(f"Reverse{letter}", FeatureKind.BOOLEAN, _IMAGE, text), axis.reverse)

    def _size(self, axis: _Axis) -> None:
        feature = Feature(
            axis.size.capitalize(),
            FeatureKind.INTEGER,
            _IMAGE,
            "Size of the picture, after binning.",
            unit="px",
            minimum=SMALLEST_SIZE_PX,
            increment=1,
            locks_while_streaming=True,
        )
        self.add(
            feature,
            axis.size,
            lambda: (SMALLEST_SIZE_PX, self._field_px(axis) - self._now(axis.offset), self._step_px),
        )

    def _offset(self, axis: _Axis, letter: str) -> None:
        feature = Feature(
            f"Offset{letter}",
            FeatureKind.INTEGER,
            _IMAGE,
            "Where the picture begins in the binned and mirrored field.",
            unit="px",
            minimum=0,
            increment=1,
        )
        self.add(feature, axis.offset, lambda: (0, self._field_px(axis) - self._now(axis.size), self._step_px))

    def _binning(self, axis: _Axis, name: str) -> None:
        feature = Feature(
            name,
            FeatureKind.INTEGER,
            _IMAGE,
            "Sensor pixels averaged into one: 1, 2, 4 or 8. The region keeps to its part of the scene.",
            minimum=BINNINGS[0],
            maximum=BINNINGS[-1],
            increment=1,
            locks_while_streaming=True,
        )
        self.features.add(
            feature, read=lambda: self._now(axis.binning), write=lambda value: self._bin(axis, name, value)
        )

    def _bin(self, axis: _Axis, name: str, binning: int) -> None:
        if binning not in BINNINGS:
            raise FeatureValueError(f"{name} cannot be {binning}: possible are {', '.join(map(str, BINNINGS))}")
        self.update(lambda settings: _binned(settings, axis, binning))

    def _add_pixel_format(self) -> None:
        feature = Feature(
            "PixelFormat",
            FeatureKind.ENUMERATION,
            _IMAGE,
            "Format of the pixels; all but the mosaics are developed in the camera.",
            entries={each.name: int(each) for each in FORMATS},
            locks_while_streaming=True,
        )
        self.features.add(
            feature,
            read=lambda: self.settings.pixel_format.name,
            write=lambda name: self.update(lambda settings: _formatted(settings, PixelFormat.parse(name))),
        )

    def _add_test_pattern(self) -> None:
        feature = Feature(
            "TestPattern",
            FeatureKind.ENUMERATION,
            _IMAGE,
            "Picture that is sent instead of what the sensor sees.",
            entries=TEST_PATTERNS,
        )
        self.add(feature, "test_pattern")

    def _read_only(self, feature: Feature, value: int | str) -> None:
        self.features.add(feature, read=lambda: value)

    def _now(self, setting: str) -> int:
        return int(getattr(self.settings, setting))

    def _field_px(self, axis: _Axis) -> int:
        return largest_size_px(axis.sensor_size_px, self._now(axis.binning), self._step_px)

    @property
    def _step_px(self) -> int:
        return self.settings.pixel_format.size_increment


def _formatted(settings: SensorSettings, pixel_format: PixelFormat) -> SensorSettings:
    """Give the settings with another format: sizes and offsets that it cannot have become the next smaller ones."""
    step = pixel_format.size_increment
    region = {name: getattr(settings, name) // step * step for name in ("width", "height", "offset_x", "offset_y")}
    return replace(settings, pixel_format=pixel_format, **region)


def _binned(settings: SensorSettings, axis: _Axis, binning: int) -> SensorSettings:
    """Give the settings with another binning: the region keeps to its part of the scene, as far as its steps allow."""
    step, before = settings.pixel_format.size_increment, getattr(settings, axis.binning)
    field_px = largest_size_px(axis.sensor_size_px, binning, step)
    size_px, offset_px = (
        getattr(settings, each) * before // binning // step * step for each in (axis.size, axis.offset)
    )
    size_px = min(max(size_px, SMALLEST_SIZE_PX), field_px)
    changes = {axis.binning: binning, axis.size: size_px, axis.offset: min(offset_px, field_px - size_px)}
    return replace(settings, **changes)
