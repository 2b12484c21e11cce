import json
from pathlib import Path
from typing import Any

import pytest

from heliograph.cameras.camera_config import read_setups
from heliograph.cameras.setup import Setup, to_toml
from heliograph.core import SourceError, SourceNotFoundError


def entry(
    size: tuple[int, int], mode: tuple[int, int], pixel_format: str = "YUV420", key: str = "size"
) -> dict[str, Any]:
    """Give an entry as the reference system has it."""
    padded = (size[1] * 3 // 2, -(-size[0] // 64) * 64)
    return {f"file_{key}": padded, "format": pixel_format, f"image_{key}": size, "raw_img_format": mode}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Give a file for the High Quality Camera, laid out as the reference system's."""
    full, half = (4056, 3040), (2028, 1520)
    content = {
        "90": entry(full, full),
        "91": entry(half, half),
        "92": entry((1014, 760), half),
        "93": entry((507, 380), half),
        "camera": "RPI HQ CAM",
        "datetime": "17/05/2023 17:32:13",
        "default": entry(half, half, key="Size"),
        "description": {"format": "see the manual", "image_size": "Resolution of the Image", "file_size": "shape"},
    }
    path = tmp_path / "camera_config.json"
    path.write_text(json.dumps(content, indent=4))
    return path


def test_the_reference_systems_setups_become_ours(config: Path) -> None:
    full, half = "Mode4056x3040_12bit", "Mode2028x1520_12bit"
    assert read_setups(config) == [
        Setup("90", 4056, 3040, "NV12", 1, sensor_mode=full),
        Setup("91", 2028, 1520, "NV12", 2, sensor_mode=half),
        Setup("92", 1014, 760, "NV12", 4, sensor_mode=half),
        # 507 px do not go into 4:2:0.
        Setup("93", 507, 380, "BGR8", 8, sensor_mode=half),
        Setup("default", 2028, 1520, "NV12", 2, sensor_mode=half),
    ]


def test_toml_is_read_as_well(config: Path, tmp_path: Path) -> None:
    setups = read_setups(config)
    (tmp_path / "setups.toml").write_text(to_toml(setups, "from the reference system"))
    assert read_setups(tmp_path / "setups.toml") == setups


def test_a_part_of_an_unknown_sensor_is_taken_from_the_middle(tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    content = {"a": entry((1000, 1000), (3000, 2000), "BGR888"), "b": {"image_size": [64, 48], "format": "RGB888"}}
    path.write_text(json.dumps(content))
    assert read_setups(path) == [
        Setup("a", 1000, 1000, "RGB8", 2, offset_x=250, offset_y=0),
        Setup("b", 64, 48, "BGR8", 41, offset_x=4, offset_y=0),
    ]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"90": {"image_size": [10, 10], "format": "MJPEG"}}, "format of set-up '90' cannot be 'MJPEG'"),
        ({"90": {"image_size": [10, 10]}}, "cannot be None"),
        ({"90": {"image_size": [10], "format": "YUV420"}}, "image_size cannot be"),
        ({"90": {"image_size": [10, 0], "format": "YUV420"}}, "image_size cannot be"),
        ({"90": {"image_size": [10, 10], "format": "YUV420", "raw_img_format": "big"}}, "raw_img_format cannot be"),
        ({"camera": "none"}, "holds no set-up"),
        ([1], "one JSON object"),
    ],
)
def test_what_is_wrong_with_a_file_is_told(tmp_path: Path, content: object, told: str) -> None:
    path = tmp_path / "camera_config.json"
    path.write_text(json.dumps(content))
    with pytest.raises(SourceError, match=told):
        read_setups(path)


def test_a_file_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(SourceError, match="is no JSON"):
        read_setups(tmp_path / "a.json")
    with pytest.raises(SourceNotFoundError, match="there is no file"):
        read_setups(tmp_path / "none.json")
