"""The cameras of a node, those that are not there included."""

from pathlib import Path

import pytest

import heliograph
from heliograph.core import CameraNotFoundError, CameraUrlError, FeatureValueError
from heliograph.node.cameras import bay as bay_module
from heliograph.node.cameras.bay import Berth, CameraBay
from heliograph.testing.outlet import Heard


@pytest.fixture(autouse=True)
def on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELIOGRAPH_INTERFACES", "127.0.0.1")
    monkeypatch.setattr(bay_module, "_AGAIN_S", 0.05)


def test_cameras_are_set_and_served(tmp_path: Path) -> None:
    heard = Heard()
    berths = [
        Berth("left", "sim://bench", features={"Width": 64, "Height": 48, "ExposureTime": 1234.0}),
        Berth("right", "sim://bench", serve=False),
    ]
    with CameraBay(berths, heliograph.open, tmp_path, emit=heard.emit) as bay:
        assert list(bay.cameras) == ["left", "right"]
        assert list(bay.served) == ["left"]
        with heliograph.open(f"gige://{bay.served['left']}") as client:
            assert client.grab().width == 64
            assert client.features["ExposureTime"] == pytest.approx(1234, abs=20)
    assert not heard.events


def test_a_camera_that_comes_later_is_taken_in(tmp_path: Path) -> None:
    heard = Heard()
    tries = 0

    def open_camera(url: str) -> heliograph.Camera:
        nonlocal tries
        tries += 1
        if tries < 4:
            raise CameraNotFoundError("nothing is plugged in")
        return heliograph.open(url)

    with CameraBay([Berth("cam-1", "sim://bench")], open_camera, tmp_path, emit=heard.emit) as bay:
        assert not bay.cameras
        heard.wait_for(lambda: "camera.found" in heard.event_names)
        assert bay.cameras["cam-1"].driver.features["Width"]
        assert "cam-1" in bay.served
    assert heard.event_names == ["camera.missing", "camera.found"]  # told once, however often it was tried


def test_what_is_wrong_in_the_settings_is_told_at_the_start(tmp_path: Path) -> None:
    heard = Heard()
    with pytest.raises(CameraUrlError), CameraBay([Berth("c", "nope://x")], heliograph.open, tmp_path, emit=heard.emit):
        pass
    wrong = [Berth("good", "sim://bench"), Berth("bad", "sim://bench", features={"Gain": 999})]
    with (
        pytest.raises(FeatureValueError, match=r"^camera .*Gain"),
        CameraBay(wrong, heliograph.open, tmp_path, emit=heard.emit),
    ):
        pass
