"""A scene that nobody looks at is not made."""

from unittest.mock import Mock

import pytest

import heliograph
from heliograph.cameras import sim as sim_camera
from heliograph.sim.deferred import DeferredPictures
from heliograph.sim.rendering import Renderer


def test_it_is_made_once_at_the_first_use() -> None:
    source = Mock(levels="bright")
    make = Mock(return_value=source)
    pictures = DeferredPictures(make)
    assert pictures.levels is None
    make.assert_not_called()
    settings = Mock()
    pictures.prepare(settings)
    assert pictures.picture(settings, 1, 2, 3) is source.picture.return_value
    assert pictures.levels == "bright"
    make.assert_called_once_with()
    source.prepare.assert_called_once_with(settings)


@pytest.mark.parametrize("scene", ["red-giant", "test-card", "bench"])
def test_an_open_camera_has_made_none(scene: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Mock(wraps=Renderer)
    monkeypatch.setattr(sim_camera, "Renderer", made)
    with heliograph.open(f"sim://{scene}") as camera:
        camera.features["ExposureTime"] = 1000
        made.assert_not_called()
        camera.grab()
        made.assert_called_once()
