"""Camera URLs and the registry behind `heliograph.open`."""

from __future__ import annotations

import pytest

import heliograph
from heliograph.cameras import SCHEMES, CameraUrl
from heliograph.core import CameraUrlError, PixelFormatError, SettingError


def test_a_url_is_scheme_location_and_parameters() -> None:
    url = CameraUrl.parse("replay:///pictures/with%20blank/*.png?loop=1&rate=2.5")
    assert (url.scheme, url.location, url.parameters) == (
        "replay",
        "/pictures/with blank/*.png",
        {"loop": "1", "rate": "2.5"},
    )
    assert url.number("rate", 0) == 2.5
    assert url.number("seed", 7) == 7
    with pytest.raises(CameraUrlError, match="knows no parameter 'rate'; it has loop"):
        url.check_parameters("loop")
    with pytest.raises(CameraUrlError, match=r"seed in .* is no number"):
        CameraUrl.parse("sim://x?seed=red").number("seed", 1)


@pytest.mark.parametrize("text", ["cam-1", "", "://x", "/dev/video0"])
def test_what_is_no_url(text: str) -> None:
    with pytest.raises(CameraUrlError, match="is no camera URL: write scheme"):
        heliograph.open(text)


def test_an_unknown_scheme_lists_the_known() -> None:
    with pytest.raises(CameraUrlError) as caught:
        heliograph.open("usb://0")
    assert all(f"{scheme}://" in str(caught.value) for scheme in SCHEMES)


def test_unknown_settings_and_formats() -> None:
    with pytest.raises(SettingError, match="unknown setting 'exposure'; settings are pixel_format, binning"):
        heliograph.open("sim://test-card", exposure=3)
    with pytest.raises(PixelFormatError, match="unknown pixel format 'RGB24'"):
        heliograph.open("sim://test-card", pixel_format="RGB24")
