"""Intrinsics against OpenCV's own projection, through every region, binning and mirror."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.core import CalibrationError, Geometry, Intrinsics, SourceNotFoundError

SENSOR = (2028, 1520)
LENS = Intrinsics(
    fx=1690.0, fy=1702.5, cx=1004.2, cy=771.9, k1=-0.21, k2=0.08, p1=0.0011, p2=-0.0007, k3=-0.01,
    geometry=Geometry.whole(*SENSOR), rms_px=0.12, serial="SIM1", date="2026-11-21T12:00:00+00:00",
)  # fmt: skip


def projected(lens: Intrinsics, point: tuple[float, float]) -> Any:
    """The pixel at which OpenCV sees the point (x, y, 1)."""
    pixels, _ = cv2.projectPoints(np.array([[*point, 1.0]]), np.zeros(3), np.zeros(3), lens.matrix, lens.distortion)
    return pixels.ravel()


@st.composite
def geometries(draw: st.DrawFn) -> Geometry:
    binning_x, binning_y = draw(st.sampled_from([1, 2, 4])), draw(st.sampled_from([1, 2, 4]))
    return Geometry(
        *SENSOR,
        width=16,
        height=16,
        offset_x=draw(st.integers(0, SENSOR[0] // binning_x - 16)),
        offset_y=draw(st.integers(0, SENSOR[1] // binning_y - 16)),
        binning_x=binning_x,
        binning_y=binning_y,
        reverse_x=draw(st.booleans()),
        reverse_y=draw(st.booleans()),
    )


places = st.tuples(st.floats(-0.6, 0.6), st.floats(-0.45, 0.45))


@given(places)
def test_the_formula_of_the_documentation_is_opencvs(place: tuple[float, float]) -> None:
    x, y = place
    r2 = x * x + y * y
    radial = 1 + LENS.k1 * r2 + LENS.k2 * r2**2 + LENS.k3 * r2**3
    seen_x = x * radial + 2 * LENS.p1 * x * y + LENS.p2 * (r2 + 2 * x * x)
    seen_y = y * radial + LENS.p1 * (r2 + 2 * y * y) + 2 * LENS.p2 * x * y
    wanted = (LENS.fx * seen_x + LENS.cx, LENS.fy * seen_y + LENS.cy)
    np.testing.assert_allclose(projected(LENS, place), wanted, atol=1e-6)


@given(geometries(), geometries(), places)
def test_adapted_intrinsics_see_a_point_where_the_picture_shows_it(
    first: Geometry, second: Geometry, place: tuple[float, float]
) -> None:
    """A mirrored picture is that of the mirrored world."""
    for geometry in (first, second):
        lens = LENS.adapted(first).adapted(geometry)
        mirrored = (place[0] * (-1 if geometry.reverse_x else 1), place[1] * (-1 if geometry.reverse_y else 1))
        wanted = geometry.in_picture(*projected(LENS, place))
        np.testing.assert_allclose(projected(lens, mirrored), wanted, atol=1e-6)


@given(geometries(), st.floats(-100, 3000), st.floats(-100, 3000))
def test_sensor_and_picture_are_each_others_inverse(geometry: Geometry, x: float, y: float) -> None:
    np.testing.assert_allclose(geometry.in_picture(*geometry.on_sensor(x, y)), (x, y), atol=1e-6)


def test_another_sensor_is_refused() -> None:
    with pytest.raises(CalibrationError, match="calibrate this camera"):
        LENS.adapted(Geometry.whole(640, 480))


def test_undistorting_puts_every_point_where_a_straight_lens_sees_it() -> None:
    picture = np.zeros((SENSOR[1], SENSOR[0]), np.uint8)
    point = (-0.42, 0.31)
    x, y = projected(LENS, point)
    # A spot wide enough for its middle to be known to a tenth of a pixel.
    rows, columns = np.mgrid[0 : SENSOR[1], 0 : SENSOR[0]]
    picture[:] = 255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 50)
    straight = LENS.undistort(picture).astype(float)
    found = ((straight * columns).sum() / straight.sum(), (straight * rows).sum() / straight.sum())
    np.testing.assert_allclose(found, projected(LENS.straight, point), atol=0.3)
    assert np.hypot(*(np.array(found) - (x, y))) > 20


def test_a_picture_of_another_size_is_refused() -> None:
    with pytest.raises(CalibrationError, match="2028x1520 px, the picture has 8x4"):
        LENS.undistort(np.zeros((4, 8), np.uint8))


def test_a_file_gives_back_what_was_written(tmp_path: Path) -> None:
    file = tmp_path / "lens.json"
    file.write_text(LENS.to_json())
    assert Intrinsics.load(file) == LENS
    assert json.loads(file.read_text())["model"] == "FULL_OPENCV"


def test_the_eight_numbers_of_colmaps_model_are_enough() -> None:
    names = {"fx": 100, "fy": 100, "cx": 31.5, "cy": 23.5, "k1": 0, "k2": 0, "p1": 0, "p2": 0}
    lens = Intrinsics.from_json(json.dumps({**names, "width": 64, "height": 48}))
    assert lens == Intrinsics(100, 100, 31.5, 23.5, Geometry.whole(64, 48))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"fx": "wide"}', LENS.to_json().replace("1690.0", "NaN"), "7"])
def test_other_contents_are_one_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "lens.json"
    file.write_text(text)
    with pytest.raises(CalibrationError, match="holds no intrinsics") as told:
        Intrinsics.load(file)
    assert "\n" not in str(told.value)


def test_a_missing_file_is_told_with_what_makes_it(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError, match="heliograph calibrate"):
        Intrinsics.load(tmp_path / "none.json")
