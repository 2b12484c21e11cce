"""Which module opens which kind of camera, and the settings every kind takes."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from heliograph.cameras.calibrated import calibrated
from heliograph.cameras.url import CameraUrl
from heliograph.core import Camera, CameraUrlError, PixelFormat, SettingError

SCHEMES = {
    "file": "heliograph.cameras.replay",
    "gige": "heliograph.cameras.gige",
    "http": "heliograph.cameras.opencv",
    "https": "heliograph.cameras.opencv",
    "picamera2": "heliograph.cameras.picamera2",
    "replay": "heliograph.cameras.replay",
    "rtsp": "heliograph.cameras.opencv",
    "rtsps": "heliograph.cameras.opencv",
    "sim": "heliograph.cameras.sim",
    "v4l2": "heliograph.cameras.opencv",
}
"""Module of each URL scheme; it has `open_camera(url: CameraUrl) -> Camera`."""

# Formats before sizes before times: each one moves the limits of those after it.
_SETTINGS: dict[str, tuple[str, ...]] = {
    "pixel_format": ("PixelFormat",),
    "binning": ("BinningHorizontal", "BinningVertical"),
    "width": ("Width",),
    "height": ("Height",),
    "frame_rate_hz": ("AcquisitionFrameRate",),
    "exposure_us": ("ExposureTime",),
    "gain_db": ("Gain",),
}


def open(
    url: str, *, control: bool = True, reconnect: bool = False, calibration: str | Path | None = None, **settings: Any
) -> Camera:
    """Open the camera that `url` names, with settings applied.

    >>> with open("sim://test-card", width=320, height=240, exposure_us=500) as camera:  # doctest: +SKIP
    ...     camera.grab().data.shape
    (240, 320)

    Settings are `width`, `height`, `pixel_format`, `exposure_us`, `gain_db`, `frame_rate_hz` and `binning`;
    every other feature is set by its own name through `camera.features`.

    `control=False` opens a network camera that another client may control: its features can be read, and its frames
    received when that client has opened it with `?multicast=239.192.1.1`. `reconnect=True` opens a network camera
    again when it is lost, for 60 s (`?reconnect_s=` in the URL): `frames` and `grab` go on with the settings it had.
    It is off unless asked for: what comes back may have moved or missed something, and a program should know.
    Cameras of this machine have no other clients and ignore both.

    `calibration` is a file of intrinsics, or "auto" for what `heliograph calibrate` saved for this camera: frames then
    carry them, for the region, binning and mirroring that the camera is set to.

    Raises `CameraUrlError`, `CameraNotFoundError`, `CameraBusyError`, `SettingError`, `FeatureValueError`, and
    `MissingDependencyError` when the camera's library is not installed.
    """
    parsed = CameraUrl.parse(url)
    if parsed.scheme not in SCHEMES:
        known = ", ".join(f"{scheme}://" for scheme in SCHEMES)
        raise CameraUrlError(f"unknown camera scheme {parsed.scheme}:// in {url!r}; known are {known}")
    if parsed.scheme == "gige":
        parsed = _with_options(parsed, control, reconnect)
    unknown = [name for name in settings if name not in _SETTINGS]
    if unknown:
        raise SettingError(f"unknown setting {unknown[0]!r}; settings are {', '.join(_SETTINGS)}")
    camera: Camera = importlib.import_module(SCHEMES[parsed.scheme]).open_camera(parsed)
    try:
        _apply(camera, settings)
        return camera if calibration is None else calibrated(camera, calibration)
    except BaseException:
        camera.close()
        raise


def _with_options(url: CameraUrl, control: bool, reconnect: bool) -> CameraUrl:
    """Give the URL with what was said by keyword; what the URL itself says stays where nothing else was."""
    if not control:
        url = url.with_parameters(control="0")
    return url.with_parameters(reconnect="1") if reconnect else url


def _apply(camera: Camera, settings: dict[str, Any]) -> None:
    for setting, names in _SETTINGS.items():
        value = settings.get(setting)
        if value is None:
            continue
        for name in names:
            camera.features[name] = PixelFormat.parse(value).name if setting == "pixel_format" else value
