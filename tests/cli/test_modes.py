import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from heliograph.gige.device.server import GigeDeviceServer
from heliograph.testing.camera import PatternCamera

Program = Callable[..., Any]


@pytest.fixture
def network_camera(address: str) -> Iterator[str]:
    """Give the URL of a camera that keeps user sets."""
    with PatternCamera() as pattern, GigeDeviceServer(pattern, address):
        yield f"gige://{address}"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "camera_config.json"
    entries = {
        "90": {"image_size": [640, 480], "format": "YUV420"},
        "91": {"image_size": [320, 240], "format": "RGB888"},
    }
    path.write_text(json.dumps({"camera": "RPI HQ CAM", **entries}))
    return path


def test_what_a_sensor_can_do_is_listed(program: Program) -> None:
    ended = program("modes", "sim://test-card?sensor=imx477")
    assert ended.code == 0
    assert all(word in ended.out for word in ("4056", "most frames/s", "BayerRG12", "Half", "NV12"))
    assert "YCbCr420" not in ended.out


def test_json_has_modes_set_ups_and_user_sets(program: Program, network_camera: str) -> None:
    listed = json.loads(program("modes", network_camera, "--json").out)
    assert listed["modes"][0]["width"] == 640
    assert {"user set": "UserSet8", "name": ""} in listed["user_sets"]
    assert listed["setups"] == []
    names = [
        each["set-up"] for each in json.loads(program("modes", "sim://bench?sensor=imx219", "--json").out)["setups"]
    ]
    assert names == ["Full", "Half", "Quarter", "Eighth"]


def test_settings_are_saved_and_loaded_by_name(program: Program, network_camera: str) -> None:
    program("set", network_camera, "ExposureTime=1234")
    assert program("modes", network_camera, "--save", "night").out == "night is saved in UserSet1\n"
    program("set", network_camera, "ExposureTime=99")
    assert program("modes", network_camera, "--load", "night").out == "night is loaded from UserSet1\n"
    assert program("get", network_camera, "ExposureTime").out == "1234.0\n"
    ended = program("modes", network_camera, "--save", "a", "--load", "b")
    assert (ended.code, ended.out) == (5, "")
    assert "not both" in ended.err
    assert "needs a name" in program("modes", network_camera, "--save", "").err


def test_a_file_of_the_reference_system_is_printed_as_ours(program: Program, config: Path) -> None:
    ended = program("modes", "import", str(config))
    assert ended.code == 0
    assert ended.out.startswith("# Set-ups of camera_config.json\n")
    assert '[setups."91"]\nwidth_px = 320\nheight_px = 240\npixel_format = "BGR8"\nbinning = 2\n' in ended.out


def test_a_file_is_saved_in_a_camera(program: Program, config: Path, network_camera: str, tmp_path: Path) -> None:
    plain = tmp_path / "plain.toml"
    plain.write_text(program("modes", "import", str(config)).out.replace("binning = 2", "binning = 1"))
    ended = program("modes", "import", str(plain), network_camera)
    assert ended.out == "90 is saved in UserSet1\n91 is saved in UserSet2\n"
    program("modes", network_camera, "--load", "91")
    assert program("get", network_camera, "Width", "PixelFormat").out == "Width=320\nPixelFormat=BGR8\n"


def test_what_goes_wrong_is_one_line(program: Program, config: Path) -> None:
    ended = program("modes", "import", str(config.with_name("none.json")))
    assert (ended.code, ended.err.count("\n")) == (3, 1)
    ended = program("modes", "sim://bench", "--load", "night")
    assert ended.code == 5
    assert "keeps no user sets" in ended.err


def test_help_names_both_spellings(program: Program) -> None:
    ended = program("modes", "--help")
    assert "CAM" in ended.out
    assert "import" in ended.out
