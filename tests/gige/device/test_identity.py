"""Who a camera says it is."""

from functools import partial
from pathlib import Path

import pytest

from heliograph.core import Access, Feature, FeatureKind, SettingError
from heliograph.gige import interface as module
from heliograph.gige.device.identity import check_name, identify
from heliograph.gige.interface import Interface
from heliograph.testing.camera import PatternCamera

LOOPBACK = Interface("lo", "127.0.0.5", 8)


def test_features_of_the_camera_come_first() -> None:
    camera = PatternCamera()
    texts = {"DeviceModelName": "HQ", "DeviceSerialNumber": "0042", "DeviceVendorName": "Maker"}
    for name in texts:
        feature = Feature(name, FeatureKind.STRING, access=Access.READ_ONLY)
        camera.features.add(feature, read=partial(texts.__getitem__, name))
    identity = identify(camera, LOOPBACK)
    assert (identity.vendor, identity.model, identity.serial) == ("Maker", "HQ", "0042")
    assert (identity.address, identity.subnet_mask) == ("127.0.0.5", "255.0.0.0")


def test_what_is_made_up_differs_between_cameras_and_stays_the_same() -> None:
    first, second = PatternCamera(), PatternCamera()
    second.name = "other"
    assert identify(first, LOOPBACK) == identify(first, LOOPBACK)
    serials = {
        identify(camera, Interface("lo", address, 8)).serial
        for camera in (first, second)
        for address in ("127.0.0.5", "127.0.0.6")
    }
    assert len(serials) == 4
    assert all(len(serial) == 12 for serial in serials)


def test_a_camera_at_another_address_of_its_interface_is_the_same_camera(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, mac in (("eth7", "2c:cf:67:01:02:03"), ("eth8", "2c:cf:67:01:02:04")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "address").write_text(mac)
    monkeypatch.setattr(module, "_SYSFS", tmp_path)
    at = [("eth7", "10.0.0.5"), ("eth7", "10.0.0.6"), ("eth8", "10.0.0.5")]
    one, same, other = (identify(PatternCamera(), Interface(*each, 24)).serial for each in at)
    assert one == same != other


def test_an_empty_serial_number_is_none() -> None:
    camera = PatternCamera()
    empty = Feature("DeviceSerialNumber", FeatureKind.STRING, access=Access.READ_ONLY)
    camera.features.add(empty, read=lambda: "")
    assert identify(camera, LOOPBACK).serial == identify(PatternCamera(), LOOPBACK).serial


def test_of_cameras_with_one_serial_number_the_second_gets_a_suffix() -> None:
    camera = PatternCamera()
    serial = identify(camera, LOOPBACK).serial
    assert identify(camera, LOOPBACK, [serial]).serial == f"{serial}-2"
    assert identify(camera, LOOPBACK, [serial, f"{serial}-2"]).serial == f"{serial}-3"
    long = Feature("DeviceSerialNumber", FeatureKind.STRING, access=Access.READ_ONLY)
    camera.features.add(long, read=lambda: "123456789012345")
    assert identify(camera, LOOPBACK, ["123456789012345"]).serial == "1234567890123-2"


@pytest.mark.parametrize("name", ["", "cam-1", "sixteen--letters", "süd"])
def test_names_that_fit(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["seventeen-letters", "süd-" + "ü" * 7, "a\0b", "a\x1b[2J", "a\nb"])
def test_names_that_do_not(name: str) -> None:
    with pytest.raises(SettingError, match="at most 16 bytes"):
        check_name(name)
