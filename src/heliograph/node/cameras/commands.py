"""`camera.set` and `camera.grab`: what the ground does with a camera on board."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from heliograph.core import Camera, CameraNotFoundError, CommandFailedError, Frame, FrameTimeoutError
from heliograph.core.picture import SUFFIXES, encode_picture
from heliograph.core.settings import apply
from heliograph.link.dictionary import Argument, CommandDefinition
from heliograph.node.call import Call, Command
from heliograph.node.cameras.shared import SharedCamera

_LOOK_S = 0.2
"""So often whoever waits for a picture looks whether it is still wanted."""

Keep = Callable[[str, bytes], None]
"""Puts a whole file under a relative path below the node's file root. Raises `HeliographError`."""


def camera_commands(names: Sequence[str], cameras: Mapping[str, SharedCamera], keep: Keep) -> list[Command]:
    """Give the commands for cameras of these names, of which `cameras` has those that are there; none without names."""
    if not names:
        return []
    which = Argument(name="camera", choices=tuple(names), description="Name in node.toml.")

    def find(call: Call) -> SharedCamera:
        name = call.arguments["camera"]
        if name not in cameras:
            raise CameraNotFoundError(f"{name} is not there yet: events camera.missing tell why")
        return cameras[name]

    def set_features(call: Call) -> dict[str, Any]:
        camera = find(call)
        features = camera.driver.features
        apply(features, call.arguments["settings"])
        return {name: features[name] for name in call.arguments["settings"]}

    def grab(call: Call) -> dict[str, Any]:
        return _grab(find(call), call, keep)

    return [
        Command(
            CommandDefinition(
                name="camera.set",
                description="Set features of a camera, all or none: camera.set cam-1 ExposureTime=2000 Gain=3.",
                arguments=(which, Argument(name="settings", type="values", description="Features and their values.")),
            ),
            set_features,
        ),
        Command(
            CommandDefinition(
                name="camera.grab",
                description="Take a picture and keep it as a file on board; the result names it.",
                arguments=(
                    which,
                    Argument(
                        name="path",
                        type="path",
                        default="",
                        description=f"File to write, ending in {', '.join(SUFFIXES)}; else pictures/CAMERA-TIME.png.",
                    ),
                    Argument(
                        name="timeout", type="number", unit="s", minimum=0.1, maximum=600, default=5.0,
                        description="How long to wait for the picture.",
                    ),
                ),
                timeout_s=660,
                cancellable=True,
            ),
            grab,
        ),
    ]  # fmt: skip


def _grab(camera: SharedCamera, call: Call, keep: Keep) -> dict[str, Any]:
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    path = call.arguments["path"] or f"pictures/{call.arguments['camera']}-{stamp}-{call.id[:4]}.png"
    suffix = "." + path.rpartition(".")[2].lower()
    if suffix not in SUFFIXES:
        raise CommandFailedError(f"cannot write {path}: a picture's name ends in {', '.join(SUFFIXES)}")
    with camera.tap() as tap:
        frame = _wanted_frame(tap, call)
        content = encode_picture(frame, suffix)
    keep(path, content)
    return {
        "path": path,
        "size_bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "width": frame.width,
        "height": frame.height,
        "pixel_format": frame.pixel_format.name,
        "timestamp_ns": frame.timestamp_ns,
        "wall_time_ns": frame.wall_time_ns,
        "exposure_us": frame.exposure_us,
        "gain_db": frame.gain_db,
        "missing_packets": frame.missing_packets,
    }


def _wanted_frame(camera: Camera, call: Call) -> Frame:
    """Wait for a picture as long as the command says, and no longer than it is wanted."""
    timeout_s = call.arguments["timeout"]
    until_s = time.monotonic() + timeout_s
    while (left_s := until_s - time.monotonic()) > 0:
        if call.cancelled.is_set():
            raise CommandFailedError("no picture came so far")
        with suppress(FrameTimeoutError):
            return camera.grab(min(left_s, _LOOK_S))
    raise FrameTimeoutError(f"{call.arguments['camera']}: no frame within {timeout_s:g} s")
