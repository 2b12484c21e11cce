"""Intrinsics: how a lens and a sensor turn directions into pixels, after Brown and Conrady, as OpenCV writes it.

The names are those of COLMAP's camera models OPENCV (fx, fy, cx, cy, k1, k2, p1, p2) and FULL_OPENCV (with k3). As in
OpenCV, the centre of the first pixel is (0, 0); COLMAP counts from its corner, so its cx and cy are greater by 0.5.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from heliograph.core.convert import opencv
from heliograph.core.errors import CalibrationError, SourceNotFoundError
from heliograph.core.geometry import Geometry

_PARAMETERS = ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2", "k3")


@dataclass(frozen=True, slots=True)
class Intrinsics:
    """Focal lengths, principal point and distortion of a camera, for pictures of one geometry.

    >>> lens = Intrinsics(fx=1700, fy=1700, cx=1013.5, cy=759.5, k1=-0.1, geometry=Geometry.whole(2028, 1520))
    >>> binned = Geometry(2028, 1520, 1014, 760, binning_x=2, binning_y=2)
    >>> lens.adapted(binned).fx, lens.adapted(binned).cx
    (850.0, 506.5)

    A point at (x, y, 1) before the camera is seen at (fx * x' + cx, fy * y' + cy), where with r2 = x*x + y*y

        x' = x * (1 + k1*r2 + k2*r2**2 + k3*r2**3) + 2*p1*x*y + p2*(r2 + 2*x*x)
        y' = y * (1 + k1*r2 + k2*r2**2 + k3*r2**3) + p1*(r2 + 2*y*y) + 2*p2*x*y
    """

    fx: float
    fy: float
    cx: float
    cy: float
    geometry: Geometry
    k1: float = 0.0
    k2: float = 0.0
    p1: float = 0.0
    p2: float = 0.0
    k3: float = 0.0
    rms_px: float = 0.0
    """Root mean square of the reprojection errors of the calibration, in px of the pictures it was made from."""
    serial: str = ""
    """Serial number of the camera."""
    date: str = ""
    """When it was calibrated, ISO 8601."""

    @property
    def width(self) -> int:
        """Width of the pictures in px."""
        return self.geometry.width

    @property
    def height(self) -> int:
        """Height of the pictures in px."""
        return self.geometry.height

    @property
    def matrix(self) -> npt.NDArray[np.float64]:
        """OpenCV's camera matrix, shape (3, 3)."""
        return np.array([[self.fx, 0.0, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]])

    @property
    def distortion(self) -> npt.NDArray[np.float64]:
        """OpenCV's distortion coefficients k1, k2, p1, p2, k3."""
        return np.array([self.k1, self.k2, self.p1, self.p2, self.k3])

    @property
    def straight(self) -> Intrinsics:
        """Those of the same pictures once they are undistorted."""
        return replace(self, k1=0.0, k2=0.0, p1=0.0, p2=0.0, k3=0.0)

    def adapted(self, geometry: Geometry) -> Intrinsics:
        """Give those of pictures that show the sensor in another way: another region, binning or mirroring.

        Raises `CalibrationError` when the pictures are of another sensor.
        """
        own = self.geometry
        sensor_px = (own.sensor_width, own.sensor_height)
        if sensor_px != (geometry.sensor_width, geometry.sensor_height):
            raise CalibrationError(
                f"the intrinsics are of a sensor of {sensor_px[0]}x{sensor_px[1]} px, the camera has one of "
                f"{geometry.sensor_width}x{geometry.sensor_height} px: calibrate this camera"
            )
        cx, cy = geometry.in_picture(*own.on_sensor(self.cx, self.cy))
        # Seen in a mirror, x turns into -x: the radial terms do not notice, the tangential one along x does.
        return replace(
            self,
            fx=self.fx * own.binning_x / geometry.binning_x,
            fy=self.fy * own.binning_y / geometry.binning_y,
            cx=cx,
            cy=cy,
            p1=-self.p1 if own.reverse_y != geometry.reverse_y else self.p1,
            p2=-self.p2 if own.reverse_x != geometry.reverse_x else self.p2,
            geometry=geometry,
        )

    def undistort(self, picture: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Give a picture, shape (h, w) or (h, w, 3), as a lens without distortion would show it; black where it ends.

        Raises `CalibrationError` for a picture of another size, `MissingDependencyError` without OpenCV.
        """
        cv2 = opencv()
        height, width = picture.shape[:2]
        if (width, height) != (self.width, self.height):
            raise CalibrationError(
                f"the intrinsics are of {self.width}x{self.height} px, the picture has {width}x{height}: "
                "give them its geometry with Intrinsics.adapted"
            )
        return np.asarray(cv2.remap(picture, *_maps(self), cv2.INTER_LINEAR))

    def to_json(self) -> str:
        """Give the contents of a file that `from_json` reads."""
        values = asdict(self)
        document = {
            "model": "FULL_OPENCV" if self.k3 else "OPENCV",
            **{name: values[name] for name in _PARAMETERS if name != "k3" or self.k3},
            "width": self.width,
            "height": self.height,
            "rms_px": self.rms_px,
            "date": self.date,
            "serial": self.serial,
            "geometry": values["geometry"],
        }
        return json.dumps(document, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Intrinsics:
        """Read what `to_json` wrote; without `geometry`, a picture of `width` and `height` is all the sensor sees.

        Raises `CalibrationError` for anything else.
        """
        try:
            document = json.loads(text)
            geometry = document.get("geometry") or {
                "sensor_width": document["width"],
                "sensor_height": document["height"],
                "width": document["width"],
                "height": document["height"],
            }
            known = {name: float(document[name]) for name in _PARAMETERS if name in document}
            if not all(map(math.isfinite, known.values())) or not min(known["fx"], known["fy"]) > 0:
                raise ValueError("numbers that no lens has")
            return cls(
                geometry=Geometry(
                    **{each.name: geometry[each.name] for each in fields(Geometry) if each.name in geometry}
                ),
                rms_px=float(document.get("rms_px", 0.0)),
                serial=str(document.get("serial", "")),
                date=str(document.get("date", "")),
                **known,
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise CalibrationError(
                f"no intrinsics: {type(error).__name__} {error}; calibrate the camera anew"
            ) from error

    @classmethod
    def load(cls, path: Path) -> Intrinsics:
        """Read a file; raises `SourceNotFoundError` when it cannot be read, `CalibrationError` for other contents."""
        try:
            return cls.from_json(path.read_text(encoding="utf-8"))
        except CalibrationError as error:
            raise CalibrationError(f"{path} holds {error}") from error
        except OSError as error:
            told = f"cannot read intrinsics from {path}: {error.strerror or error}; `heliograph calibrate` makes them"
            raise SourceNotFoundError(told) from error
        except UnicodeDecodeError as error:
            raise CalibrationError(f"{path} holds no intrinsics: it is no text") from error


# The maps of a 4056x3040 px picture take 74 MB.
@lru_cache(maxsize=4)
def _maps(intrinsics: Intrinsics) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.uint16]]:
    cv2 = opencv()
    matrix, size = intrinsics.matrix, (intrinsics.width, intrinsics.height)
    first, second = cv2.initUndistortRectifyMap(matrix, intrinsics.distortion, None, matrix, size, cv2.CV_16SC2)
    return first, second
