"""Heliograph: a camera that is somewhere else, as easy to use as one in your hand.

>>> import heliograph
>>> with heliograph.open("sim://red-giant", exposure_us=2_000) as camera:   # doctest: +SKIP
...     frame = camera.grab()

Names are imported on first use, so that a machine that only serves a camera loads only what it needs.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from heliograph.cameras import AsyncCamera as AsyncCamera
    from heliograph.cameras import DiscoveredCamera as DiscoveredCamera
    from heliograph.cameras import discover as discover
    from heliograph.cameras import fire_action as fire_action
    from heliograph.cameras import open as open
    from heliograph.cameras import open_async as open_async
    from heliograph.core import *  # noqa: F403

__version__ = "0.1.0"

_CAMERA_NAMES = ("AsyncCamera", "DiscoveredCamera", "discover", "fire_action", "open", "open_async")


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    module = importlib.import_module("heliograph.cameras" if name in _CAMERA_NAMES else "heliograph.core")
    try:
        return getattr(module, name)
    except AttributeError:
        raise AttributeError(f"module 'heliograph' has no attribute {name!r}") from None


def __dir__() -> list[str]:
    return sorted([*_CAMERA_NAMES, *importlib.import_module("heliograph.core").__all__, "__version__"])
