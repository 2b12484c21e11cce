"""The hardware behind the stand-in of picamera2: sensors, their modes, and what an image processor writes to memory.

Written after libcamera v0.7.1+rpt20260429 (paths are in its repository) and picamera2 0.3.38; nothing was measured.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Rectangle = tuple[int, int, int, int]
PADDING = 0xEE
"""What stands behind the pixels of a row."""
_SAMPLES = {"RGB888": 3, "BGR888": 3, "YUYV": 2, "NV12": 1, "YUV420": 1}
ISP_FORMATS = frozenset(_SAMPLES)


@dataclass(frozen=True)
class Mode:
    """A mode of a sensor; `line_ns` times `rows` is its shortest frame."""

    width: int
    height: int
    bits: int
    crop: Rectangle
    shortest_frame_us: int
    shortest_exposure_us: int
    line_ns: int


@dataclass(frozen=True)
class PiSensor:
    """A sensor at a camera port."""

    model: str
    modes: tuple[Mode, ...]
    native_order: str = "RGGB"
    """Mosaic as the sensor reads it; R alone is a sensor without one."""
    rotation: int = 0
    highest_amplification: float = 16.0
    has_lens: bool = False

    def order(self, hflip: bool = False, vflip: bool = False) -> str:
        """Give the mosaic of pictures: upright ones of a sensor upside down are flipped both ways.

        src/libcamera/sensor/camera_sensor_legacy.cpp, computeTransform and bayerOrder.
        """
        upside_down = self.rotation == 180
        order = self.native_order
        if hflip != upside_down and len(order) == 4:
            order = order[1] + order[0] + order[3] + order[2]
        if vflip != upside_down and len(order) == 4:
            order = order[2:] + order[:2]
        return order


HQ = PiSensor(
    "imx477",
    (
        Mode(1332, 990, 10, (696, 528, 2664, 1980), 8_330, 31, 7_933),
        Mode(2028, 1080, 12, (0, 440, 4056, 2160), 19_988, 60, 15_167),
        Mode(2028, 1520, 12, (0, 0, 4056, 3040), 24_994, 60, 15_167),
        Mode(4056, 3040, 12, (0, 0, 4056, 3040), 99_999, 114, 28_571),
    ),
    highest_amplification=22.2608,
)
V2 = PiSensor(
    "imx219",
    (
        Mode(1640, 1232, 10, (0, 0, 3280, 2464), 23_895, 75, 18_904),
        Mode(3280, 2464, 10, (0, 0, 3280, 2464), 47_192, 75, 18_904),
        Mode(1640, 1232, 8, (0, 0, 3280, 2464), 23_895, 75, 18_904),
        Mode(3280, 2464, 8, (0, 0, 3280, 2464), 47_192, 75, 18_904),
    ),
    rotation=180,
    highest_amplification=10.6667,
)
V3 = PiSensor(
    "imx708",
    (
        Mode(1536, 864, 10, (768, 432, 3072, 1728), 8_324, 36, 9_209),
        Mode(2304, 1296, 10, (0, 0, 4608, 2592), 17_847, 53, 13_361),
        Mode(4608, 2592, 10, (0, 0, 4608, 2592), 69_669, 210, 26_290),
    ),
    native_order="BGGR",
    rotation=180,
    has_lens=True,
)
GLOBAL_SHUTTER = PiSensor(
    "imx296", (Mode(1456, 1088, 10, (0, 0, 1456, 1088), 16_562, 29, 0),), highest_amplification=251.1886
)
"""Modes: raspberrypi/picamera2 issues 301, 683 and 1184, AllskyTeam/allsky issue 3632."""


@dataclass
class Board:
    """A Raspberry Pi with cameras, and what a test makes happen on it."""

    sensors: tuple[PiSensor, ...] = (HQ,)
    pisp: bool = False
    """True for a Pi 5, whose image processor is another."""
    split_modes: bool = True
    """False for libcamera before 0.5, which has neither ExposureTimeMode nor AnalogueGainMode."""
    has_nv12: bool = True
    busy: bool = False
    stalled: bool = False
    """No frame comes, as with a loose cable."""
    late: bool = False
    """The next frame comes at the moment at which its job is given up."""
    skipped: int = 0
    """Frames that nobody has taken since the last one."""
    temperature_c: float | None = None
    wall_clock: bool = True
    tuning: Any = None
    controls: dict[str, Any] = field(default_factory=dict)
    """Every control that is in force."""
    waited_for: threading.Event = field(default_factory=threading.Event)
    """Set as soon as somebody waits for a frame that does not come."""
    held: int = 0
    """Requests that have not been given back."""
    start_ns: int = 0
    """When the sensor's first row of the last frame began to expose, by CLOCK_MONOTONIC."""

    def stride_bytes(self, name: str, width: int) -> int:
        """Give the bytes of a row.

        Image processor: picamera2.py, align_stream: planes are multiples of 32 bytes on VC4 and 64 on PiSP, and the two
        of chroma in YUV420 half as wide (pipeline/rpi/pisp/pisp.cpp, computeOptimalStride). Sensor: multiples of 32
        (Linux bcm2835-unicam.c, BPL_ALIGNMENT) or 64.
        """
        step = 64 if self.pisp else 32
        if name in _SAMPLES:
            step *= 2 if name == "YUV420" else 1
            row_bytes = width * _SAMPLES[name]
        else:
            row_bytes = width * _raw_bits(name) // 8
        return -(-row_bytes // step) * step

    def frame_bytes(self, name: str, width: int, height: int) -> int:
        """Give the bytes of a buffer."""
        rows = height * 3 // 2 if name in ("NV12", "YUV420") else height
        return rows * self.stride_bytes(name, width)


def _raw_bits(name: str) -> int:
    """Give the bits that a sample takes in memory (src/libcamera/formats.cpp); compressed ones take 8."""
    bits = int("".join(letter for letter in name.partition("_")[0] if letter.isdigit()) or 8)
    return bits if "CSI2P" in name or bits == 8 else 16


def scene(
    crop: Rectangle, size: tuple[int, int], mirrored: tuple[bool, bool] = (False, False)
) -> npt.NDArray[np.uint8]:
    """Give what the image processor makes of a part of the sensor: (h, w, 3), each channel a ramp over the sensor.

    Red counts up to the right by one for each 16 px of the sensor, green downwards, blue both.
    """
    (x, y, crop_width, crop_height), (width, height) = crop, size
    columns = (x + (np.arange(width) + 0.5) * crop_width / width) // 16
    rows = (y + (np.arange(height) + 0.5) * crop_height / height) // 16
    columns, rows = columns[:: -1 if mirrored[0] else 1], rows[:: -1 if mirrored[1] else 1]
    red, green = np.broadcast_arrays(columns[None, :], rows[:, None])
    return np.stack([red, green, red + green], axis=-1).astype(np.uint8)


def samples(mode: Mode) -> npt.NDArray[np.uint16]:
    """Give what the sensor reads out in a mode: every pixel another number than its neighbours."""
    ramp = np.arange(mode.width)[None, :] + 7 * np.arange(mode.height)[:, None]
    return (ramp % (1 << mode.bits)).astype(np.uint16)


def write_picture(buffer: npt.NDArray[np.uint8], name: str, pixels: npt.NDArray[np.uint8], stride_bytes: int) -> None:
    """Write (h, w, 3) pixels in a format of the image processor; Y, Cb and Cr are red, green and blue as they are.

    Orders: src/libcamera/formats.yaml with DRM's fourcc (RGB888 is B, G, R in memory).
    """
    height, width = pixels.shape[:2]
    buffer[:] = PADDING
    rows = buffer[: len(buffer) // stride_bytes * stride_bytes].reshape(-1, stride_bytes)
    luma, chroma = pixels[..., 0], pixels[::2, ::2]
    match name:
        case "RGB888" | "BGR888":
            ordered = pixels[..., ::-1] if name == "RGB888" else pixels
            rows[:height, : width * 3] = ordered.reshape(height, -1)
        case "YUYV":
            rows[:height, 0 : width * 2 : 2] = luma
            rows[:height, 1 : width * 2 : 4] = pixels[:, ::2, 1]
            rows[:height, 3 : width * 2 : 4] = pixels[:, ::2, 2]
        case "NV12":
            rows[:height, :width] = luma
            rows[height:, 0:width:2], rows[height:, 1:width:2] = chroma[..., 1], chroma[..., 2]
        case _:
            rows[:height, :width] = luma
            planes = buffer[height * stride_bytes :].reshape(2, height // 2, stride_bytes // 2)
            planes[0, :, : width // 2], planes[1, :, : width // 2] = chroma[..., 1], chroma[..., 2]


def write_raw(buffer: npt.NDArray[np.uint8], name: str, data: npt.NDArray[np.uint16], bits: int, stride: int) -> None:
    """Write samples in a raw format: packed as MIPI CSI-2 sends them, in 16 bits, or shifted to the top on a Pi 5."""
    buffer[:] = PADDING
    rows = buffer.reshape(data.shape[0], stride)
    if "CSI2P" in name:
        group = 4 if bits == 10 else 2
        groups = data.reshape(data.shape[0], -1, group)
        low = groups & ((1 << (bits - 8)) - 1)
        last = np.bitwise_or.reduce(low << (np.arange(group) * (bits - 8)), axis=-1)
        packed = np.concatenate([groups >> (bits - 8), last[..., None]], axis=-1).astype(np.uint8)
        rows[:, : packed[0].size] = packed.reshape(data.shape[0], -1)
    elif _raw_bits(name) == 8:
        rows[:, : data.shape[1]] = data
    else:
        # pipeline/rpi/pisp/pisp.cpp, platformValidate: 16 bits whatever the sensor has.
        shifted = data << (16 - bits) if "16" in name else data
        rows[:, : data.shape[1] * 2] = shifted.astype("<u2").view(np.uint8)
