import tomllib
from pathlib import Path

import pytest

from heliograph.cameras.setup import Setup, facts_of, read_toml, shipped, to_toml
from heliograph.core import PixelFormat, SourceError, SourceNotFoundError

FULL = {"imx477": (4056, 3040), "imx219": (3280, 2464), "imx708": (4608, 2592), "imx296": (1456, 1088)}


def test_every_sensor_ships_its_full_field_at_four_sizes() -> None:
    assert shipped().keys() == FULL.keys()
    for sensor, (width, height) in FULL.items():
        setups = shipped()[sensor].setups
        assert [each.name for each in setups] == ["Full", "Half", "Quarter", "Eighth"]
        sizes = [(width // each, height // each) for each in (1, 2, 4, 8)]
        assert [(each.width, each.height) for each in setups] == sizes
        for each in setups:
            odd = each.width % 2 or each.height % 2
            assert each.pixel_format == ("BGR8" if odd else "NV12")
            assert not (each.width % PixelFormat.parse(each.pixel_format).size_increment)


def test_a_mode_of_a_setup_reads_enough_pixels_at_the_rate_that_it_tells() -> None:
    for facts in shipped().values():
        timings = {f"Mode{each.width}x{each.height}_{each.bits}bit": each for each in facts.timings}
        for setup in facts.setups:
            mode = timings[setup.sensor_mode]
            assert mode.width >= setup.width
            # All rows must be read within a frame.
            assert mode.height * mode.line_time_ns * setup.max_rate_hz < 1e9


def test_a_model_that_contains_a_sensors_name_has_its_facts() -> None:
    facts = facts_of("Sim IMX708 wide")
    assert facts
    assert facts.sensor == "imx708"
    assert facts_of("acA1920") is None


def test_setups_are_read_as_they_were_written(tmp_path: Path) -> None:
    setups = [Setup('a "name"', 640, 480, "NV12", 2, 4, 6, "Mode1640x1232_10bit", 41.85), Setup("b", 64, 64, "Mono8")]
    path = tmp_path / "setups.toml"
    path.write_text(to_toml(setups, "Set-ups of nobody"))
    assert read_toml(path) == setups
    assert tomllib.loads(path.read_text())["setups"]["b"]["binning"] == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[setups.a]\nwidth_px = 1", "'a' needs width_px, height_px, pixel_format"),
        ('[setups.a]\nwidth_px = 1\nheight_px = 1\npixel_format = "Mono8"\nhue = 3', "may have binning"),
        ('[setups.a]\nwidth_px = -1\nheight_px = 1\npixel_format = "Mono8"', "width_px of set-up 'a' cannot be -1"),
        ('[setups.a]\nwidth_px = 1.5\nheight_px = 1\npixel_format = "Mono8"', "cannot be 1.5"),
        ('[setups.a]\nwidth_px = true\nheight_px = 1\npixel_format = "Mono8"', "cannot be True"),
        ('[setups.a]\nwidth_px = 1\nheight_px = 1\npixel_format = "YUV"', "unknown pixel format 'YUV'"),
        ("setups = 3", "holds no set-up"),
        ("[setups]", "holds no set-up"),
        ("a = ", "is no TOML"),
    ],
)
def test_what_is_wrong_with_a_file_is_told(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "setups.toml"
    path.write_text(text)
    with pytest.raises(SourceError, match=told):
        read_toml(path)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError, match="there is no file"):
        read_toml(tmp_path / "none.toml")
    with pytest.raises(SourceError, match="cannot be read"):
        read_toml(tmp_path)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SourceError, match="cannot be read"):
        read_toml(tmp_path / "binary.toml")
