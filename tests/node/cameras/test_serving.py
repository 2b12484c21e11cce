"""Cameras served and closed together."""

from pathlib import Path

import pytest

import heliograph
from heliograph.core import AddressError
from heliograph.node.cameras.serving import Serving
from heliograph.testing.camera import PatternCamera


def test_each_camera_has_an_address_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELIOGRAPH_INTERFACES", "127.0.0.1")
    with Serving(tmp_path) as serving:
        served = [serving.serve("test://", PatternCamera(), name) for name in ("left", "right")]
        assert [each.server.name for each in served] == ["left", "right"]
        assert len({each.server.address for each in served}) == 2
        assert len({each.server.identity.serial for each in served}) == 2
        with heliograph.open(f"gige://{served[1].server.address}") as camera:
            assert camera.grab().missing_packets == 0
        address = served[0].server.address
        with Serving(tmp_path) as second, pytest.raises(AddressError, match=address):
            second.serve("test://", PatternCamera(), address=address)
    with Serving(tmp_path) as again:
        assert again.serve("test://", PatternCamera(), address=address).server.address == address
