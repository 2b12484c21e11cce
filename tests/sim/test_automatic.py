"""Automatic exposure, gain and white balance against scenes whose light is known."""

from dataclasses import replace

import numpy as np
import pytest

from heliograph.core import Frame
from heliograph.sim.automatic import TARGET_LEVEL
from heliograph.sim.camera import SimCamera
from heliograph.sim.clock import ManualClock
from heliograph.sim.rendering import Renderer
from heliograph.sim.sensor import SensorModel
from heliograph.testing.scene import FlatScene

MODEL = SensorModel(width_px=320, height_px=240, line_time_ns=20_000, blank_lines=260)
BLACK_DN = 32 * 255 / 4095


def camera(red: int, green: int, blue: int, model: SensorModel = MODEL, **features: object) -> SimCamera:
    made = SimCamera("flat", Renderer(FlatScene(red, green, blue), model, seed=1), model, ManualClock())
    for name, value in features.items():
        made.features[name] = value
    return made


def level(frame: Frame) -> float:
    """Mean of a mosaic above black, 1 is full scale."""
    return (float(frame.data.mean()) - BLACK_DN) / (255 - BLACK_DN)


@pytest.mark.parametrize("light", [100, 1_000, 4_000, 30_000])
@pytest.mark.parametrize("first_us", [50.0, 25_000.0])
def test_exposure_reaches_the_wanted_light_in_a_few_frames(light: int, first_us: float) -> None:
    cam = camera(light, light, light, ExposureTime=first_us, ExposureAuto="Continuous")
    frames = list(cam.frames(12))
    wanted_us = TARGET_LEVEL * 4096 / light * MODEL.default_exposure_us
    assert frames[0].exposure_us == first_us
    for frame in frames[-3:]:
        assert frame.exposure_us == pytest.approx(wanted_us, rel=0.05)
        assert level(frame) == pytest.approx(TARGET_LEVEL, rel=0.05)
    assert cam.features["ExposureTime"] == pytest.approx(frames[-1].exposure_us, rel=0.03)


def test_what_a_frame_says_is_what_it_was_taken_with() -> None:
    cam = camera(500, 500, 500, ExposureAuto="Continuous", GainAuto="Continuous", ExposureAutoUpperLimit=4_000)
    for frame in cam.frames(10):
        assert frame.exposure_us is not None
        assert frame.gain_db is not None
        wanted = 500 / 4096 * frame.exposure_us / MODEL.default_exposure_us * 10 ** (frame.gain_db / 20)
        assert level(frame) == pytest.approx(wanted, rel=0.1)


def test_gain_gives_what_exposure_may_not() -> None:
    cam = camera(200, 200, 200, ExposureAuto="Continuous", GainAuto="Continuous", ExposureAutoUpperLimit=4_000)
    last = list(cam.frames(12))[-1]
    assert last.exposure_us == 4_000
    assert last.gain_db == pytest.approx(20 * np.log10(TARGET_LEVEL * 4096 / 200 / 2), abs=0.5)
    assert level(last) == pytest.approx(TARGET_LEVEL, rel=0.05)


def test_gain_alone_leaves_the_exposure() -> None:
    cam = camera(400, 400, 400, GainAuto="Continuous")
    last = list(cam.frames(10))[-1]
    assert last.exposure_us == MODEL.default_exposure_us
    assert level(last) == pytest.approx(TARGET_LEVEL, rel=0.05)


def test_too_little_light_stops_at_the_limits() -> None:
    cam = camera(1, 1, 1, ExposureAuto="Once", GainAuto="Once", ExposureAutoUpperLimit=9_000, GainAutoUpperLimit=6)
    last = list(cam.frames(12))[-1]
    assert (last.exposure_us, last.gain_db) == (9_000, 6.0)
    assert (cam.features["ExposureAuto"], cam.features["GainAuto"]) == ("Off", "Off")


def test_once_ends_and_what_it_found_stays_and_can_be_set_again() -> None:
    cam = camera(1_000, 1_000, 1_000, ExposureAuto="Once")
    assert cam.features["ExposureAuto"] == "Once"
    found = list(cam.frames(10))[-1].exposure_us
    assert cam.features["ExposureAuto"] == "Off"
    assert cam.features["ExposureTime"] == found
    cam.features["ExposureTime"] = 77.0
    assert cam.features["ExposureTime"] == 77.0


def test_a_gain_set_by_hand_is_allowed_for() -> None:
    cam = camera(3_000, 3_000, 3_000, ExposureAuto="Continuous")
    list(cam.frames(10))
    cam.features["Gain"] = 12.0
    last = list(cam.frames(10))[-1]
    assert level(last) == pytest.approx(TARGET_LEVEL, rel=0.05)


def test_grey_world_makes_the_means_of_all_colours_alike() -> None:
    cam = camera(1_000, 2_000, 500, PixelFormat="RGB8", BalanceWhiteAuto="Once", BlackLevel=0)
    last = list(cam.frames(20))[-1]
    red, green, blue = last.data.reshape(-1, 3).mean(axis=0)
    assert red == pytest.approx(green, rel=0.04)
    assert blue == pytest.approx(green, rel=0.04)
    assert cam.features["BalanceWhiteAuto"] == "Off"
    assert cam.features["BalanceRatio"] == pytest.approx(2.0, rel=0.04)
    cam.features["BalanceRatioSelector"] = "Blue"
    assert cam.features["BalanceRatio"] == pytest.approx(4.0, rel=0.04)


@pytest.mark.parametrize("pixel_format", ["RGB8", "BGR16", "NV12", "YUV422_8", "Mono12"])
def test_ratios_amplify_colours_above_black_in_every_developed_format(pixel_format: str) -> None:
    cam = camera(600, 1_200, 400, PixelFormat=pixel_format, BlackLevel=200)
    plain = cam.grab()
    cam.features["BalanceRatio"] = 2.0
    cam.features["BalanceRatioSelector"] = "Blue"
    cam.features["BalanceRatio"] = 3.0
    balanced = cam.grab()
    black = 200 / 4095 * 255
    before, after = (frame.to("RGB8").reshape(-1, 3).mean(axis=0) - black for frame in (plain, balanced))
    if pixel_format.startswith("Mono"):
        weights = np.array([0.299, 0.587, 0.114])
        light = np.array([600, 1_200, 400]) / 4096 * 255
        assert after[0] == pytest.approx(float((weights * light * [2, 1, 3]).sum()), rel=0.03)
    else:
        np.testing.assert_allclose(after / before, [2, 1, 3], rtol=0.04)


def test_a_mosaic_is_what_the_sensor_saw() -> None:
    cam = camera(600, 1_200, 400, BalanceRatio=4.0)
    assert np.median(cam.grab().data[0::2, 0::2]) == pytest.approx(BLACK_DN + 600 / 4096 * 255, abs=2)


def test_a_ratio_clips_at_full_scale() -> None:
    cam = camera(3_000, 1_000, 1_000, PixelFormat="RGB8", BalanceRatio=8.0)
    assert np.median(cam.grab().data[:, :, 0]) == 255
    twelve = camera(3_000, 1_000, 1_000, PixelFormat="Mono12", BalanceRatio=8.0)
    assert twelve.grab().data.max() <= 4095


def test_test_patterns_stop_the_meter() -> None:
    cam = camera(4_000, 4_000, 4_000, ExposureAuto="Continuous", TestPattern="White")
    assert {frame.exposure_us for frame in cam.frames(5)} == {MODEL.default_exposure_us}


def test_a_long_automatic_exposure_lowers_the_rate_as_one_by_hand_does() -> None:
    model = replace(MODEL, default_rate_hz=90.0)
    cam = camera(30, 30, 30, model, ExposureAuto="Continuous", ExposureAutoUpperLimit=50_000)
    frames = list(cam.frames(10))
    assert frames[-1].exposure_us == 50_000
    assert frames[-1].timestamp_ns - frames[-2].timestamp_ns == 50_020_000
