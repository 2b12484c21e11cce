"""The picture that everything in Heliograph passes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import numpy.typing as npt

from heliograph.core.convert import convert
from heliograph.core.errors import CalibrationError
from heliograph.core.intrinsics import Intrinsics
from heliograph.core.pixelformat import ColorMatrix, ColorRange, Layout, PixelFormat


class Clock(StrEnum):
    """The clock that a timestamp was read from."""

    BOOTTIME = "CLOCK_BOOTTIME"
    REALTIME = "CLOCK_REALTIME"
    SIM = "simulated"
    DEVICE = "device"
    """The camera's own counter, of unknown origin (a camera of another maker)."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture and what is known about it.

    >>> import numpy as np
    >>> frame = Frame(np.zeros((4, 6), np.uint8), PixelFormat.BayerRG8, id=1, timestamp_ns=0)
    >>> frame.width, frame.height, frame.to("RGB8").shape
    (6, 4, (4, 6, 3))

    A frame belongs to its holder: its pixels do not change while the frame, or any array made from its data, is
    referenced. Buffers of a network camera go back to their pool when the last reference is dropped.
    """

    data: npt.NDArray[Any]
    """Pixels, of the shape and type `pixel_format` says: (h, w), (h, w, 3), (h, w, 2), or (h*3/2, w) for NV12."""
    pixel_format: PixelFormat
    id: int
    """Number of the frame since acquisition started, from 1; a gap is a frame that was lost."""
    timestamp_ns: int
    """Start of exposure of the first row, in ns of `clock`."""
    clock: Clock = Clock.BOOTTIME
    exposure_us: float | None = None
    gain_db: float | None = None
    wall_time_ns: int | None = None
    """`timestamp_ns` as CLOCK_REALTIME of the camera's host, in ns since 1970; it may step, unlike `timestamp_ns`."""
    line_time_ns: int | None = None
    """From the start of exposure of a row to that of the next row in the picture; 0 for a global shutter."""
    temperature_c: float | None = None
    """Temperature of the sensor or, where that is not known, of the board it is on."""
    missing_packets: int = 0
    """Packets that never arrived; their pixels are 0. 0 means that the picture is whole."""
    resent_packets: int = 0
    """Packets that arrived only after they were asked for again."""
    color_matrix: ColorMatrix = ColorMatrix.BT601
    color_range: ColorRange = ColorRange.FULL
    intrinsics: Intrinsics | None = None
    """Those of the camera for this picture's region and binning, where it was opened with a `calibration`."""
    metadata: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """Whatever else the source knows, JSON-like values by name."""

    @property
    def width(self) -> int:
        """Width in px."""
        return self.pixel_format.size_of(self.data.shape)[0]

    @property
    def height(self) -> int:
        """Height in px."""
        return self.pixel_format.size_of(self.data.shape)[1]

    def to(self, target: str) -> npt.NDArray[Any]:
        """Give a new array in `RGB8`, `BGR8` or `Mono8`, or `RGB16`, `BGR16` or `Mono16`.

        Shape (h, w, 3) or (h, w), uint8 or uint16 with full scale 255 or 65535.
        Raises `PixelFormatError` for any other target, `MissingDependencyError` without OpenCV.
        """
        return convert(self.data, self.pixel_format, target, self.color_matrix, self.color_range)

    def undistorted(self) -> Frame:
        """Give this frame as a lens without distortion would show it: Mono as it is, all others as RGB or BGR.

        Its `intrinsics` say so: the focal lengths and the centre stay, the distortion is 0. Where the lens saw
        nothing it is black. Raises `CalibrationError` when the frame has no intrinsics.
        """
        if self.intrinsics is None:
            raise CalibrationError('the frame has no intrinsics: open the camera with calibration="auto" or a file')
        layout = self.pixel_format.layout
        order = {Layout.MONO: "Mono", Layout.RGB: "RGB"}.get(layout, "BGR")
        target = PixelFormat.parse(f"{order}{8 if self.pixel_format.bits == 8 else 16}")
        picture = self.data if target is self.pixel_format else self.to(target.name)
        straight = self.intrinsics.straight
        return replace(self, data=self.intrinsics.undistort(picture), pixel_format=target, intrinsics=straight)
