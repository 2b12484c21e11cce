"""What IPython offers after a dot and in brackets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell

import heliograph
from heliograph.cameras.calibrated import CalibratedCamera
from heliograph.core import Geometry, Intrinsics
from heliograph.gige.device.server import GigeDeviceServer
from heliograph.testing.camera import PatternCamera


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InteractiveShell]:
    # Not in the home directory of whoever runs the tests.
    yield InteractiveShell.instance(ipython_dir=str(tmp_path_factory.mktemp("ipython")))
    InteractiveShell.clear_instance()


ATTRIBUTE, KEY = "camera.features.Exp", 'camera.features["Exp'


# IPython looks for keys behind no object with a __getattr__ of its own, as a calibrated camera is.
@pytest.mark.parametrize(
    ("kind", "written"),
    [
        *((kind, each) for kind in ("sim", "gige", "reconnecting") for each in (ATTRIBUTE, KEY)),
        ("calibrated", ATTRIBUTE),
    ],
)
def test_features_are_completed(shell: InteractiveShell, written: str, kind: str, address: str) -> None:
    url = f"gige://{address}" if kind in ("gige", "reconnecting") else "sim://bench"
    with GigeDeviceServer(PatternCamera(), address), heliograph.open(url, reconnect=kind == "reconnecting") as camera:
        lens = Intrinsics(4000, 4000, 2028, 1520, Geometry.whole(4056, 3040))
        shell.user_ns["camera"] = CalibratedCamera(camera, lens) if kind == "calibrated" else camera
        with provisionalcompleter():
            offered = [each.text for each in shell.Completer.completions(written, len(written))]
    assert "ExposureTime" in offered
