import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import heliograph
from heliograph.cameras.modes import (
    fitted,
    list_modes,
    load_user_set,
    presets_for,
    save_setups,
    save_user_set,
    user_sets,
)
from heliograph.cameras.setup import Setup
from heliograph.core import Camera, FeatureAccessError, SettingError
from heliograph.core.settings import apply
from heliograph.gige.device.server import GigeDeviceServer
from heliograph.testing.camera import PatternCamera
from heliograph.testing.pi_board import GLOBAL_SHUTTER, HQ, V2, V3, Board, PiSensor
from heliograph.testing.picamera2_standin import standin

SIGNATURES = Path(__file__).parents[1] / "vectors" / "picamera2-0.3.38.json"


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Board:
    board = Board()
    for name, module in standin(SIGNATURES, board).items():
        monkeypatch.setitem(sys.modules, name, module)
    return board


@pytest.fixture
def network_camera(address: str) -> Iterator[Camera]:
    """Give a camera on the network that keeps user sets; one of them is fixed."""
    presets = {"Small": {"Width": 64, "Height": 48}}
    with (
        PatternCamera() as pattern,
        GigeDeviceServer(pattern, address, presets=presets),
        heliograph.open(f"gige://{address}") as camera,
    ):
        yield camera


@pytest.mark.parametrize("sensor", [HQ, V2, V3, GLOBAL_SHUTTER], ids=lambda each: each.model)
@pytest.mark.parametrize("pisp", [False, True])
def test_every_preset_of_a_sensor_gives_its_picture(board: Board, sensor: PiSensor, pisp: bool) -> None:
    board.sensors, board.pisp = (sensor,), pisp
    with heliograph.open("picamera2://0") as camera:
        presets = presets_for(camera)
        assert list(presets) == ["Full", "Half", "Quarter", "Eighth"]
        for settings in presets.values():
            apply(camera.features, settings)
            frame = camera.grab()
            assert (frame.width, frame.height) == (settings["Width"], settings["Height"])
            assert (frame.pixel_format.name, camera.features["SensorMode"]) == (
                settings["PixelFormat"],
                settings["SensorMode"],
            )
            camera.stop()


def test_a_camera_of_another_kind_has_no_presets() -> None:
    with PatternCamera() as camera:
        assert presets_for(camera) == {}


def test_a_setup_is_fitted_to_what_a_camera_can_do() -> None:
    with PatternCamera() as camera:
        wanted = Setup("a", 101, 50, "BGR8", sensor_mode="Mode2028x1520_12bit")
        assert fitted(wanted, camera.features) == {"PixelFormat": "BGR8", "Width": 100, "Height": 48}
        assert fitted(Setup("b", 100, 48, "BayerRG12"), camera.features) == {}
        assert fitted(Setup("c", 100, 48, "BGR8", binning=2), camera.features) == {}


def test_a_size_is_in_steps_of_the_format_that_it_will_have() -> None:
    with heliograph.open("sim://bench?sensor=imx477", pixel_format="BayerRG8") as camera:
        eighth = presets_for(camera)["Eighth"]
        apply(camera.features, eighth)
        assert (eighth["Width"], eighth["PixelFormat"]) == (507, "BGR8")


def test_all_that_a_sensor_can_do_is_listed_and_the_settings_stay(board: Board) -> None:
    with heliograph.open("picamera2://0", width=640, height=480, exposure_us=30_000) as camera:
        camera.features["OffsetX"] = 100
        before = camera.snapshot_settings()
        modes = list_modes(camera)
        assert camera.snapshot_settings() == before
        camera.start()
        with pytest.raises(FeatureAccessError, match="stop acquisition first"):
            list_modes(camera)
    by_size = {(each.width, each.height): each for each in modes}
    raw = by_size[2028, 1520]
    assert raw.max_rate_hz == pytest.approx(40.01)
    assert {"BayerRG12", "BGR8", "YCbCr420_8_YY_CbCr_Semiplanar"} <= set(raw.pixel_formats)
    assert by_size[4056, 3040].max_rate_hz == pytest.approx(10)
    # An odd width is not for formats with pairs of pixels.
    assert set(by_size[507, 380].pixel_formats) == {"BGR8", "RGB8", "Mono8"}
    assert by_size[507, 380].binning == 8


def test_a_camera_with_one_size_lists_that() -> None:
    with heliograph.open("sim://bench") as camera:
        assert {each.binning for each in list_modes(camera)} >= {1, 2, 4}
    with PatternCamera(width=320, height=240) as pattern:
        (mode,) = list_modes(pattern)
        assert (mode.width, mode.height, mode.binning, mode.max_rate_hz) == (320, 240, 1, None)
        assert "Mono8" in mode.pixel_formats


def test_settings_are_saved_and_loaded_under_a_name(network_camera: Camera) -> None:
    features = network_camera.features
    features["UserSetSelector"] = "UserSet3"
    features["ExposureTime"] = 1234.0
    assert save_user_set(network_camera, "night") == "UserSet1"
    features["ExposureTime"] = 99.0
    assert save_user_set(network_camera, "day") == "UserSet2"
    assert save_user_set(network_camera, "UserSet4") == "UserSet4"
    assert load_user_set(network_camera, "night") == "UserSet1"
    assert features["ExposureTime"] == 1234.0
    sets = user_sets(network_camera)
    assert [sets[f"UserSet{n}"] for n in (1, 2, 3)] == ["night", "day", ""]
    assert sets["Small"] == "Small"
    # Who looks moves nothing.
    assert features["UserSetSelector"] == "UserSet3"
    assert load_user_set(network_camera, "Small") == "Small"
    assert features["Width"] == 64
    assert save_user_set(network_camera, "day") == "UserSet2"


def test_what_cannot_be_saved_or_loaded_is_told(network_camera: Camera) -> None:
    with pytest.raises(SettingError, match=r"no user set 'noon'; there are Default .*UserSet8"):
        load_user_set(network_camera, "noon")
    with pytest.raises(SettingError, match="UserSet5 cannot be loaded: nothing is saved in it"):
        load_user_set(network_camera, "UserSet5")
    with pytest.raises(SettingError, match="Default is the camera's own and cannot be saved: choose another name"):
        save_user_set(network_camera, "Default")
    for number in range(8):
        save_user_set(network_camera, f"set {number}")
    with pytest.raises(SettingError, match=r"no user set is free for 'one more': .*UserSet1 \(set 0\)"):
        save_user_set(network_camera, "one more")
    with PatternCamera() as camera:
        assert user_sets(camera) == {}
        with pytest.raises(SettingError, match="pattern keeps no user sets"):
            save_user_set(camera, "night")


def test_setups_of_a_file_are_saved_as_user_sets(network_camera: Camera) -> None:
    before = network_camera.snapshot_settings()
    setups = [Setup("90", 640, 480, "NV12"), Setup("91", 320, 240, "BGR8")]
    assert save_setups(network_camera, setups) == {"90": "UserSet1", "91": "UserSet2"}
    assert network_camera.snapshot_settings() == before
    load_user_set(network_camera, "91")
    assert [network_camera.features[name] for name in ("Width", "Height", "PixelFormat")] == [320, 240, "BGR8"]
    with pytest.raises(SettingError, match="no BayerRG12 binned 1 for 'c'"):
        save_setups(network_camera, [Setup("c", 640, 480, "BayerRG12")])
