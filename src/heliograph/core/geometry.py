"""Which part of its sensor a camera's picture shows, and how."""

from __future__ import annotations

from dataclasses import dataclass

from heliograph.core.errors import CalibrationError
from heliograph.core.feature import Features


@dataclass(frozen=True, slots=True)
class Geometry:
    """A picture's place on the sensor, as SFNC's image format features say it.

    >>> half = Geometry(sensor_width=2028, sensor_height=1520, width=1014, height=760, binning_x=2, binning_y=2)
    >>> half.on_sensor(0, 0)
    (0.5, 0.5)

    Binning comes first, then mirroring, then the region is cut out. Sizes and offsets are px of the picture; pixel
    centres have whole coordinates.
    """

    sensor_width: int
    sensor_height: int
    width: int
    height: int
    offset_x: int = 0
    offset_y: int = 0
    binning_x: int = 1
    binning_y: int = 1
    reverse_x: bool = False
    reverse_y: bool = False

    @classmethod
    def whole(cls, width: int, height: int) -> Geometry:
        """Give that of a picture that is all its sensor sees."""
        return cls(width, height, width, height)

    @classmethod
    def of(cls, features: Features) -> Geometry:
        """Ask a camera for its present one.

        Raises `CalibrationError` when the camera leaves out rows or columns by decimation.
        """
        named = set(features.names())

        def read(name: str, default: int) -> int:
            return int(features[name]) if name in named else default

        if read("DecimationHorizontal", 1) != 1 or read("DecimationVertical", 1) != 1:
            raise CalibrationError("intrinsics cannot follow decimation: set DecimationHorizontal and -Vertical to 1")
        width, height = int(features["Width"]), int(features["Height"])
        offset_x, offset_y = read("OffsetX", 0), read("OffsetY", 0)
        binning_x, binning_y = read("BinningHorizontal", 1), read("BinningVertical", 1)
        return cls(
            sensor_width=read("SensorWidth", (width + offset_x) * binning_x),
            sensor_height=read("SensorHeight", (height + offset_y) * binning_y),
            width=width,
            height=height,
            offset_x=offset_x,
            offset_y=offset_y,
            binning_x=binning_x,
            binning_y=binning_y,
            reverse_x=bool(read("ReverseX", 0)),
            reverse_y=bool(read("ReverseY", 0)),
        )

    def on_sensor(self, x: float, y: float) -> tuple[float, float]:
        """Give the place on the sensor of a place in the picture, in px."""
        u = (x + self.offset_x + 0.5) * self.binning_x - 0.5
        v = (y + self.offset_y + 0.5) * self.binning_y - 0.5
        return (
            self.sensor_width - 1 - u if self.reverse_x else u,
            self.sensor_height - 1 - v if self.reverse_y else v,
        )

    def in_picture(self, u: float, v: float) -> tuple[float, float]:
        """Give the place in the picture of a place on the sensor, in px."""
        u = self.sensor_width - 1 - u if self.reverse_x else u
        v = self.sensor_height - 1 - v if self.reverse_y else v
        return (u + 0.5) / self.binning_x - 0.5 - self.offset_x, (v + 0.5) / self.binning_y - 0.5 - self.offset_y
