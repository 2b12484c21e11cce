"""The simulated sensor: its constants, its settings, and the limits that follow from both."""

from __future__ import annotations

import math
from dataclasses import dataclass

from heliograph.core import PixelFormat

BINNINGS = (1, 2, 4, 8)
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
    binned_line_time_ns: int = 0
    """Line time when rows are binned, 0 when it is the same."""
    binned_blank_lines: int = 0
    """Blank lines of a binned mode that has a line time of its own."""
    global_shutter: bool = False
    highest_gain_db: float = 26.95
    highest_rate_hz: float = 2_000.0
    full_well_e: float = 8_190.0
    """Electrons that make full scale at 0 dB."""
    read_noise_e: float = 3.0
    default_exposure_us: float = 2_000.0
    """The exposure at which a scene's full light fills the well."""
    default_rate_hz: float = 25.0
    buffers: int = 1
    """Whole pictures that the driver keeps for a program that comes late."""
    pipeline_frames: int = 2
    """Frames from the one in which a frame duration is asked for to the one that has it."""
    name: str = ""
    """Type designation, when it is that of a sensor that exists."""


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
    test_pattern: str = "Off"
    exposure_us: float = 2_000.0
    exposure_auto: str = "Off"
    exposure_limit_us: float = 30_000.0
    gain_db: float = 0.0
    gain_auto: str = "Off"
    gain_limit_db: float = 18.0
    black_level_dn: float = 32.0
    """Pedestal in DN of a 12-bit picture."""
    white_auto: str = "Off"
    red_ratio: float = 1.0
    blue_ratio: float = 1.0
    wanted_rate_hz: float = 25.0


def line_time_ns(model: SensorModel, settings: SensorSettings) -> int:
    """Time in which the sensor reads a row of the picture."""
    binned = settings.binning_y > 1 and model.binned_line_time_ns
    return model.binned_line_time_ns if binned else model.line_time_ns


def row_delay_ns(model: SensorModel, settings: SensorSettings) -> int:
    """Time from the start of exposure of a row to that of the next one; 0 for a global shutter."""
    return 0 if model.global_shutter else line_time_ns(model, settings)


def whole_ns(model: SensorModel, settings: SensorSettings) -> int:
    """Time from the start of exposure of the first row until the picture is whole.

    With a rolling shutter its last row has been exposed then, with a global one all rows have been read.
    """
    lines = settings.height if model.global_shutter else settings.height - 1
    return lines * line_time_ns(model, settings) + round(settings.exposure_us * 1e3)


def shortest_period_ns(model: SensorModel, settings: SensorSettings) -> int:
    """Whole lines that readout and exposure leave room for: neither fits twice in a period."""
    line_ns = line_time_ns(model, settings)
    blank_lines = model.blank_lines if line_ns == model.line_time_ns else model.binned_blank_lines
    exposed_lines = math.ceil(settings.exposure_us * 1e3 / line_ns) + 1
    fastest_lines = math.ceil(1e9 / model.highest_rate_hz / line_ns)
    return max(settings.height + blank_lines, exposed_lines, fastest_lines) * line_ns


def highest_rate_hz(model: SensorModel, settings: SensorSettings) -> float:
    """Frames per second of the shortest period."""
    return 1e9 / shortest_period_ns(model, settings)


def rate_hz(model: SensorModel, settings: SensorSettings) -> float:
    """Frames per second that the sensor gives: the wanted ones, or as many as are possible."""
    return min(settings.wanted_rate_hz, highest_rate_hz(model, settings))


def largest_size_px(sensor_size_px: int, binning: int, step_px: int = 1) -> int:
    """Width or height of the whole field in px of the picture, in steps of a pixel format."""
    return sensor_size_px // binning // step_px * step_px
