"""A camera's geometry, asked of its features."""

from __future__ import annotations

import pytest

from heliograph import cameras
from heliograph.core import CalibrationError, Feature, FeatureKind, Geometry, LocalFeatures


def test_a_camera_tells_every_part_of_it() -> None:
    with cameras.open("sim://test-card", binning=2, width=320, height=240) as camera:
        for name, value in {"OffsetX": 10, "OffsetY": 20, "ReverseX": True}.items():
            camera.features[name] = value
        wanted = Geometry(2028, 1520, 320, 240, 10, 20, 2, 2, reverse_x=True, reverse_y=False)
        assert Geometry.of(camera.features) == wanted


def test_a_camera_with_nothing_but_a_size_sees_all_it_has() -> None:
    features = LocalFeatures()
    for name, size_px in (("Width", 64), ("Height", 48)):
        features.add(Feature(name, FeatureKind.INTEGER), read=lambda size_px=size_px: size_px)  # type: ignore[misc]  # mypy cannot infer a lambda's default
    assert Geometry.of(features) == Geometry.whole(64, 48)


def test_decimation_is_refused() -> None:
    features = LocalFeatures()
    features.add(Feature("DecimationHorizontal", FeatureKind.INTEGER), read=lambda: 2)
    with pytest.raises(CalibrationError, match="decimation"):
        Geometry.of(features)
