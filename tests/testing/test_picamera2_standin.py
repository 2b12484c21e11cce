import json
from pathlib import Path
from typing import Any

import pytest

from heliograph.testing.pi_board import HQ, V2, Board
from heliograph.testing.picamera2_standin import standin

SIGNATURES = Path(__file__).parents[1] / "vectors" / "picamera2-0.3.38.json"


@pytest.fixture
def picam2() -> Any:
    return standin(SIGNATURES, Board())["picamera2"].Picamera2()


def test_what_picamera2_has_not_raises(picam2: Any) -> None:
    with pytest.raises(AttributeError):
        picam2.set_control({})
    with pytest.raises(TypeError, match="mode"):
        picam2.start(mode="fast")
    with pytest.raises(TypeError, match="bits"):
        picam2.create_still_configuration(main={}, bits=12)


@pytest.mark.parametrize(
    ("control", "error"),
    [
        ({"Exposure": 100}, RuntimeError),
        ({"ScalerCrops": [(0, 0, 1, 1)]}, RuntimeError),
        ({"ExposureTime": 100.0}, TypeError),
        ({"FrameDurationLimits": (1.0, 2.0)}, TypeError),
        ({"ColourGains": (1, 2)}, TypeError),
        ({"ScalerCrop": (0, 0, 1)}, TypeError),
    ],
)
def test_unknown_controls_and_values_of_another_type_raise(picam2: Any, control: dict[str, Any], error: type) -> None:
    with pytest.raises(error):
        picam2.set_controls(control)


def test_sizes_formats_and_modes_that_picamera2_refuses_raise(picam2: Any) -> None:
    sensor = {"output_size": (2028, 1520), "bit_depth": 12}
    with pytest.raises(ValueError, match="Bad key"):
        picam2.create_still_configuration(main={"size": (64, 64), "colour": 1}, raw=None, sensor=sensor)
    odd = picam2.create_still_configuration(main={"format": "RGB888", "size": (65, 65)}, raw=None, sensor=sensor)
    assert odd["main"]["size"] == (64, 64)
    odd["main"]["size"] = (65, 64)
    with pytest.raises(RuntimeError, match="Bad format or size"):
        picam2.configure(odd)
    with pytest.raises(RuntimeError, match="has not been configured"):
        picam2.start()


def test_a_stand_in_with_names_of_its_own_is_not_made(tmp_path: Path) -> None:
    for change in ("configure", "create_still_configuration"):
        facts = json.loads(SIGNATURES.read_text())
        facts["classes"]["Picamera2"]["methods"][change] = "self, other"
        (tmp_path / "changed.json").write_text(json.dumps(facts))
        with pytest.raises(TypeError, match=f"Picamera2.{change} is not called like that"):
            standin(tmp_path / "changed.json", Board())


def test_a_sensor_upside_down_has_its_mosaic_turned() -> None:
    assert (HQ.order(), HQ.order(hflip=True), HQ.order(vflip=True)) == ("RGGB", "GRBG", "GBRG")
    assert (V2.order(), V2.order(hflip=True, vflip=True)) == ("BGGR", "RGGB")
