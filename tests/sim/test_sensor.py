import pytest

from heliograph.sim.models import SENSORS
from heliograph.sim.sensor import (
    SensorModel,
    SensorSettings,
    highest_rate_hz,
    largest_size_px,
    rate_hz,
    shortest_period_ns,
    whole_ns,
)

MODEL = SensorModel()
FULL = SensorSettings(2028, 1520)


def test_the_full_field_gives_forty_frames_a_second() -> None:
    assert highest_rate_hz(MODEL, FULL) == pytest.approx(40.0, abs=0.02)


def test_fewer_rows_are_read_more_often() -> None:
    assert highest_rate_hz(MODEL, SensorSettings(2028, 636)) == pytest.approx(1e9 / (764 * 15_167))


@pytest.mark.parametrize(("exposure_us", "wanted_hz"), [(2_000, 25.0), (50_000, 19.99), (1_000_000, 1.0)])
def test_a_long_exposure_lowers_the_rate(exposure_us: float, wanted_hz: float) -> None:
    settings = SensorSettings(2028, 1520, exposure_us=exposure_us)
    assert rate_hz(MODEL, settings) == pytest.approx(wanted_hz, rel=1e-3)


def test_a_picture_is_whole_when_its_last_row_is() -> None:
    assert whole_ns(MODEL, FULL) == 1519 * 15_167 + 2_000_000


@pytest.mark.parametrize(("binning", "size_px"), [(1, 2028), (2, 1014), (4, 506), (8, 252)])
def test_binned_fields_keep_whole_mosaic_cells(binning: int, size_px: int) -> None:
    assert largest_size_px(2028, binning, 2) == size_px


def test_a_whole_exposure_fits_into_the_shortest_period() -> None:
    settings = SensorSettings(2028, 1520, exposure_us=100_000.0)
    period_ns = shortest_period_ns(MODEL, settings)
    assert period_ns % 15_167 == 0
    assert 100_000_000 + 15_167 <= period_ns < 100_000_000 + 3 * 15_167


# Rates that Raspberry Pi's documentation and libcamera's list of modes give.
@pytest.mark.parametrize(
    ("name", "binning", "rate_hz"),
    [
        ("imx477", 1, 10.0),
        ("imx477", 2, 40.01),
        ("imx219", 1, 21.19),
        ("imx219", 2, 41.85),
        ("imx708", 1, 14.35),
        ("imx708", 2, 56.03),
        ("imx296", 1, 60.38),
    ],
)
def test_sensors_that_exist_are_as_quick_as_they_are(name: str, binning: int, rate_hz: float) -> None:
    model = SENSORS[name]
    settings = SensorSettings(
        model.width_px // binning, model.height_px // binning, binning_x=binning, binning_y=binning
    )
    assert highest_rate_hz(model, settings) == pytest.approx(rate_hz, abs=0.01)
