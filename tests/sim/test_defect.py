import numpy as np

from heliograph.core import PixelFormat
from heliograph.sim.defect import HotPixels
from heliograph.sim.rendering import Renderer
from heliograph.sim.sensor import SensorModel, SensorSettings
from heliograph.testing.scene import FlatScene

MODEL = SensorModel(width_px=400, height_px=304)
FULL = SensorSettings(400, 304, PixelFormat.BayerRG12)


def pictures(seed: int, settings: SensorSettings, count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    renderer = Renderer(FlatScene(0, 0, 0), MODEL, seed)
    return np.stack([renderer.picture(settings, k, 0, 0) for k in range(1, count + 1)]).astype(np.int64)


def test_hot_pixels_are_in_every_frame_and_the_first_six_are_red_and_full() -> None:
    hot = HotPixels.of(7, MODEL)
    always = np.min(pictures(7, FULL, 6), axis=0)
    assert (always[hot.rows, hot.columns] > 400).all()
    assert (always > 400).sum() == len({*zip(hot.rows, hot.columns, strict=True)})
    assert (always[hot.rows[:6], hot.columns[:6]] == 4095).all()
    assert not (hot.rows[:6] % 2).any()
    assert not (hot.columns[:6] % 2).any()


def test_hot_pixels_collect_while_the_row_is_exposed_and_stay_on_their_photosite() -> None:
    hot = HotPixels.of(7, MODEL)
    short = SensorSettings(400, 304, PixelFormat.BayerRG12, exposure_us=200.0)
    always = np.min(pictures(7, short, 4), axis=0)
    wanted = 32 + hot.e_per_s * 200e-6 * 0.5
    assert np.median(always[hot.rows, hot.columns] / wanted) > 0.9
    assert always.max() < 4095
    column, row = int(hot.columns[0]), int(hot.rows[0])
    left, top = max(0, column // 2 * 2 - 20), max(0, row // 2 * 2 - 20)
    region = SensorSettings(64, 64, PixelFormat.BayerRG12, offset_x=min(left, 336), offset_y=min(top, 240))
    place = row - region.offset_y, column - region.offset_x
    assert np.min(pictures(7, region, 3), axis=0)[place] == 4095


def test_cosmic_rays_leave_tracks_that_no_other_frame_has() -> None:
    stack = pictures(3, FULL, 30)
    lit = stack > 400
    once = lit & (lit.sum(axis=0) == 1)
    tracks = once.sum(axis=(1, 2))
    assert 10 < tracks.mean() < 80
    # 2.5 hits a frame by Poisson: one frame in twelve has none.
    assert 0 <= (tracks == 0).sum() < 12
