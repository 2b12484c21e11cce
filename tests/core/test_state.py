"""Where state lies."""

from __future__ import annotations

from pathlib import Path

from heliograph.core.state import calibration_file, state_folder


def test_a_service_has_the_folder_that_systemd_gives_it() -> None:
    environment = {"STATE_DIRECTORY": "/var/lib/a:/var/lib/b", "XDG_STATE_HOME": "/x", "HOME": "/h"}
    assert state_folder(environment) == Path("/var/lib/a")


def test_a_user_has_a_folder_of_his_own() -> None:
    assert state_folder({"XDG_STATE_HOME": "/x", "HOME": "/h"}) == Path("/x/heliograph")
    assert state_folder({"XDG_STATE_HOME": "relative", "HOME": "/h"}) == Path("/h/.local/state/heliograph")


def test_a_serial_number_stays_inside_its_folder() -> None:
    assert calibration_file("../../etc/passwd", Path("s")).parent == Path("s/calibration")
    assert calibration_file("", Path("s")) == Path("s/calibration/unnamed.json")
