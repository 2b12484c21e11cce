"""Intrinsics from views of a board: which to take, how well they agree, and whether they say enough."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from heliograph.core import CalibrationError, Frame, Geometry, Intrinsics
from heliograph.core.convert import opencv
from heliograph.desk.board import Board, Sighting
from heliograph.desk.coverage import Coverage, Placement

FEWEST_VIEWS = 6
ENOUGH_SHARE = 0.6
ENOUGH_TILT_DEGREES = 25.0
_LEAST_SHARE = 0.35
_LEAST_TILT_DEGREES = 12.0
# Share of the focal length: beyond this, views that look diverse say the same.
_GREATEST_DOUBT = 0.02
_GREATEST_RMS_PX = 2.0
# A view this much worse than most has a wrong corner, or was moved while its rows were read.
_OUTLIER = 3.0
_OUTLIER_PX = 0.3
# Per 1000 px of picture width, from one frame to the next.
_STILL_PX = 2.0


class Verdict(StrEnum):
    """What became of a picture."""

    KEPT = "kept"
    NOT_FOUND = "no board to be seen"
    MOVING = "hold the board still"
    KNOWN = "seen like this before: move or tilt the board"


@dataclass(frozen=True, slots=True)
class Calibration:
    """Intrinsics, and how well the views agree with them."""

    intrinsics: Intrinsics
    errors_px: tuple[float, ...]
    """Root mean square reprojection error of each view that was used."""
    left_out: int
    """Views that fitted far worse than the others."""
    focal_doubt_px: float
    """Standard deviation of the focal length."""


class Collector:
    """Takes frames, keeps the views that add something, and calibrates.

    >>> collector = Collector(Board.parse("9x6", square_mm=25))                 # doctest: +SKIP
    >>> for frame in camera.frames():                                           # doctest: +SKIP
    ...     print(collector.add(frame))
    ...     if collector.complete(15):
    ...         break
    >>> collector.calibrate(Geometry.of(camera.features)).intrinsics.fx         # doctest: +SKIP
    1702.4

    `moving=True` is for a live camera: a board that moves from one frame to the next is not used.
    """

    def __init__(self, board: Board, *, moving: bool = False) -> None:
        self.coverage: Coverage | None = None
        self.views: list[Sighting] = []
        self._board = board
        self._moving = moving
        self._last: Sighting | None = None

    def add(self, frame: Frame) -> Verdict:
        """Look for the board in a frame; raises `CalibrationError` when the frames differ in size."""
        coverage = self.coverage = self.coverage or Coverage(frame.width, frame.height)
        if (frame.width, frame.height) != (coverage.width, coverage.height):
            raise CalibrationError(
                f"pictures of {coverage.width}x{coverage.height} and of {frame.width}x{frame.height} px: "
                "all pictures of a calibration have one size"
            )
        sighting, last = self._board.find(frame.to("Mono8")), self._last
        self._last = sighting
        if sighting is None:
            return Verdict.NOT_FOUND
        if self._moving and not _is_still(sighting, last, frame.width):
            return Verdict.MOVING
        placement = Placement.of(sighting, frame.width, frame.height)
        if not coverage.is_new(placement):
            return Verdict.KNOWN
        coverage.add(sighting, placement)
        self.views.append(sighting)
        return Verdict.KEPT

    def complete(self, views: int) -> bool:
        """Tell whether there are so many views, and they show enough."""
        seen = self.coverage
        enough = seen is not None and seen.share >= ENOUGH_SHARE and seen.tilt_degrees >= ENOUGH_TILT_DEGREES
        return enough and len(self.views) >= views

    def calibrate(self, geometry: Geometry, serial: str = "", *, k3: bool = False) -> Calibration:
        """Give the intrinsics; `k3` is for lenses wider than about 90 degrees, with views that reach the corners.

        Raises `CalibrationError` with advice when the views do not determine them.
        """
        if self.coverage is None or len(self.views) < FEWEST_VIEWS:
            raise CalibrationError(
                f"{len(self.views)} views of the board are too few, {FEWEST_VIEWS} are the least: "
                "is it wholly in sight, sharp, evenly lit, and are its columns and rows as you said?"
            )
        _check_coverage(self.coverage)
        size = (self.coverage.width, self.coverage.height)
        if size != (geometry.width, geometry.height):
            raise CalibrationError(
                f"the pictures have {size[0]}x{size[1]} px and the camera is set to {geometry.width}x{geometry.height}"
            )
        return _calibrated(self.views, geometry, serial, k3)


def _is_still(sighting: Sighting, last: Sighting | None, width: int) -> bool:
    if last is None or last.points_mm.shape != sighting.points_mm.shape:
        return False
    same = np.array_equal(last.points_mm, sighting.points_mm)
    moved_px = float(np.abs(last.pixels - sighting.pixels).mean())
    return same and moved_px <= _STILL_PX * width / 1000


def _check_coverage(coverage: Coverage) -> None:
    if coverage.share < _LEAST_SHARE:
        raise CalibrationError(
            f"the board was seen in {coverage.share:.0%} of the picture only: "
            f"move it to the edges and corners, first to the {coverage.emptiest}"
        )


@dataclass(frozen=True, slots=True)
class _Solution:
    rms_px: float
    matrix: npt.NDArray[np.float64]
    distortion: npt.NDArray[np.float64]
    focal_doubt_px: float
    errors_px: tuple[float, ...]
    tilt_degrees: float
    """Greatest angle between board and picture, as it was found, whatever the distortion."""


def _calibrated(views: list[Sighting], geometry: Geometry, serial: str, k3: bool) -> Calibration:
    solution, used = _solve(views, geometry, k3), views
    limit_px = max(_OUTLIER_PX, _OUTLIER * float(np.median(solution.errors_px)))
    kept = [view for view, error_px in zip(views, solution.errors_px, strict=True) if error_px <= limit_px]
    if FEWEST_VIEWS <= len(kept) < len(views):
        solution, used = _solve(kept, geometry, k3), kept
    _check_solution(solution)
    k1, k2, p1, p2, third = (float(value) for value in solution.distortion[:5])
    intrinsics = Intrinsics(
        fx=float(solution.matrix[0, 0]),
        fy=float(solution.matrix[1, 1]),
        cx=float(solution.matrix[0, 2]),
        cy=float(solution.matrix[1, 2]),
        k1=k1,
        k2=k2,
        p1=p1,
        p2=p2,
        k3=third if k3 else 0.0,
        geometry=geometry,
        rms_px=solution.rms_px,
        serial=serial,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    return Calibration(intrinsics, solution.errors_px, len(views) - len(used), solution.focal_doubt_px)


def _check_solution(solution: _Solution) -> None:
    if solution.rms_px > _GREATEST_RMS_PX:
        raise CalibrationError(
            f"the views do not agree ({solution.rms_px:.1f} px on average): is the board flat, are its columns and "
            "rows as you said, and are the pictures sharp?"
        )
    doubt = solution.focal_doubt_px / solution.matrix[0, 0]
    if solution.tilt_degrees < _LEAST_TILT_DEGREES or doubt > _GREATEST_DOUBT:
        raise CalibrationError(
            f"the board was tilted {solution.tilt_degrees:.0f} degrees at most and the focal length, which shows in "
            f"tilted views, is known to {doubt:.1%}: tilt it 20 to 45 degrees, to each side"
        )


def _solve(views: list[Sighting], geometry: Geometry, k3: bool) -> _Solution:
    cv2 = opencv()
    try:
        rms_px, matrix, distortion, rotations, _, doubts, _, errors_px = cv2.calibrateCameraExtended(
            [view.points_mm for view in views],
            [view.pixels.astype(np.float32) for view in views],
            (geometry.width, geometry.height),
            None,
            None,
            flags=0 if k3 else cv2.CALIB_FIX_K3,
        )
    except cv2.error as error:
        raise CalibrationError("the views fit no lens: are the board's columns and rows as you said?") from error
    if not np.isfinite(matrix).all() or not np.isfinite(distortion).all():
        raise CalibrationError("the views fit no lens: tilt the board more, to each side")
    normals_z = [abs(float(cv2.Rodrigues(rotation)[0][2, 2])) for rotation in rotations]
    return _Solution(
        rms_px=float(rms_px),
        matrix=matrix,
        distortion=distortion.ravel(),
        focal_doubt_px=float(doubts.ravel()[:2].max()),
        errors_px=tuple(float(each) for each in errors_px.ravel()),
        tilt_degrees=float(np.degrees(np.arccos(min(1.0, *normals_z)))),
    )


def collect(collector: Collector, frames: Iterable[Frame], views: int) -> Iterator[tuple[Frame, Verdict]]:
    """Give each frame with what became of it, until there are enough views or no more frames."""
    for frame in frames:
        yield frame, collector.add(frame)
        if collector.complete(views):
            return
