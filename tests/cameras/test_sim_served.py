"""The simulated camera over the network: what its features are to EMVA's GenApi and to Aravis."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest

import heliograph
from heliograph.core import Access, Camera, FeatureAccessError
from heliograph.gige.device.server import GigeDeviceServer
from heliograph.testing.peers import namespace_command, require


@pytest.fixture
def served(address: str) -> Iterator[Camera]:
    """A sim camera, seen by our client."""
    with (
        heliograph.open("sim://test-card?sensor=imx477", binning=8, frame_rate_hz=40) as camera,
        GigeDeviceServer(camera, address),
        heliograph.open(f"gige://{address}") as client,
    ):
        yield client


def test_what_is_automatic_is_locked_until_it_is_off(served: Camera) -> None:
    features = served.features
    for auto, name in (("ExposureAuto", "ExposureTime"), ("GainAuto", "Gain"), ("BalanceWhiteAuto", "BalanceRatio")):
        assert features.describe(name).access is Access.READ_WRITE
        features[auto] = "Continuous"
        assert features.describe(name).access is Access.READ_ONLY
        with pytest.raises(FeatureAccessError, match=f"{name} .*{auto}"):
            features[name] = 3.0
        assert not [key for key in served.snapshot_settings() if key.partition("[")[0] == name]
        features[auto] = "Off"
        assert features.describe(name).access is Access.READ_WRITE


def test_settings_come_back_whole(served: Camera) -> None:
    before = served.snapshot_settings()
    wanted = {"ExposureAuto": "Continuous", "BalanceRatio[Blue]": 2.5, "TestPattern": "ColorBar", "PixelFormat": "BGR8"}
    served.apply(wanted)
    assert served.snapshot_settings().items() >= wanted.items()
    served.apply(before)
    assert served.snapshot_settings() == before


def test_an_odd_size_travels(served: Camera) -> None:
    served.apply({"PixelFormat": "BGR8", "Width": 507, "Height": 379, "TestPattern": "GreyVerticalRamp"})
    frame = served.grab()
    assert frame.data.shape == (379, 507, 3)
    assert np.abs(frame.data[3:-3, 250].mean(axis=1) - np.linspace(0, 255, 380)[3:376]).max() <= 2


def test_automatic_exposure_is_followed_from_afar(served: Camera) -> None:
    served.apply({"ExposureTime": 100.0, "PixelFormat": "Mono8"})
    dark = served.grab().data.mean()
    served.features["ExposureAuto"] = "Once"
    for frame in served.frames(40):
        bright = frame.data.mean()
    assert bright > 1.5 * dark
    assert served.features["ExposureAuto"] == "Off"
    assert float(served.features["ExposureTime"]) > 150


SERVE = """
import subprocess, sys, heliograph
from heliograph.gige.device.server import GigeDeviceServer
with heliograph.open("sim://bench?seed=3") as camera, GigeDeviceServer(camera, "127.0.0.1", "cam-1"):
    subprocess.run(sys.argv[1:], check=True)
"""


def test_aravis_reads_and_writes_them() -> None:
    control = (
        "TestPattern=ColorBar TestPattern BalanceRatioSelector=Blue BalanceRatio=1.5 BalanceRatioSelector=Red "
        "BalanceRatio BalanceRatioSelector=Blue BalanceRatio ExposureAuto=Continuous ExposureTime=5 "
        "FramePhaseTarget=123456789012345 FramePhaseTarget FramePhaseMode=On FramePhaseMode SensorLineTime "
        "FramePeriod=20000000 AcquisitionFrameRate BinningHorizontal=8 Width"
    )
    script = f'{require("ip")} link set lo up && exec "$@"'
    tool = (require("arv-tool-0.8"), "-n", "cam-1", "control", *control.split())
    command = [*namespace_command(), "sh", "-c", script, "sh", sys.executable, "-c", SERVE, *tool]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    told = [line.partition(" min:")[0] for line in done.stdout.splitlines()]
    for line in (
        "TestPattern = ColorBar",
        "BalanceRatio = 1",
        "BalanceRatio = 1.5",
        "FramePhaseTarget = 123456789012345 ns",
        "FramePhaseMode = On",
        "SensorLineTime = 100 ns",
        "AcquisitionFrameRate = 50 Hz",
        "Width = 252 px",
    ):
        assert line in told
    assert "ExposureTime = 5 us" not in told
