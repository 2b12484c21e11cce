"""Calibration judged by pictures of a lens that is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from heliograph.core import CalibrationError, Frame, Geometry, Intrinsics, PixelFormat
from heliograph.desk.board import Board, BoardKind
from heliograph.desk.calibration import Collector, Verdict, collect
from heliograph.desk.coverage import Coverage, Placement
from heliograph.testing.chessroom import Chessroom, Stance, stances

GEOMETRY = Geometry.whole(640, 480)
LENS = Intrinsics(fx=520.0, fy=523.0, cx=318.2, cy=243.7, k1=-0.24, k2=0.07, p1=8e-4, p2=-5e-4, geometry=GEOMETRY)
CHESSBOARD = Board.parse("9x6", square_mm=25)
CHARUCO = Board.parse("8x6", square_mm=25, kind=BoardKind.CHARUCO)


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    return list(Chessroom(LENS, CHESSBOARD).frames(stances(CHESSBOARD, LENS, 22)))


@pytest.fixture(scope="module")
def collected(frames: list[Frame]) -> Collector:
    collector = Collector(CHESSBOARD)
    for frame in frames:
        collector.add(frame)
    return collector


def test_a_chessboard_gives_the_lens_back(collected: Collector) -> None:
    found = collected.calibrate(GEOMETRY, "SIM1")
    lens = found.intrinsics
    assert (lens.fx, lens.fy) == pytest.approx((LENS.fx, LENS.fy), rel=1e-3)
    assert (lens.cx, lens.cy) == pytest.approx((LENS.cx, LENS.cy), abs=0.5)
    assert (lens.k1, lens.k2) == pytest.approx((LENS.k1, LENS.k2), abs=0.02)
    assert (lens.p1, lens.p2) == pytest.approx((LENS.p1, LENS.p2), abs=2e-4)
    assert lens.k3 == 0
    assert lens.rms_px < 0.1
    assert found.focal_doubt_px < 1
    assert lens.serial == "SIM1"
    assert len(found.errors_px) == len(collected.views)


def test_a_charuco_board_gives_the_lens_back() -> None:
    collector = Collector(CHARUCO)
    for frame in Chessroom(LENS, CHARUCO, seed=2).frames(stances(CHARUCO, LENS, 16, seed=2)):
        collector.add(frame)
    lens = collector.calibrate(GEOMETRY).intrinsics
    assert (lens.fx, lens.fy) == pytest.approx((LENS.fx, LENS.fy), rel=2e-3)
    assert (lens.cx, lens.cy) == pytest.approx((LENS.cx, LENS.cy), abs=0.6)


def test_the_third_radial_term_is_found_only_when_asked_for(collected: Collector) -> None:
    assert collected.calibrate(GEOMETRY, k3=True).intrinsics.k3 != 0


def test_views_like_those_before_are_not_kept(frames: list[Frame]) -> None:
    collector = Collector(CHESSBOARD)
    assert collector.add(frames[0]) is Verdict.KEPT
    assert collector.add(frames[0]) is Verdict.KNOWN
    assert collector.add(frames[1]) is Verdict.KEPT
    assert len(collector.views) == 2


def test_a_live_board_must_rest(frames: list[Frame]) -> None:
    collector = Collector(CHESSBOARD, moving=True)
    verdicts = [collector.add(frame) for frame in (frames[0], frames[1], frames[1], frames[1])]
    assert verdicts == [Verdict.MOVING, Verdict.MOVING, Verdict.KEPT, Verdict.KNOWN]


def test_a_picture_without_a_board_says_so() -> None:
    frame = Frame(np.full((480, 640), 120, np.uint8), PixelFormat.Mono8, 1, 0)
    assert Collector(CHESSBOARD).add(frame) is Verdict.NOT_FOUND


def test_collecting_ends_when_there_is_enough(frames: list[Frame]) -> None:
    collector = Collector(CHESSBOARD)
    taken = [verdict for _, verdict in collect(collector, frames, views=10)]
    assert len(taken) < len(frames)
    assert len(collector.views) >= 10
    assert collector.complete(10)
    assert not collector.complete(len(collector.views) + 1)


def test_too_few_views_are_refused(frames: list[Frame]) -> None:
    collector = Collector(CHESSBOARD)
    for frame in frames[:3]:
        collector.add(frame)
    with pytest.raises(CalibrationError, match="3 views of the board are too few"):
        collector.calibrate(GEOMETRY)


def views_of(held: list[Stance]) -> Collector:
    collector = Collector(CHESSBOARD)
    for frame in Chessroom(LENS, CHESSBOARD).frames(held):
        collector.add(frame)
    return collector


def test_a_board_that_is_never_tilted_is_refused() -> None:
    flat = [replace(stance, about_x=0.0, about_y=0.0) for stance in stances(CHESSBOARD, LENS, 9)]
    with pytest.raises(CalibrationError, match=r"tilted . degrees at most"):
        views_of(flat).calibrate(GEOMETRY)


def test_a_board_in_one_corner_is_refused_with_the_emptiest_side() -> None:
    held = [
        Stance(-290 - 10 * index, -200, 1000 + 90 * index, 30 * (-1) ** index, 25 - 10 * index, 20 * index)
        for index in range(8)
    ]
    with pytest.raises(CalibrationError, match=r"first to the (right|bottom)"):
        views_of(held).calibrate(GEOMETRY)


def test_a_view_that_disagrees_is_left_out(collected: Collector) -> None:
    collector = Collector(CHESSBOARD)
    collector.coverage = collected.coverage
    bent = collected.views[0]
    shifted = bent.pixels + 4 * np.sin(np.arange(len(bent.pixels)))[:, None].astype(np.float32)
    collector.views = [replace(bent, pixels=shifted.astype(np.float32)), *collected.views[1:]]
    found = collector.calibrate(GEOMETRY)
    assert found.left_out == 1
    assert found.intrinsics.fx == pytest.approx(LENS.fx, rel=2e-3)


def test_a_board_of_other_columns_is_told(collected: Collector) -> None:
    collector = Collector(CHESSBOARD)
    collector.coverage = collected.coverage
    # As if every other row were longer: no lens does that.
    collector.views = [
        replace(view, points_mm=view.points_mm * np.where(np.arange(54) % 2, 1.0, 1.3)[:, None].astype(np.float32))
        for view in collected.views
    ]
    with pytest.raises(CalibrationError, match="the views do not agree"):
        collector.calibrate(GEOMETRY)


def test_pictures_of_two_sizes_are_refused(frames: list[Frame]) -> None:
    collector = Collector(CHESSBOARD)
    collector.add(frames[0])
    other = replace(frames[0], data=frames[0].data[:400])
    with pytest.raises(CalibrationError, match="640x480 and of 640x400"):
        collector.add(other)


def test_a_camera_set_to_another_size_is_refused(collected: Collector) -> None:
    with pytest.raises(CalibrationError, match="640x480 px and the camera is set to 320x240"):
        collected.calibrate(Geometry(640, 480, 320, 240))


def test_placement_is_what_the_stance_was(frames: list[Frame]) -> None:
    for stance, frame in zip(stances(CHESSBOARD, LENS, 8), frames, strict=False):
        sighting = CHESSBOARD.find(frame.data)
        assert sighting is not None
        placement = Placement.of(sighting, 640, 480)
        normal_z = stance.rotation[2, 2]
        assert placement.x == pytest.approx((LENS.fx * stance.x_mm / stance.z_mm + LENS.cx) / 640, abs=0.1)
        # Perspective and distortion bend what a flat measure of tilt sees.
        assert placement.tilt_degrees == pytest.approx(np.degrees(np.arccos(normal_z)), abs=12)


def test_coverage_names_the_side_that_nobody_saw(frames: list[Frame]) -> None:
    coverage = Coverage(640, 480)
    coverage.cells[:, :5] = 1
    assert coverage.emptiest == "right"
    assert coverage.share == pytest.approx(5 / 8)
