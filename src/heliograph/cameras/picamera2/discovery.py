"""Which camera a URL means, and how it is opened."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from heliograph.cameras.picamera2.camera import PiCamera
from heliograph.cameras.url import CameraUrl
from heliograph.core import (
    CameraBusyError,
    CameraLostError,
    CameraNotFoundError,
    CameraUrlError,
    MissingDependencyError,
    SourceNotFoundError,
)


def open_camera(url: CameraUrl) -> PiCamera:
    """Open the camera that the URL names, by number (0 when nothing stands there), model or libcamera's id.

    Parameters: `tuning`, a tuning file's name or path, such as imx477_noir.json for a camera without its infrared
    filter; `raw=packed` for raw pictures that take less memory and more of the processor.

    Raises `MissingDependencyError` without picamera2, `CameraNotFoundError`, `CameraBusyError`, `CameraUrlError`,
    and `SourceNotFoundError` when there is no such tuning file.
    """
    url.check_parameters("tuning", "raw")
    if url.parameters.get("raw", "packed") != "packed":
        raise CameraUrlError(f"raw in {url.text!r} can only be packed; leave it out for unpacked pictures")
    try:
        picamera2 = importlib.import_module("picamera2")
    except ImportError as error:
        raise MissingDependencyError(
            f"Raspberry Pi cameras need picamera2 ({error}): sudo apt install python3-picamera2, "
            "and let the environment see it: python3 -m venv --system-site-packages"
        ) from error
    number = _number(picamera2.Picamera2.global_camera_info(), url.location)
    tuning = _tuning(picamera2.Picamera2, url.parameters.get("tuning"))
    try:
        picam2 = picamera2.Picamera2(number, tuning=tuning)
    except RuntimeError as error:
        raise _not_opened(url, error) from error
    try:
        return PiCamera(picam2, packed="raw" in url.parameters)
    except BaseException:
        picam2.close()
        raise


def _number(found: list[dict[str, Any]], wanted: str) -> int:
    there = ", ".join(f"{number} ({each['Model']})" for number, each in enumerate(found))
    if not there:
        raise CameraNotFoundError(
            "libcamera finds no camera: check its cable, and what rpicam-hello --list-cameras says"
        )
    names = [(str(number), each["Model"], each["Id"]) for number, each in enumerate(found)]
    matching = [number for number, each in enumerate(names) if (wanted or "0") in each]
    if len(matching) != 1:
        what = "several cameras are" if matching else "there is no camera"
        raise CameraNotFoundError(f"{what} {wanted!r}; libcamera finds {there}")
    return matching[0]


def _tuning(picamera2: Any, wanted: str | None) -> Any:
    if wanted is None:
        return None
    path = Path(wanted)
    try:
        return picamera2.load_tuning_file(path.name, dir=str(path.parent) if "/" in wanted else None)
    except RuntimeError:
        raise SourceNotFoundError(
            f"there is no tuning file {wanted}: libcamera's, such as imx477_noir.json, are in /usr/share/libcamera"
        ) from None


def _not_opened(url: CameraUrl, error: RuntimeError) -> CameraBusyError | CameraLostError:
    cause = error.__cause__ or error
    # libcamera src/py/libcamera/py_main.cpp, Camera.acquire: the text of EBUSY.
    if "busy" in str(cause).lower():
        return CameraBusyError(f"another program uses {url.text}: end it (rpicam-hello, libcamera, another heliograph)")
    return CameraLostError(f"picamera2 cannot open {url.text}: {cause}")
