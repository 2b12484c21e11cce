"""A frame as a file: PNG, TIFF, or numpy's own format."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np

from heliograph.core.atomic import replace_file
from heliograph.core.convert import opencv
from heliograph.core.errors import OutputError
from heliograph.core.frame import Frame
from heliograph.core.pixelformat import Layout

SUFFIXES = (".png", ".tif", ".tiff", ".npy")

# NAME_MAX of Linux less what the temporary name adds: two dots, "part" and a process id.
_NAME_BYTES = 255 - len("..4194304.part")


def check_picture_path(path: Path) -> None:
    """Raise `OutputError` when `path` cannot become a picture: better said before the picture is taken."""
    if path.suffix.lower() not in SUFFIXES:
        raise OutputError(f"cannot write {path}: a picture's name ends in {', '.join(SUFFIXES)}")
    if len(os.fsencode(path.name)) > _NAME_BYTES:
        raise OutputError(f"cannot write {path}: its name has more than {_NAME_BYTES} bytes; give a shorter one")
    try:
        folder_exists, is_folder = path.parent.is_dir(), path.is_dir()
    except OSError as error:  # a name on the way that is too long, or a folder that nobody else may look into
        raise _unwritable(path, error) from error
    if not folder_exists:
        raise OutputError(f"cannot write {path}: there is no folder {path.parent}; make it first")
    if is_folder:
        raise OutputError(f"cannot write {path}: it is a folder; give a file name")


def encode_picture(frame: Frame, suffix: str) -> bytes:
    """Give the contents of a lossless file of this suffix, one of `SUFFIXES`.

    >>> from heliograph.core.pixelformat import PixelFormat
    >>> frame = Frame(np.zeros((4, 6), np.uint8), PixelFormat.BayerRG8, id=1, timestamp_ns=0)
    >>> encode_picture(frame, ".png")[1:4]
    b'PNG'

    PNG and TIFF hold grey for Mono formats and RGB for all others, with 16 bits a sample where the camera has more
    than 8 (full scale 65535); `.npy` holds the pixels as they came. Raises `MissingDependencyError` without OpenCV.
    """
    if suffix == ".npy":
        stream = io.BytesIO()
        np.save(stream, frame.data)
        return stream.getvalue()
    # OpenCV's encoders take BGR and write RGB.
    order = "Mono" if frame.pixel_format.layout is Layout.MONO else "BGR"
    pixels = frame.to(f"{order}{8 if frame.pixel_format.bits == 8 else 16}")
    _, content = opencv().imencode(suffix, pixels)
    return bytes(content)


def save_picture(frame: Frame, path: Path) -> None:
    """Write a frame to `path`, whose suffix says how; the name appears only when the whole file is on the disk.

    Raises `OutputError` when the file cannot be written, `MissingDependencyError` without OpenCV.
    """
    check_picture_path(path)
    content = encode_picture(frame, path.suffix.lower())
    try:
        replace_file(path, content)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> OutputError:
    return OutputError(f"cannot write {path}: {error.strerror or error}")
