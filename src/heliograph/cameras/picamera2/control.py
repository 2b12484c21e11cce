"""The features of a Raspberry Pi camera: SFNC names over libcamera's controls and picamera2's configurations."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from heliograph.cameras.picamera2.buffer import PROCESSED
from heliograph.cameras.picamera2.mode import AUTOMATIC, SensorMode, best_mode
from heliograph.cameras.picamera2.sensor import Sensor
from heliograph.cameras.picamera2.settings import Settings, highest_rate_hz
from heliograph.core import (
    Access,
    Feature,
    FeatureKind,
    FeatureValueError,
    LocalFeatures,
    PixelFormat,
    Visibility,
)

_IMAGE, _ACQUISITION, _ANALOG = "ImageFormatControl", "AcquisitionControl", "AnalogControl"
_OPTIC = "OpticControl"
_MOST_BINNING = 8
# A Pi 5 scales to no less than 1/16 of the sensor's mode (libcamera pisp.cpp, platformValidate), a Pi 4 to 64 px.
_SMALLEST_SIZE_PX = 64
_WIDEST_AT_FIRST_PX = 2400
_LOWEST_RATE_HZ = 0.05
_AUTO = {"Off": 0, "Continuous": 2}
_CHECKED = {"pixel_format", "binning", "mode_name", "reverse_x", "reverse_y"}


@dataclass(frozen=True, slots=True)
class Measured:
    """What libcamera told about the last frame, for what its algorithms decide."""

    exposure_us: float | None = None
    gain_db: float | None = None
    balance: tuple[float, float] | None = None
    lens_position_dpt: float | None = None


class Control:
    """Settings of a camera and the features that read and write them.

    `settings` is replaced whole; `changed` is called after each change that acts on a running camera.
    """

    def __init__(self, sensor: Sensor, streaming: Callable[[], bool], changed: Callable[[], None]) -> None:
        self.sensor = sensor
        self.measured = Measured()
        self.features = LocalFeatures(streaming)
        self._changed = changed
        self._lock = threading.RLock()
        self._balance_entry = "Red"
        self._formats = sensor.formats
        binning = next(b for b in range(1, _MOST_BINNING + 1) if sensor.field.width // b <= _WIDEST_AT_FIRST_PX)
        nv12 = PixelFormat.parse("NV12")
        width, height = (size // binning // 2 * 2 for size in (sensor.field.width, sensor.field.height))
        self.settings = Settings(nv12, binning, width, height)
        self.mode = self.best_mode(self.settings)
        self._add_identity()
        self._add_format()
        self._add_region()
        self._add_time()
        self._add_gain()
        if "ColourGains" in sensor.known_controls:
            self._add_balance()
        if sensor.lens_dpt is not None:
            self._add_focus(*sensor.lens_dpt)

    def best_mode(self, settings: Settings, anywhere: bool = False) -> SensorMode:
        """Give the sensor's mode for these settings; raises `FeatureValueError` when there is none."""
        raw = settings.pixel_format not in PROCESSED
        if raw and (settings.reverse_x or settings.reverse_y):
            raise FeatureValueError("a mirrored mosaic would be another format: set ReverseX and ReverseY to false")
        modes = self._formats[settings.pixel_format]
        area = settings.area(self.sensor.field)
        return best_mode(modes, area, settings.binning, settings.mode_name, exactly=raw, anywhere=anywhere)

    def set(self, **changes: Any) -> None:
        """Change settings, all or none.

        Raises `FeatureValueError` for a format, binning or mode that does not go with the region's size. Where the
        region lies is checked when acquisition starts: settings that are applied one by one may be at odds until then.
        """
        with self._lock:
            settings = replace(self.settings, **changes)
            if changes.keys() & _CHECKED:
                self.best_mode(settings, anywhere=True)
            self.settings = settings
            with suppress(FeatureValueError):
                self.mode = self.best_mode(settings)
        self._changed()

    def _add_identity(self) -> None:
        texts = {"DeviceVendorName": "Raspberry Pi", "DeviceModelName": self.sensor.model}
        for name, text in texts.items():
            feature = Feature(name, FeatureKind.STRING, access=Access.READ_ONLY, streamable=False)
            self.features.add(feature, read=lambda text=text: text)  # type: ignore[misc]  # bound now, not when called
        for name, size_px in (("SensorWidth", self.sensor.field.width), ("SensorHeight", self.sensor.field.height)):
            feature = Feature(
                name,
                FeatureKind.INTEGER,
                _IMAGE,
                "Size of the sensor.",
                unit="px",
                access=Access.READ_ONLY,
                visibility=Visibility.EXPERT,
                minimum=size_px,
                maximum=size_px,
            )
            self.features.add(feature, read=lambda size_px=size_px: size_px)  # type: ignore[misc]  # as above

    def _add_format(self) -> None:
        text = "Format of the pixels; mosaics come unscaled from a mode of the sensor, others from the image processor."
        entries = {each.name: int(each) for each in self._formats}
        feature = Feature("PixelFormat", FeatureKind.ENUMERATION, _IMAGE, text, entries=entries)
        self._locked(feature, lambda: self.settings.pixel_format.name, self._set_format)
        entries = {AUTOMATIC: 0} | {mode.name: n for n, mode in enumerate(self.sensor.modes, 1)}
        text = "Mode that the sensor is read in; Auto takes the smallest that gives every pixel of the picture."
        feature = Feature("SensorMode", FeatureKind.ENUMERATION, _IMAGE, text, entries=entries)
        self._locked(feature, lambda: self.settings.mode_name, lambda name: self.set(mode_name=name))

    def _set_format(self, name: str) -> None:
        pixel_format, settings = PixelFormat[name], self.settings
        step = pixel_format.size_increment
        # A picture whose size is odd loses its last column or row rather than refuse the format.
        sizes = {"width": settings.width // step * step, "height": settings.height // step * step}
        self.set(pixel_format=pixel_format, **sizes)

    def _add_region(self) -> None:
        sizes = {"width": self.sensor.field.width, "height": self.sensor.field.height}
        for (axis, size_px), letter in zip(sizes.items(), "XY", strict=True):
            self._add_size(axis, size_px)
            self._add_offset(axis, letter, size_px)
        for name in ("BinningHorizontal", "BinningVertical"):
            text = "Pixels of the sensor, in each direction, that make one of the picture; both directions go together."
            feature = Feature(name, FeatureKind.INTEGER, _IMAGE, text, minimum=1, maximum=_MOST_BINNING, increment=1)
            self._locked(feature, lambda: self.settings.binning, self._set_binning)
        for letter in "XY":
            setting = f"reverse_{letter.lower()}"
            feature = Feature(f"Reverse{letter}", FeatureKind.BOOLEAN, _IMAGE, "Mirrors the picture; not for mosaics.")
            self._locked(feature, self._reader(setting), self._writer(setting))

    def _add_size(self, axis: str, size_px: int) -> None:
        def limits() -> tuple[int, int, int]:
            step = self.settings.pixel_format.size_increment
            offset = self.settings.offset_x if axis == "width" else self.settings.offset_y
            return _SMALLEST_SIZE_PX, (size_px // self.settings.binning - offset) // step * step, step

        text = "Size of the picture, after binning."
        feature = Feature(axis.capitalize(), FeatureKind.INTEGER, _IMAGE, text, "px", minimum=1, increment=1)
        self._locked(feature, self._reader(axis), self._writer(axis), limits)

    def _add_offset(self, axis: str, letter: str, size_px: int) -> None:
        setting = f"offset_{letter.lower()}"
        text = "Where the picture begins in the binned and mirrored field."
        feature = Feature(f"Offset{letter}", FeatureKind.INTEGER, _IMAGE, text, "px", minimum=0, increment=2)
        self._locked(
            feature,
            self._reader(setting),
            self._writer(setting),
            lambda: (0, size_px // self.settings.binning - getattr(self.settings, axis)),
        )

    def _set_binning(self, binning: int) -> None:
        """Keep to the same part of the scene, as far as whole pixels allow."""
        settings, field_px = self.settings, self.sensor.field
        step = settings.pixel_format.size_increment

        def scaled(size_px: int, whole_px: int) -> int:
            size_px = max(_SMALLEST_SIZE_PX, size_px * settings.binning // binning)
            return min(size_px, whole_px // binning) // step * step

        width, height = scaled(settings.width, field_px.width), scaled(settings.height, field_px.height)
        spare = (field_px.width // binning - width, field_px.height // binning - height)
        offsets = (each * settings.binning // binning for each in (settings.offset_x, settings.offset_y))
        x, y = (min(offset, most) // 2 * 2 for offset, most in zip(offsets, spare, strict=True))
        self.set(binning=binning, width=width, height=height, offset_x=x, offset_y=y)

    def _add_time(self) -> None:
        text = "Frames per second. A long exposure lowers it, and gives it back when it is shortened again."
        rate = Feature("AcquisitionFrameRate", FeatureKind.FLOAT, _ACQUISITION, text, unit="Hz")
        self.features.add(
            rate,
            read=lambda: min(self.settings.wanted_rate_hz, highest_rate_hz(self.settings, self.mode)),
            write=lambda value: self.set(wanted_rate_hz=value),
            limits=lambda: (_LOWEST_RATE_HZ, highest_rate_hz(self.settings, self.mode)),
        )
        text = "Time for which a row collects light; the sensor rounds it down to whole rows."
        exposure = Feature(
            "ExposureTime", FeatureKind.FLOAT, _ACQUISITION, text, unit="us", automatic_by="ExposureAuto"
        )
        self.features.add(
            exposure,
            read=lambda: self._now("exposure_us", self.settings.exposure_auto),
            write=lambda value: self.set(exposure_us=value),
            limits=lambda: (float(self.mode.shortest_exposure_us), float(self.mode.longest_exposure_us)),
        )
        self._add_auto("ExposureAuto", "ExposureTime", _ACQUISITION, "exposure_auto", ("exposure_us",))

    def _add_gain(self) -> None:
        text = "Amplification before the converter."
        gain = Feature("Gain", FeatureKind.FLOAT, _ANALOG, text, unit="dB", automatic_by="GainAuto")
        self.features.add(
            gain,
            read=lambda: self._now("gain_db", self.settings.gain_auto),
            write=lambda value: self.set(gain_db=value),
            limits=lambda: (0.0, self.sensor.highest_gain_db),
        )
        self._add_auto("GainAuto", "Gain", _ANALOG, "gain_auto", ("gain_db",))

    def _add_balance(self) -> None:
        entries = {"Red": 0, "Blue": 2}
        selector = Feature("BalanceRatioSelector", FeatureKind.ENUMERATION, _ANALOG, entries=entries)
        self.features.add(
            selector, read=lambda: self._balance_entry, write=lambda entry: setattr(self, "_balance_entry", entry)
        )
        ratio = Feature(
            "BalanceRatio",
            FeatureKind.FLOAT,
            _ANALOG,
            "Amplification of the selected colour against green; nothing for mosaics.",
            # libcamera src/ipa/rpi/common/ipa_base.cpp, ipaColourControls; 0 would mean automatic.
            minimum=0.01,
            maximum=32.0,
            selected_by="BalanceRatioSelector",
            automatic_by="BalanceWhiteAuto",
        )
        self.features.add(
            ratio,
            read=lambda: self._balance_now()[self._balance_entry != "Red"],
            write=lambda value: self.set(**{f"balance_{self._balance_entry.lower()}": value}),
        )
        self._add_auto("BalanceWhiteAuto", "BalanceRatio", _ANALOG, "balance_auto", ("balance_red", "balance_blue"))

    def _add_focus(self, least_dpt: float, most_dpt: float, usual_dpt: float) -> None:
        self.settings = replace(self.settings, lens_position_dpt=usual_dpt)
        lens = Feature(
            "LensPosition",
            FeatureKind.FLOAT,
            _OPTIC,
            "What is in focus: 1 over its distance in m, 0 for infinity.",
            unit="dpt",
            minimum=least_dpt,
            maximum=most_dpt,
            automatic_by="FocusAuto",
        )
        self.features.add(
            lens,
            read=lambda: self._now("lens_position_dpt", self.settings.focus_auto),
            write=self._writer("lens_position_dpt"),
        )
        self._add_auto("FocusAuto", "LensPosition", _OPTIC, "focus_auto", ("lens_position_dpt",))

    def _balance_now(self) -> tuple[float, float]:
        fixed = (self.settings.balance_red, self.settings.balance_blue)
        return (self.measured.balance or fixed) if self.settings.balance_auto else fixed

    def _add_auto(self, name: str, decided: str, category: str, setting: str, kept: tuple[str, ...]) -> None:
        """Add the switch of an algorithm; what it has found last stays when it is switched off."""

        def write(entry: str) -> None:
            found = self._balance_now() if setting == "balance_auto" else (self.features[decided],)
            self.set(**{setting: entry != "Off"}, **dict(zip(kept, found, strict=True)))

        text = f"Whether the camera decides {decided}."
        feature = Feature(name, FeatureKind.ENUMERATION, category, text, entries=_AUTO)
        self.features.add(feature, read=lambda: "Continuous" if getattr(self.settings, setting) else "Off", write=write)

    def _now(self, name: str, automatic: bool) -> float:
        found = getattr(self.measured, name) if automatic else None
        return float(getattr(self.settings, name) if found is None else found)

    def _reader(self, setting: str) -> Callable[[], Any]:
        return lambda: getattr(self.settings, setting)

    def _writer(self, setting: str) -> Callable[[Any], None]:
        return lambda value: self.set(**{setting: value})

    def _locked(
        self,
        feature: Feature,
        read: Callable[[], Any],
        write: Callable[[Any], None],
        limits: Callable[[], tuple[float, ...]] | None = None,
    ) -> None:
        self.features.add(replace(feature, locks_while_streaming=True), read, write, limits)
