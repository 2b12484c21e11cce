"""One module for each kind of camera, and the registry that finds it by URL scheme.

Names are imported on first use: who only serves a camera needs no client of network cameras.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from heliograph.cameras.asynchronous import AsyncCamera as AsyncCamera
    from heliograph.cameras.asynchronous import open_async as open_async
    from heliograph.cameras.registry import SCHEMES as SCHEMES
    from heliograph.cameras.registry import open as open
    from heliograph.cameras.url import CameraUrl as CameraUrl
    from heliograph.gige.client.action import fire_action as fire_action
    from heliograph.gige.client.discovery import DiscoveredCamera as DiscoveredCamera
    from heliograph.gige.client.discovery import discover as discover

_HOMES = {
    "AsyncCamera": "heliograph.cameras.asynchronous",
    "CameraUrl": "heliograph.cameras.url",
    "DiscoveredCamera": "heliograph.gige.client.discovery",
    "SCHEMES": "heliograph.cameras.registry",
    "discover": "heliograph.gige.client.discovery",
    "fire_action": "heliograph.gige.client.action",
    "open": "heliograph.cameras.registry",
    "open_async": "heliograph.cameras.asynchronous",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'heliograph.cameras' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
