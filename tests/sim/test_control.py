import pytest

from heliograph.core import FeatureAccessError, FeatureKind, Features, FeatureValueError, PixelFormat
from heliograph.sim.control import Control
from heliograph.sim.sensor import SensorModel, SensorSettings


@pytest.fixture
def control() -> Control:
    return Control(SensorModel(), SensorSettings(2028, 1520), {"DeviceVendorName": "Heliograph"}, lambda: False)


@pytest.fixture
def features(control: Control) -> Features:
    return control.features


def limits(features: Features, name: str) -> tuple[float | None, float | None]:
    feature = features.describe(name)
    return feature.minimum, feature.maximum


def test_every_feature_reads_back_and_says_its_limits(features: Features) -> None:
    for name in features:
        feature = features.describe(name)
        value = features[name]
        if feature.kind in (FeatureKind.INTEGER, FeatureKind.FLOAT):
            assert isinstance(value, (int, float))
            assert feature.minimum is not None
            assert feature.maximum is not None
            assert feature.minimum <= value <= feature.maximum
        if feature.kind is FeatureKind.ENUMERATION:
            assert feature.entries[str(value)] == PixelFormat.parse(str(value))


def test_region_and_offset_limit_each_other(features: Features) -> None:
    features["Width"] = 640
    assert limits(features, "OffsetX") == (0, 1388)
    features["OffsetX"] = 1000
    assert limits(features, "Width") == (16, 1028)
    with pytest.raises(FeatureValueError, match="16 to 1028 px in steps of 2"):
        features["Width"] = 1030
    with pytest.raises(FeatureValueError, match="in steps of 2"):
        features["OffsetX"] = 999


def test_binning_keeps_the_region_on_its_part_of_the_scene(control: Control) -> None:
    features = control.features
    for name, value in {"Width": 800, "Height": 600, "OffsetX": 400, "OffsetY": 200}.items():
        features[name] = value
    features["BinningHorizontal"] = features["BinningVertical"] = 4
    assert (control.settings.width, control.settings.height) == (200, 150)
    assert (control.settings.offset_x, control.settings.offset_y) == (100, 50)
    features["BinningHorizontal"] = features["BinningVertical"] = 2
    assert (control.settings.width, control.settings.height) == (400, 300)
    assert limits(features, "Width") == (16, 1014 - 200)


@pytest.mark.parametrize("binning", [2, 4])
def test_the_whole_field_stays_whole_when_binned(features: Features, binning: int) -> None:
    features["BinningHorizontal"] = binning
    assert features["Width"] == limits(features, "Width")[1]


def test_a_small_region_does_not_shrink_to_nothing(features: Features) -> None:
    features["Width"] = 16
    features["OffsetX"] = 2012
    features["BinningHorizontal"] = 4
    assert features["Width"] == 16
    assert features["OffsetX"] == limits(features, "OffsetX")[1]


def test_binning_by_three_is_refused_by_name(features: Features) -> None:
    with pytest.raises(FeatureValueError, match="BinningVertical cannot be 3: possible are 1, 2, 4"):
        features["BinningVertical"] = 3
    assert features["BinningVertical"] == 1


def test_a_rate_gives_way_to_a_long_exposure_and_comes_back(features: Features) -> None:
    features["AcquisitionFrameRate"] = 30
    features["ExposureTime"] = 100_000
    assert (
        features["AcquisitionFrameRate"] == limits(features, "AcquisitionFrameRate")[1] == pytest.approx(10, rel=1e-3)
    )
    features["ExposureTime"] = 1_000
    assert features["AcquisitionFrameRate"] == 30


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("ExposureTime", 1, "15.167 to 10000000.0 us"),
        ("Gain", 40, "0.0 to 26.95 dB"),
        ("BlackLevel", -1, "0.0 to 1023.0 DN"),
        ("AcquisitionFrameRate", 41, "0.1 to 40"),
        ("PixelFormat", "RGB24", "one of "),
        ("ReverseX", "perhaps", "true or false"),
    ],
)
def test_an_impossible_value_is_told_the_range(features: Features, name: str, value: object, told: str) -> None:
    before = features[name]
    with pytest.raises(FeatureValueError, match=told):
        features[name] = value
    assert features[name] == before


@pytest.mark.parametrize("name", ["SensorWidth", "DeviceVendorName"])
def test_what_the_sensor_is_cannot_be_set(features: Features, name: str) -> None:
    with pytest.raises(FeatureAccessError, match="read-only"):
        features[name] = features[name]
