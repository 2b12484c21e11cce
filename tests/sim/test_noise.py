"""Photon transfer: mean and variance of many pixels against the model."""

import numpy as np
import pytest

from heliograph.core import PixelFormat
from heliograph.sim.noise import Converter, normal_bank
from heliograph.sim.sensor import SensorModel, SensorSettings

MODEL = SensorModel()
SHAPE = (400, 500)


def numbers(converter: Converter, light: int, seed: int = 3) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    flat = np.full(SHAPE, light, np.uint16)
    return converter.convert(flat, np.ones(SHAPE, np.float32), np.random.default_rng(seed)).astype(np.float64)


def settings(gain_db: float = 0.0, exposure_us: float = 2_000.0, binning: int = 1) -> SensorSettings:
    return SensorSettings(
        500,
        400,
        PixelFormat.BayerRG12,
        binning_x=binning,
        binning_y=binning,
        gain_db=gain_db,
        exposure_us=exposure_us,
    )


@pytest.mark.parametrize("gain_db", [0.0, 6.0206, 18.0618])
@pytest.mark.parametrize("light", [0, 40, 400])
def test_mean_and_variance_grow_as_photons_do(light: int, gain_db: float) -> None:
    values = numbers(Converter.of(MODEL, settings(gain_db), 12), light)
    electrons = light / 4096 * 8190
    dn_per_e = 0.5 * 10 ** (gain_db / 20)
    assert values.mean() == pytest.approx(32 + dn_per_e * electrons, abs=0.05 + 0.01 * dn_per_e * np.sqrt(electrons))
    assert values.var() == pytest.approx(dn_per_e**2 * (electrons + 9) + 1 / 12, rel=0.03)


def test_the_slope_of_photon_transfer_is_the_gain() -> None:
    converter = Converter.of(MODEL, settings(gain_db=12.0412), 12)
    lights = (50, 100, 200, 300, 400)
    samples = [numbers(converter, light, seed=light) for light in lights]
    slope, _ = np.polyfit([each.mean() for each in samples], [each.var() for each in samples], 1)
    assert slope == pytest.approx(2.0, rel=0.02)


def test_binning_averages_noise_away_and_keeps_the_light() -> None:
    plain, binned = (numbers(Converter.of(MODEL, settings(binning=each), 12), 1000) for each in (1, 4))
    assert binned.mean() == pytest.approx(plain.mean(), abs=0.5)
    assert plain.var() / binned.var() == pytest.approx(16, rel=0.05)


def test_light_and_lens_and_exposure_multiply() -> None:
    converter = Converter.of(MODEL, settings(exposure_us=500.0), 12)
    flat = np.full(SHAPE, 2000, np.uint16)
    values = converter.convert(flat, np.full(SHAPE, 0.5, np.float32), np.random.default_rng(1))
    assert values.mean() - 32 == pytest.approx(2000 / 4096 * 4095 / 4 * 0.5, rel=0.01)


@pytest.mark.parametrize("bits", [8, 10, 12])
def test_too_much_light_stops_at_full_scale_and_darkness_at_zero(bits: int) -> None:
    most = (1 << bits) - 1
    converter = Converter.of(MODEL, settings(), bits)
    assert (numbers(converter, 65_535) == most).all()
    dark = Converter.of(MODEL, SensorSettings(500, 400, black_level_dn=0.0, gain_db=26.0), bits)
    assert numbers(dark, 0).min() == 0
    assert numbers(dark, 0).max() < most / 4


def test_noise_is_that_of_the_generator_and_has_no_pattern() -> None:
    converter = Converter.of(MODEL, settings(), 12)
    first, again, other = (numbers(converter, 1000, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert abs(np.corrcoef(first.ravel(), other.ravel())[0, 1]) < 0.01
    for shifted in (first[1:, :], first[:, 1:]):
        here = first[: shifted.shape[0], : shifted.shape[1]]
        assert abs(np.corrcoef(here.ravel(), shifted.ravel())[0, 1]) < 0.01


def test_the_bank_is_standard_normal() -> None:
    bank = normal_bank()
    assert abs(bank.mean()) < 0.003
    assert abs(bank.std() - 1) < 0.003
