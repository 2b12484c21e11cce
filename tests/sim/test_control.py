import pytest

from heliograph.core import Access, FeatureAccessError, FeatureKind, Features, FeatureValueError
from heliograph.core.settings import apply, snapshot
from heliograph.sim.control import Control
from heliograph.sim.light import add_light_features
from heliograph.sim.sensor import SensorModel, SensorSettings


@pytest.fixture
def control() -> Control:
    control = Control(SensorModel(), SensorSettings(2028, 1520), {"DeviceVendorName": "Heliograph"}, lambda: False)
    add_light_features(control)
    return control


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
            assert str(value) in feature.entries


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
    with pytest.raises(FeatureValueError, match="BinningVertical cannot be 3: possible are 1, 2, 4, 8"):
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


def test_an_odd_size_is_possible_where_no_pixel_needs_another(features: Features) -> None:
    features["PixelFormat"] = "BGR8"
    features["BinningHorizontal"] = features["BinningVertical"] = 4
    assert limits(features, "Width") == (16, 507)
    features["Width"] = 507
    features["Height"] = 379
    features["OffsetY"] = 1
    features["PixelFormat"] = "NV12"
    assert [features[name] for name in ("Width", "Height", "OffsetY")] == [506, 378, 0]
    assert features.describe("Width").increment == 2
    assert limits(features, "Width") == (16, 506)


@pytest.mark.parametrize(
    ("auto", "name"), [("ExposureAuto", "ExposureTime"), ("GainAuto", "Gain"), ("BalanceWhiteAuto", "BalanceRatio")]
)
@pytest.mark.parametrize("mode", ["Once", "Continuous"])
def test_what_is_automatic_cannot_be_set_by_hand(features: Features, auto: str, name: str, mode: str) -> None:
    features[auto] = mode
    assert features.describe(name).access is Access.READ_ONLY
    with pytest.raises(FeatureAccessError, match=f"{name} is set by the camera: set {auto} to Off first"):
        features[name] = 1.0
    features[auto] = "Off"
    features[name] = 20.0 if name == "ExposureTime" else 2.0


def test_each_colour_has_its_own_ratio(control: Control) -> None:
    features = control.features
    features["BalanceRatioSelector"] = "Blue"
    features["BalanceRatio"] = 1.5
    features["BalanceRatioSelector"] = "Red"
    features["BalanceRatio"] = 2.5
    assert (control.settings.red_ratio, control.settings.blue_ratio) == (2.5, 1.5)


def test_a_snapshot_of_all_settings_comes_back(features: Features) -> None:
    before = snapshot(features)
    assert before["BalanceRatio[Red]"] == before["BalanceRatio[Blue]"] == 1.0
    wanted = before | {"PixelFormat": "BGR8", "Width": 501, "BalanceRatio[Red]": 3.0, "TestPattern": "ColorBar"}
    apply(features, wanted)
    assert snapshot(features) == wanted
    apply(features, before)
    assert snapshot(features) == before
