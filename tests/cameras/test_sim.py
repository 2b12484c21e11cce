from collections.abc import Callable
from pathlib import Path

import pytest

import heliograph
from heliograph.cameras.sim import SCENES
from heliograph.core import CameraUrlError, MissingDependencyError
from heliograph.sim import sky
from heliograph.sim.testcard import read


@pytest.mark.parametrize("scene", SCENES)
def test_every_scene_opens_and_gives_its_full_field(scene: str) -> None:
    with heliograph.open(f"sim://{scene}") as camera:
        frame = camera.grab()
        assert (frame.width, frame.height) == (2028, 1520)
        assert frame.pixel_format.name == "BayerRG8"
        assert camera.name == scene
        assert camera.features["DeviceModelName"] == f"Sim {scene}"


def test_a_test_card_tells_number_and_time_through_the_public_door() -> None:
    with heliograph.open("sim://test-card", width=320, height=240, exposure_us=500) as camera:
        for frame in camera.frames(3):
            reading = read(frame.to("Mono8"))
            assert (reading.frame_id, reading.time_ns) == (frame.id, frame.timestamp_ns)


def test_the_serial_number_is_that_of_scene_and_seed() -> None:
    def serial(url: str) -> object:
        with heliograph.open(url) as camera:
            return camera.features["DeviceSerialNumber"]

    numbers = [serial(f"sim://{each}") for each in ("test-card", "test-card?seed=2", "bench")]
    assert numbers[0] == serial("sim://test-card?seed=1")
    assert len(set(numbers)) == 3


def test_a_serial_number_may_be_given() -> None:
    with heliograph.open("sim://bench?serial=CAM-7") as camera:
        assert camera.features["DeviceSerialNumber"] == "CAM-7"


@pytest.mark.parametrize(
    ("url", "size_px", "highest_hz"),
    [
        ("sim://bench?sensor=imx477", (4056, 3040), 2_000),
        ("sim://test-card?sensor=imx296", (1456, 1088), 60.38),
        ("sim://test-card?sensor=imx219", (3280, 2464), 21.19),
    ],
)
def test_a_sensor_brings_its_size_and_name(url: str, size_px: tuple[int, int], highest_hz: float) -> None:
    with heliograph.open(url, pixel_format="NV12") as camera:
        assert str(camera.features["DeviceModelName"]).endswith(url.rsplit("=", 1)[1].upper())
        assert camera.features.describe("AcquisitionFrameRate").maximum == pytest.approx(highest_hz, abs=0.01)
        frame = camera.grab()
        assert (frame.width, frame.height) == size_px


def test_an_eighth_of_the_hq_sensor_has_an_odd_size() -> None:
    with heliograph.open("sim://test-card?sensor=imx477", pixel_format="BGR8", binning=8) as camera:
        camera.features["Width"] = 507
        frame = camera.grab()
        assert frame.data.shape == (380, 507, 3)
        # The last column is lit as its neighbours are: it has no dark edge of the sensor in it.
        assert abs(float(frame.data[:, -1].mean()) - float(frame.data[:, -2].mean())) < 12
        assert read(frame.to("Mono8")).frame_id == frame.id


def test_phase_and_drift_come_from_the_url() -> None:
    with heliograph.open("sim://bench?phase_us=50000&drift_ppm=1000", frame_rate_hz=100) as camera:
        first, second, third = camera.frames(3)
    for earlier, later in ((first, second), (second, third)):
        assert later.timestamp_ns - earlier.timestamp_ns == 10_010_000 * (later.id - earlier.id)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("sim://blue-dwarf", "no scene 'blue-dwarf'; sim:// has red-giant, test-card, bench"),
        ("sim://", "sim:// has red-giant"),
        ("sim://bench?pass_s=3", "no parameter 'pass_s'; it has seed, serial, phase_us"),
        ("sim://red-giant?moon=1", "jitter_us, pipeline, pass_s"),
        ("sim://red-giant?pass_s=0", "possible is 1 to 1e\\+06"),
        ("sim://bench?seed=1.5", "whole number"),
        ("sim://bench?seed=-1", "possible is 0 to"),
        ("sim://bench?drift_ppm=nan", "cannot be nan"),
        ("sim://bench?seed=red", "no number"),
        ("sim://bench?pipeline=5", "possible is 2 to 4"),
        ("sim://bench?pipeline=2.5", "whole number"),
        ("sim://bench?sensor=imx500", "there is no sensor 'imx500'; sim:// has imx477, imx219, imx708, imx296"),
        ("sim://red-giant?sensor=imx477", "no parameter 'sensor'"),
        ("sim://bench?serial=", "1 to 15 printable ASCII characters"),
        ("sim://bench?serial=sixteen-letters!", "1 to 15 printable ASCII characters"),
    ],
)
def test_a_wrong_url_is_told_what_exists(url: str, told: str) -> None:
    with pytest.raises(CameraUrlError, match=told):
        heliograph.open(url)


def test_without_the_photograph_the_line_that_installs_it_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Spec:
        submodule_search_locations = (str(tmp_path),)

    find: Callable[[str], Spec] = lambda name: Spec()  # noqa: E731  # a type for mypy
    monkeypatch.setattr("importlib.util.find_spec", find)
    sky.sky.cache_clear()
    with pytest.raises(MissingDependencyError, match="pip install 'heliograph\\[sim\\]'"):
        heliograph.open("sim://red-giant")
