"""The simulated sensor: its constants, its settings, and the limits that follow from both."""

from __future__ import annotations

from dataclasses import dataclass

from heliograph.core import PixelFormat

BINNINGS = (1, 2, 4)
SIZE_STEP_PX = 2
"""Sizes and offsets come in steps of this: a mosaic and 4:2:0 chroma span two pixels."""
SMALLEST_SIZE_PX = 16


@dataclass(frozen=True, slots=True)
class SensorModel:
    """Constants of a sensor.

    The defaults follow Sony's IMX477 in its 2x2-binned full-field mode, 2028 x 1520 px: Linux' imx477 driver clocks
    a line of that mode as 12740 pixels at 840 MHz; 1520 lines and 128 blank ones make 40 frames/s.
    """

    width_px: int = 2028
    height_px: int = 1520
    line_time_ns: int = 15_167
    blank_lines: int = 128
    highest_rate_hz: float = 2_000.0
    full_well_e: float = 8_190.0
    """Electrons that make full scale at 0 dB."""
    read_noise_e: float = 3.0
    default_exposure_us: float = 2_000.0
    """The exposure at which a scene's full light fills the well."""
    default_rate_hz: float = 25.0
    buffers: int = 1
    """Whole pictures that the driver keeps for a program that comes late."""


@dataclass(frozen=True, slots=True)
class SensorSettings:
    """What the features of a simulated camera are set to; sizes and offsets in px of the picture, after binning."""

    width: int
    height: int
    pixel_format: PixelFormat = PixelFormat.BayerRG8
    offset_x: int = 0
    offset_y: int = 0
    binning_x: int = 1
    binning_y: int = 1
    reverse_x: bool = False
    reverse_y: bool = False
    exposure_us: float = 2_000.0
    gain_db: float = 0.0
    black_level_dn: float = 32.0
    """Pedestal in DN of a 12-bit picture."""
    wanted_rate_hz: float = 25.0


def whole_ns(model: SensorModel, settings: SensorSettings) -> int:
    """Time from the start of exposure of the first row to the end of that of the last: the picture is whole."""
    return (settings.height - 1) * model.line_time_ns + round(settings.exposure_us * 1e3)


def highest_rate_hz(model: SensorModel, settings: SensorSettings) -> float:
    """Frames per second that readout and exposure leave room for: neither fits twice in a period."""
    rows_ns = (settings.height + model.blank_lines) * model.line_time_ns
    longest_ns = max(rows_ns, settings.exposure_us * 1e3 + model.line_time_ns)
    return min(model.highest_rate_hz, 1e9 / longest_ns)


def rate_hz(model: SensorModel, settings: SensorSettings) -> float:
    """Frames per second that the sensor gives: the wanted ones, or as many as are possible."""
    return min(settings.wanted_rate_hz, highest_rate_hz(model, settings))


def largest_size_px(sensor_size_px: int, binning: int) -> int:
    """Width or height of the whole field in px of the picture."""
    return sensor_size_px // binning // SIZE_STEP_PX * SIZE_STEP_PX
