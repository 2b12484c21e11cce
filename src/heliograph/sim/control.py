"""What can be set on a simulated camera: SFNC features, with limits that follow from each other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from heliograph.core import Access, Feature, FeatureKind, FeatureValueError, LocalFeatures, PixelFormat, Visibility
from heliograph.sim.development import FORMATS
from heliograph.sim.sensor import (
    BINNINGS,
    SIZE_STEP_PX,
    SMALLEST_SIZE_PX,
    SensorModel,
    SensorSettings,
    highest_rate_hz,
    largest_size_px,
    rate_hz,
)

_IMAGE, _ACQUISITION, _ANALOG = "ImageFormatControl", "AcquisitionControl", "AnalogControl"
_LOWEST_RATE_HZ = 0.1
_LONGEST_EXPOSURE_US = 10_000_000.0
# IMX477: analogue gain up to 22.26.
_HIGHEST_GAIN_DB = 26.95
_HIGHEST_BLACK_LEVEL_DN = 1023.0


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
        self.settings = settings
        self.features = LocalFeatures(streaming)
        self._model = model
        self._lock = threading.Lock()
        for name, text in identity.items():
            self._read_only(Feature(name, FeatureKind.STRING, access=Access.READ_ONLY), text)
        self._add_geometry()
        self._add_pixel_format()
        self._add_acquisition()
        self._add_analog()

    def _add_geometry(self) -> None:
        axes = (
            _Axis("width", "offset_x", "binning_x", "reverse_x", self._model.width_px),
            _Axis("height", "offset_y", "binning_y", "reverse_y", self._model.height_px),
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
            self._add(Feature(f"Reverse{letter}", FeatureKind.BOOLEAN, _IMAGE, text), axis.reverse)

    def _size(self, axis: _Axis) -> None:
        feature = Feature(
            axis.size.capitalize(),
            FeatureKind.INTEGER,
            _IMAGE,
            "Size of the picture, after binning.",
            unit="px",
            minimum=SMALLEST_SIZE_PX,
            increment=SIZE_STEP_PX,
            locks_while_streaming=True,
        )
        self._add(feature, axis.size, lambda: (SMALLEST_SIZE_PX, self._field_px(axis) - self._now(axis.offset)))

    def _offset(self, axis: _Axis, letter: str) -> None:
        feature = Feature(
            f"Offset{letter}",
            FeatureKind.INTEGER,
            _IMAGE,
            "Where the picture begins in the binned and mirrored field.",
            unit="px",
            minimum=0,
            increment=SIZE_STEP_PX,
        )
        self._add(feature, axis.offset, lambda: (0, self._field_px(axis) - self._now(axis.size)))

    def _binning(self, axis: _Axis, name: str) -> None:
        feature = Feature(
            name,
            FeatureKind.INTEGER,
            _IMAGE,
            "Sensor pixels averaged into one: 1, 2 or 4. The region keeps to its part of the scene.",
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
        with self._lock:
            before = self._now(axis.binning)
            field_px = largest_size_px(axis.sensor_size_px, binning)
            size_px, offset_px = (
                self._now(each) * before // binning // SIZE_STEP_PX * SIZE_STEP_PX for each in (axis.size, axis.offset)
            )
            size_px = min(max(size_px, SMALLEST_SIZE_PX), field_px)
            changes = {axis.binning: binning, axis.size: size_px, axis.offset: min(offset_px, field_px - size_px)}
            self.settings = replace(self.settings, **changes)  # type: ignore[arg-type]  # names and types are those of _Axis

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
            write=lambda name: self._set("pixel_format", PixelFormat.parse(name)),
        )

    def _add_acquisition(self) -> None:
        rate = Feature(
            "AcquisitionFrameRate",
            FeatureKind.FLOAT,
            _ACQUISITION,
            "Frames per second. A long exposure or a tall picture lowers it, and gives it back when it shrinks again.",
            unit="Hz",
        )
        self.features.add(
            rate,
            read=lambda: rate_hz(self._model, self.settings),
            write=lambda value: self._set("wanted_rate_hz", value),
            limits=lambda: (_LOWEST_RATE_HZ, highest_rate_hz(self._model, self.settings)),
        )
        exposure = Feature(
            "ExposureTime",
            FeatureKind.FLOAT,
            _ACQUISITION,
            "Time for which a row collects light.",
            unit="us",
            minimum=self._model.line_time_ns / 1e3,
            maximum=_LONGEST_EXPOSURE_US,
        )
        self._add(exposure, "exposure_us")

    def _add_analog(self) -> None:
        gain = Feature(
            "Gain",
            FeatureKind.FLOAT,
            _ANALOG,
            "Amplification before the converter.",
            unit="dB",
            minimum=0.0,
            maximum=_HIGHEST_GAIN_DB,
        )
        self._add(gain, "gain_db")
        black = Feature(
            "BlackLevel",
            FeatureKind.FLOAT,
            _ANALOG,
            "What darkness reads, in numbers of a 12-bit picture whatever the format.",
            unit="DN",
            minimum=0.0,
            maximum=_HIGHEST_BLACK_LEVEL_DN,
        )
        self._add(black, "black_level_dn")

    def _add(self, feature: Feature, setting: str, limits: Callable[[], tuple[float, float]] | None = None) -> None:
        self.features.add(
            feature,
            read=lambda: getattr(self.settings, setting),
            write=lambda value: self._set(setting, value),
            limits=limits,
        )

    def _read_only(self, feature: Feature, value: int | str) -> None:
        self.features.add(feature, read=lambda: value)

    def _set(self, setting: str, value: Any) -> None:
        with self._lock:
            self.settings = replace(self.settings, **{setting: value})

    def _now(self, setting: str) -> int:
        return int(getattr(self.settings, setting))

    def _field_px(self, axis: _Axis) -> int:
        return largest_size_px(axis.sensor_size_px, self._now(axis.binning))
