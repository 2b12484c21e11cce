"""The `sim` camera: simulated scenes.

`sim://red-giant?seed=7&pass_s=20`, `sim://test-card`, `sim://bench`
"""

from __future__ import annotations

from collections.abc import Callable

from heliograph.cameras.url import CameraUrl
from heliograph.core import Camera, CameraUrlError
from heliograph.sim.bench import BENCH_MODEL, PreparedPictures
from heliograph.sim.camera import SimCamera
from heliograph.sim.lens import Lens
from heliograph.sim.redgiant import RedGiantPass
from heliograph.sim.rendering import PictureSource, Renderer
from heliograph.sim.sensor import SensorModel
from heliograph.sim.sky import sky
from heliograph.sim.testcard import ChartScene, TimeInserter

_TELESCOPE = Lens(focal_length_px=1_700.0)
_COMMON = ("seed", "phase_us", "drift_ppm")
_PASS_S = 200.0


def open_camera(url: CameraUrl) -> Camera:
    """Open the scene that a `sim://` URL names: `red-giant`, `test-card` or `bench`.

    Parameters of all scenes: `seed` (1), a whole number that decides noise, defects and sky; `phase_us` (0), from the
    start of acquisition to that of the first exposure; `drift_ppm` (0), by which the sensor's periods are too long.
    `red-giant` has `pass_s` (200), the length of a pass.

    Raises `CameraUrlError` for anything else, `MissingDependencyError` without OpenCV or the red giant's photograph.
    """
    name = url.location
    if name not in SCENES:
        raise CameraUrlError(f"there is no scene {name!r}; sim:// has {', '.join(SCENES)}")
    build, model, own_parameters = SCENES[name]
    url.check_parameters(*_COMMON, *own_parameters)
    seed = _number(url, "seed", 1, 0, 2**32 - 1)
    if seed != int(seed):
        raise CameraUrlError(f"seed in {url.text!r} cannot be {seed:g}: it is a whole number")
    return SimCamera(
        name,
        build(url, model, int(seed)),
        model,
        seed=int(seed),
        phase_ns=round(_number(url, "phase_us", 0, 0, 1e9) * 1e3),
        drift_ppm=_number(url, "drift_ppm", 0, -1e5, 1e5),
    )


def _red_giant(url: CameraUrl, model: SensorModel, seed: int) -> PictureSource:
    pass_s = _number(url, "pass_s", _PASS_S, 1, 1e6)
    return Renderer(RedGiantPass(sky(seed), model, seed, pass_s), model, seed, _TELESCOPE)


def _test_card(url: CameraUrl, model: SensorModel, seed: int) -> PictureSource:
    return Renderer(ChartScene(model), model, seed, inserter=TimeInserter())


def _bench(url: CameraUrl, model: SensorModel, seed: int) -> PictureSource:
    return PreparedPictures(Renderer(ChartScene(model), model, seed))


SCENES: dict[str, tuple[Callable[[CameraUrl, SensorModel, int], PictureSource], SensorModel, tuple[str, ...]]] = {
    # 20 frames/s: a rate at which rendering, 24 ms a picture, leaves most of a core to whoever receives and scores.
    "red-giant": (_red_giant, SensorModel(default_rate_hz=20.0), ("pass_s",)),
    "test-card": (_test_card, SensorModel(), ()),
    "bench": (_bench, BENCH_MODEL, ()),
}
"""Scenes by name: how they are built, the sensor before them, and parameters that only they have."""


def _number(url: CameraUrl, name: str, default: float, least: float, most: float) -> float:
    value = url.number(name, default)
    if not least <= value <= most:
        raise CameraUrlError(f"{name} in {url.text!r} cannot be {value:g}: possible is {least:g} to {most:g}")
    return value
