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
        ("sim://bench?pass_s=3", "no parameter 'pass_s'; it has seed, phase_us, drift_ppm"),
        ("sim://red-giant?moon=1", "it has seed, phase_us, drift_ppm, pass_s"),
        ("sim://red-giant?pass_s=0", "possible is 1 to 1e\\+06"),
        ("sim://bench?seed=1.5", "whole number"),
        ("sim://bench?seed=-1", "possible is 0 to"),
        ("sim://bench?drift_ppm=nan", "cannot be nan"),
        ("sim://bench?seed=red", "no number"),
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
