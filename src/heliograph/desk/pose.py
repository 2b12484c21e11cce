"""Where a board stands before a camera, drawn on its picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from heliograph.core import CalibrationError, Frame, Intrinsics
from heliograph.core.convert import opencv
from heliograph.desk.board import Board, Sighting


@dataclass(frozen=True, slots=True)
class BoardPose:
    """Place and attitude of a board in the camera's coordinates: x to the right, y down, z away from the camera."""

    translation_mm: tuple[float, float, float]
    """Where the board's first inner corner is (of a ChArUco board, its upper left corner)."""
    rotation: tuple[float, float, float]
    """Axis of the rotation times its angle in radians, which OpenCV calls rvec."""
    rms_px: float
    """Root mean square of the reprojection errors."""

    @property
    def distance_mm(self) -> float:
        """From the camera's entrance pupil to that corner."""
        return float(np.linalg.norm(self.translation_mm))

    @property
    def tilt_degrees(self) -> float:
        """Angle between the board's normal and the camera's axis."""
        normal = opencv().Rodrigues(np.array(self.rotation))[0][:, 2]
        return float(np.degrees(np.arccos(min(1.0, abs(float(normal[2]))))))


def board_pose(frame: Frame, board: Board) -> BoardPose:
    """Find a board and say where it is.

    >>> with heliograph.open("gige://cam-1", calibration="auto") as camera:     # doctest: +SKIP
    ...     board_pose(camera.grab(), Board.parse("9x6", square_mm=25)).distance_mm
    812.4

    Raises `CalibrationError` when the frame has no intrinsics or shows no board.
    """
    if frame.intrinsics is None:
        raise CalibrationError('the frame has no intrinsics: open the camera with calibration="auto" or a file')
    sighting = board.find(frame.to("Mono8"))
    if sighting is None:
        raise CalibrationError("no board to be seen: is it wholly in sight, sharp, and are its columns and rows right?")
    return _pose(sighting, frame.intrinsics)


def _pose(sighting: Sighting, lens: Intrinsics) -> BoardPose:
    cv2 = opencv()
    _, rotation, translation = cv2.solvePnP(
        sighting.points_mm, sighting.pixels, lens.matrix, lens.distortion, flags=cv2.SOLVEPNP_IPPE
    )
    rotation, translation = cv2.solvePnPRefineLM(
        sighting.points_mm, sighting.pixels, lens.matrix, lens.distortion, rotation, translation
    )
    again, _ = cv2.projectPoints(sighting.points_mm, rotation, translation, lens.matrix, lens.distortion)
    errors_px = np.linalg.norm(again.reshape(-1, 2) - sighting.pixels, axis=1)
    x, y, z = (float(value) for value in translation.ravel())
    first, second, third = (float(value) for value in rotation.ravel())
    return BoardPose((x, y, z), (first, second, third), float(np.sqrt(np.mean(errors_px**2))))


def draw_pose(frame: Frame, board: Board, pose: BoardPose) -> npt.NDArray[np.uint8]:
    """Give the picture, BGR, shape (h, w, 3), with the board's axes on it: x red, y green, z blue, three squares long.

    Raises `CalibrationError` when the frame has no intrinsics.
    """
    if frame.intrinsics is None:
        raise CalibrationError('the frame has no intrinsics: open the camera with calibration="auto" or a file')
    cv2 = opencv()
    picture: Any = frame.to("BGR8")
    lens = frame.intrinsics
    rotation, translation = np.array(pose.rotation), np.array(pose.translation_mm)
    thickness_px = max(2, frame.width // 400)
    length_mm = 3 * board.square_mm
    cv2.drawFrameAxes(picture, lens.matrix, lens.distortion, rotation, translation, length_mm, thickness_px)
    return np.asarray(picture, np.uint8)
