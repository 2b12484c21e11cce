"""The features of a V4L2 camera: what it streams, and every control that its driver has."""

from __future__ import annotations

import contextlib
import errno
import re
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from heliograph.cameras.v4l2.device import Control, ControlFlag, ControlKind, Span, VideoDevice
from heliograph.cameras.v4l2.mode import Mode
from heliograph.core import (
    Access,
    CameraLostError,
    Feature,
    FeatureAccessError,
    FeatureKind,
    FeatureValue,
    HeliographError,
    LocalFeatures,
    PixelFormat,
)

_EXPOSURE_AUTO = 0x009A0901
_EXPOSURE = 0x009A0902
_EXPOSURE_STEP_US = 100.0
# Entries of the menu of V4L2_CID_EXPOSURE_AUTO: by hand, and automatic, of which cameras have one of three kinds.
_BY_HAND = 1
_AUTOMATIC = (3, 0, 2)
# SFNC's names of what V4L2 calls otherwise. GainRaw is the driver's own number: V4L2 knows no dB.
_SFNC = {0x0098090C: "BalanceWhiteAuto", 0x00980912: "GainAuto", 0x00980913: "GainRaw"}
_OFF_ON = {"Off": 0, "Continuous": 1}
_CATEGORIES = {"ExposureTime": "AcquisitionControl", "ExposureAuto": "AcquisitionControl"}
_AUTOMATIC_BY = {"ExposureTime": "ExposureAuto", "GainRaw": "GainAuto"}
_KINDS = {
    ControlKind.INTEGER: FeatureKind.INTEGER,
    ControlKind.BOOLEAN: FeatureKind.BOOLEAN,
    ControlKind.MENU: FeatureKind.ENUMERATION,
    ControlKind.BUTTON: FeatureKind.COMMAND,
}


class WebcamFeatures(LocalFeatures):
    """Features of the device at `path`, under SFNC names where V4L2 means the same, else the control's own name.

    What the driver calls inactive, such as the exposure time while the exposure is automatic, is read-only meanwhile.
    """

    def __init__(self, path: str, mode: Mode, streaming: Callable[[], bool]) -> None:
        super().__init__(streaming)
        self._path = path
        self._mode = mode
        self._controls: dict[str, int] = {}
        self._set: dict[int, int] = {}
        self._add_identity(mode.device)
        self._add_mode()
        for control in mode.device.controls():
            self._add_control(control)

    def describe(self, name: str) -> Feature:
        """What the feature is and its limits now."""
        feature = super().describe(name)
        if name not in self._controls or not self._mode.device.flags(self._controls[name]) & ControlFlag.INACTIVE:
            return feature
        return replace(feature, access=Access.READ_ONLY)

    def restore(self) -> None:
        """Set every control again that was set, in that order: a device that was unplugged has forgotten them."""
        for control_id, number in self._set.items():
            # One that another of them has made inactive.
            with contextlib.suppress(OSError):
                self._mode.device.set(control_id, number)

    def _add_identity(self, device: VideoDevice) -> None:
        texts = {"VendorName": device.driver, "ModelName": device.card, "ID": device.bus}
        texts["SerialNumber"] = _usb_serial(self._path) or f"{zlib.crc32(device.bus.encode()):08X}"
        for name, text in texts.items():
            told = Feature(f"Device{name}", FeatureKind.STRING, access=Access.READ_ONLY)
            self.add(told, read=lambda text=text: text)  # type: ignore[misc]  # mypy cannot infer a lambda's default

    def _add_mode(self) -> None:
        mode, image = self._mode, "ImageFormatControl"
        formats = {each.name: int(each) for each in mode.codes}
        told = Feature("PixelFormat", FeatureKind.ENUMERATION, image, entries=formats, locks_while_streaming=True)
        self.add(told, lambda: mode.pixel_format.name, lambda name: mode.set_format(PixelFormat[name]))
        width = Feature("Width", FeatureKind.INTEGER, image, "Width of a frame.", "px", locks_while_streaming=True)
        height = replace(width, name="Height", description="Height of a frame, one that goes with its width.")
        self.add(width, lambda: mode.width, mode.set_width, lambda: _limits([each.widths for each in mode.sizes()]))
        self.add(height, lambda: mode.height, mode.set_height, lambda: _limits(mode.heights()))
        rate = Feature(
            "AcquisitionFrameRate",
            FeatureKind.FLOAT,
            "AcquisitionControl",
            "Frames per second; the driver's nearest is taken. 0 when it does not say.",
            "Hz",
            Access.READ_WRITE if mode.rates_hz() else Access.READ_ONLY,
            locks_while_streaming=True,
        )
        self.add(rate, lambda: mode.rate_hz, mode.set_rate, lambda: _ends(mode.rates_hz()))

    def _add_control(self, control: Control) -> None:
        values = {_word(name): value for value, name in control.entries}
        kind, unit = _KINDS[control.kind], ""
        scale: float = 1
        name = _SFNC.get(control.id, _word(control.name))
        if control.id == _EXPOSURE:
            name, kind, unit, scale = "ExposureTime", FeatureKind.FLOAT, "us", _EXPOSURE_STEP_US
        elif control.id == _EXPOSURE_AUTO:
            automatic = next((value for value in _AUTOMATIC if value in values.values()), _BY_HAND)
            name, values = "ExposureAuto", {"Off": _BY_HAND, "Continuous": automatic}
        elif name.endswith("Auto") and control.id in _SFNC:
            kind, values = FeatureKind.ENUMERATION, _OFF_ON
        number = kind in (FeatureKind.INTEGER, FeatureKind.FLOAT)
        read_only = control.flags & ControlFlag.READ_ONLY
        feature = Feature(
            name,
            kind,
            _CATEGORIES.get(name, "AnalogControl"),
            f"{control.name} (V4L2 control 0x{control.id:08x}).",
            unit,
            Access.READ_ONLY if read_only else Access.READ_WRITE,
            minimum=control.minimum * scale if number else None,
            maximum=control.maximum * scale if number else None,
            increment=control.step * scale if number and control.step else None,
            entries=values if kind is FeatureKind.ENUMERATION else {},
            automatic_by=_AUTOMATIC_BY.get(name, "") if _AUTOMATIC_BY.get(name) in self else "",
        )
        if not name or name in self:
            return
        self._controls[name] = control.id
        readable = kind is not FeatureKind.COMMAND and not control.flags & ControlFlag.WRITE_ONLY
        self.add(
            feature,
            (lambda: self._read(feature, control.id, scale)) if readable else None,
            None if read_only else lambda value: self._write(feature, control.id, scale, value),
        )

    def _read(self, feature: Feature, control_id: int, scale: float) -> FeatureValue:
        try:
            value = self._mode.device.get(control_id)
        except OSError as error:
            raise self._refusal(f"{feature.name} cannot be read", error) from error
        match feature.kind:
            case FeatureKind.ENUMERATION:
                # Another automatic than ours, set by another program, is automatic too.
                other = "Continuous" if feature.name == "ExposureAuto" else str(value)
                return next((name for name, number in feature.entries.items() if number == value), other)
            case FeatureKind.BOOLEAN:
                return bool(value)
            case FeatureKind.FLOAT:
                return value * scale
            case _:
                return value

    def _write(self, feature: Feature, control_id: int, scale: float, value: FeatureValue) -> None:
        number = feature.entries[str(value)] if feature.kind is FeatureKind.ENUMERATION else round(float(value) / scale)
        try:
            self._mode.device.set(control_id, number)
        except OSError as error:
            raise self._refusal(f"{feature.name} cannot be set to {value}", error) from error
        self._set.pop(control_id, None)
        self._set[control_id] = number

    def _refusal(self, what: str, error: OSError) -> HeliographError:
        if error.errno in (errno.ENODEV, errno.EIO):
            return CameraLostError(f"{self._path} is lost: {error.strerror}")
        return FeatureAccessError(f"{what} now: {error.strerror}")


def _limits(spans: list[Span]) -> tuple[float, ...]:
    """Give the limits of several spans, and the step where there is one alone."""
    steps = [each.step for each in spans] if len(spans) == 1 else [1]
    return min(each.minimum for each in spans), max(each.maximum for each in spans), *steps


def _ends(rates_hz: list[float]) -> tuple[float, float]:
    return min(rates_hz, default=0.0), max(rates_hz, default=0.0)


def _word(text: str) -> str:
    """Give a name as one word.

    >>> _word("White Balance Temperature"), _word("50 Hz"), _word("Exposure, Dynamic Framerate")
    ('WhiteBalanceTemperature', '50Hz', 'ExposureDynamicFramerate')
    """
    return "".join(part[:1].upper() + part[1:] for part in re.findall(r"[A-Za-z0-9]+", text))


def _usb_serial(path: str) -> str:
    """Give the serial number of the USB device that this is a part of, empty where there is none."""
    node = Path("/sys/class/video4linux") / Path(path).resolve().name / "device" / ".." / "serial"
    try:
        return node.read_text().strip()
    except OSError:
        return ""
