"""What can be found out about a camera before it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from heliograph.cameras.picamera2.buffer import PROCESSED, raw_format
from heliograph.cameras.picamera2.mode import Area, SensorMode, sensor_modes
from heliograph.cameras.picamera2.settings import decibels
from heliograph.core import CameraNotFoundError, PixelFormat, PixelFormatError

_PACKED_BITS = (10, 12)
SIDE_STREAM = {"format": "YUV420", "size": (320, 240)}
"""picamera2 has always a main stream: what it is while only raw pictures are wanted."""


@dataclass(frozen=True, slots=True)
class Sensor:
    """A sensor, its modes, and what libcamera lets be controlled."""

    model: str
    field: Area
    """All of it that can be read."""
    modes: tuple[SensorMode, ...]
    raw_names: Mapping[int, str]
    """By bits of the mode: libcamera's format of a raw stream, the mosaic in the order that it has as mounted."""
    highest_gain_db: float
    known_controls: frozenset[str]
    lens_dpt: tuple[float, float, float] | None = None
    """Nearest to infinity, nearest, and usual position of a lens that can be moved."""

    @property
    def formats(self) -> dict[PixelFormat, tuple[SensorMode, ...]]:
        """Every format and the modes that it can come from."""
        formats = dict.fromkeys(PROCESSED, self.modes)
        for bits, name in self.raw_names.items():
            try:
                raw = raw_format(name)
            except PixelFormatError:
                # Compressed by a Pi 5.
                continue
            formats[raw] = (*formats.get(raw, ()), *(mode for mode in self.modes if mode.bits == bits))
        return formats


def inspect(picam2: Any, packed: bool) -> Sensor:
    """Find out about the sensor behind an open `Picamera2`, which is configured again and again meanwhile.

    Raises `CameraNotFoundError` for a camera at USB, which libcamera lists too.
    """
    modes = tuple(sensor_modes(picam2.sensor_modes))
    model = str(picam2.camera_properties.get("Model", "camera"))
    if not modes:
        raise CameraNotFoundError(f"{model} is no camera at the Pi's own port: open it as v4l2:///dev/video0")
    raw_names = {}
    for mode in {mode.bits: mode for mode in modes}.values():
        picam2.configure(raw_configuration(picam2, mode, packed))
        raw_names[mode.bits] = str(picam2.camera_configuration()["raw"]["format"])
    known = picam2.camera_controls
    field = max((mode.area for mode in modes), key=lambda area: area.width * area.height)
    gain_db = decibels(float(known["AnalogueGain"][1]))
    return Sensor(model, field, modes, raw_names, gain_db, frozenset(known), known.get("LensPosition"))


def raw_configuration(picam2: Any, mode: SensorMode, packed: bool, **others: Any) -> dict[str, Any]:
    """Give a configuration with a raw stream of this mode.

    Unpacked, the pixels come in 16 bits from the hardware, and from a Pi 5 uncompressed. Packed (CSI2P) they take less
    of the memory that buffers come from, and the processor unpacks them.
    """
    name = f"{mode.raw_name}_CSI2P" if packed and mode.bits in _PACKED_BITS else mode.raw_name
    size = (mode.width, mode.height)
    configuration: dict[str, Any] = picam2.create_still_configuration(
        main=dict(SIDE_STREAM), raw={"format": name, "size": size}, sensor=of_sensor(mode), **others
    )
    return configuration


def of_sensor(mode: SensorMode) -> dict[str, Any]:
    """Give the part of a configuration that chooses the mode."""
    return {"output_size": (mode.width, mode.height), "bit_depth": mode.bits}
