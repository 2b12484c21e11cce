"""Where Heliograph keeps what must outlive it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path


def state_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Give the folder for state: systemd's StateDirectory for a service, else the user's own after the XDG rules.

    >>> state_folder({"STATE_DIRECTORY": "/var/lib/heliograph"})
    PosixPath('/var/lib/heliograph')
    """
    # systemd separates several by colons; the first is the main one.
    if given := environment.get("STATE_DIRECTORY", "").split(":")[0]:
        return Path(given)
    base = environment.get("XDG_STATE_HOME", "")
    # The XDG rules say to ignore a relative path.
    home = Path(base) if base.startswith("/") else Path(environment.get("HOME", "~")).expanduser() / ".local" / "state"
    return home / "heliograph"


def calibration_file(serial: str, folder: Path | None = None) -> Path:
    """Give the file that holds the intrinsics of the camera with this serial number, below a state folder.

    >>> calibration_file("SIM 7/8", Path("state"))
    PosixPath('state/calibration/SIM_7_8.json')
    """
    name = re.sub(r"[^A-Za-z0-9._-]", "_", serial).lstrip(".") or "unnamed"
    return (folder or state_folder()) / "calibration" / f"{name}.json"
