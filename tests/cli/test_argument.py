import pytest

from heliograph.cli.argument import assignment, camera_url
from heliograph.core import SettingError


def test_a_bare_name_is_a_network_camera() -> None:
    assert camera_url("192.168.1.7") == "gige://192.168.1.7"
    assert camera_url("replay://a.png") == "replay://a.png"


def test_only_the_first_equals_sign_separates() -> None:
    assert assignment("DeviceUserID=a=b") == ("DeviceUserID", "a=b")


@pytest.mark.parametrize("text", ["ExposureTime", "=2", ""])
def test_no_setting_without_name_and_equals_sign(text: str) -> None:
    with pytest.raises(SettingError, match="NAME=VALUE"):
        assignment(text)
