"""The `sim` camera: simulated scenes.

`sim://red-giant?seed=7&pass_s=20`, `sim://test-card?sensor=imx219`, `sim://bench?sensor=imx477`
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from heliograph.cameras.steering import PhaseSteering, add_steering_features
from heliograph.cameras.url import CameraUrl
from heliograph.core import Camera, CameraUrlError
from heliograph.sim.bench import BENCH_MODEL, PreparedPictures
from heliograph.sim.camera import Oscillator, SimCamera
from heliograph.sim.deferred import DeferredPictures
from heliograph.sim.lens import Lens
from heliograph.sim.models import SENSORS
from heliograph.sim.redgiant import RedGiantPass
from heliograph.sim.rendering import PictureSource, Renderer
from heliograph.sim.sensor import SensorModel
from heliograph.sim.sky import photograph_path, sky
from heliograph.sim.testcard import ChartScene, TimeInserter

_TELESCOPE = Lens(focal_length_px=1_700.0)
_COMMON = ("seed", "serial", "phase_us", "drift_ppm", "jitter_us", "pipeline")
_PASS_S = 200.0
# GVCP has room for a serial number of 16 bytes, the last of which is 0.
_SERIAL = re.compile(r"[!-~]{1,15}")


def open_camera(url: CameraUrl) -> Camera:
    """Open the scene that a `sim://` URL names: `red-giant`, `test-card` or `bench`.

    Parameters of all scenes: `seed` (1), a whole number that decides noise, defects and sky; `serial`, the serial
    number, by default that of scene and seed; `phase_us` (0), from the start of acquisition to that of the first
    exposure; `drift_ppm` (0), by which the sensor's periods are too long; `jitter_us` (0), the standard deviation of
    timestamps; `pipeline` (2), the frames, 2 to 4, until a new frame duration is in force.
    `red-giant` has `pass_s` (200), the length of a pass. `test-card` and `bench` have `sensor`, imx477, imx219, imx708
    or imx296: a sensor of that size and, for `test-card`, of those times.

    Raises `CameraUrlError` for anything else, `MissingDependencyError` without OpenCV or the red giant's photograph.
    """
    name = url.location
    if name not in SCENES:
        raise CameraUrlError(f"there is no scene {name!r}; sim:// has {', '.join(SCENES)}")
    build, model, own_parameters = SCENES[name]
    url.check_parameters(*_COMMON, *own_parameters)
    seed, pipeline_frames = _whole_number(url, "seed", 1, 0, 2**32 - 1), _whole_number(url, "pipeline", 2, 2, 4)
    model = replace(_sensor(url, model), pipeline_frames=pipeline_frames)
    oscillator = Oscillator(
        phase_ns=round(_number(url, "phase_us", 0, 0, 1e9) * 1e3),
        drift_ppm=_number(url, "drift_ppm", 0, -1e5, 1e5),
        jitter_ns=_number(url, "jitter_us", 0, 0, 1e6) * 1e3,
    )
    steering = PhaseSteering(model.line_time_ns, 1e9 / model.default_rate_hz, 0)
    pictures = build(url, model, seed)
    camera = SimCamera(name, pictures, model, None, seed, oscillator, _serial(url), steering)
    add_steering_features(camera.features, steering)
    return camera


def _red_giant(url: CameraUrl, model: SensorModel, seed: int) -> PictureSource:
    pass_s = _number(url, "pass_s", _PASS_S, 1, 1e6)
    photograph_path()  # what is missing is told at once
    return DeferredPictures(lambda: Renderer(RedGiantPass(sky(seed), model, seed, pass_s), model, seed, _TELESCOPE))


def _test_card(url: CameraUrl, model: SensorModel, seed: int) -> PictureSource:
    return DeferredPictures(lambda: Renderer(ChartScene(model), model, seed, inserter=TimeInserter()))


def _bench(url: CameraUrl, model: SensorModel, seed: int) -> PictureSource:
    return DeferredPictures(lambda: PreparedPictures(Renderer(ChartScene(model), model, seed)))


SCENES: dict[str, tuple[Callable[[CameraUrl, SensorModel, int], PictureSource], SensorModel, tuple[str, ...]]] = {
    # 20 frames/s: a rate at which rendering, 24 ms a picture, leaves most of a core to whoever receives and scores.
    "red-giant": (_red_giant, SensorModel(default_rate_hz=20.0), ("pass_s",)),
    "test-card": (_test_card, SensorModel(), ("sensor",)),
    "bench": (_bench, BENCH_MODEL, ("sensor",)),
}
"""Scenes by name: how they are built, the sensor before them, and parameters that only they have."""


def _sensor(url: CameraUrl, model: SensorModel) -> SensorModel:
    """Give the sensor that the URL names before a scene whose own one is `model`."""
    name = url.parameters.get("sensor")
    if name is None:
        return model
    if name not in SENSORS:
        raise CameraUrlError(f"there is no sensor {name!r}; sim:// has {', '.join(SENSORS)}")
    sensor = SENSORS[name]
    if model is BENCH_MODEL:
        # Its readout must not limit what is behind it.
        return replace(model, name=sensor.name, width_px=sensor.width_px, height_px=sensor.height_px)
    return sensor


def _serial(url: CameraUrl) -> str:
    serial = url.parameters.get("serial", "")
    if "serial" in url.parameters and not _SERIAL.fullmatch(serial):
        raise CameraUrlError(f"serial in {url.text!r} cannot be {serial!r}: it is 1 to 15 printable ASCII characters")
    return serial


def _whole_number(url: CameraUrl, name: str, default: int, least: int, most: int) -> int:
    value = _number(url, name, default, least, most)
    if value != int(value):
        raise CameraUrlError(f"{name} in {url.text!r} cannot be {value:g}: it is a whole number")
    return int(value)


def _number(url: CameraUrl, name: str, default: float, least: float, most: float) -> float:
    value = url.number(name, default)
    if not least <= value <= most:
        raise CameraUrlError(f"{name} in {url.text!r} cannot be {value:g}: possible is {least:g} to {most:g}")
    return value
