"""How a recording lies on the disk: array, stack, folder of pictures or video, each readable as far as it goes."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from heliograph.core import Frame, Layout, MissingDependencyError, OutputError
from heliograph.core.convert import opencv
from heliograph.core.picture import encode_picture
from heliograph.desk.video import LosslessVideo

# Offsets in a TIFF file have 32 bits; a BigTIFF's have 64, but not every program reads one.
_TIFF_BYTES = 4_000_000_000


class Medium(Protocol):
    """Where frames go, one after the other, all of one shape unless it says otherwise."""

    def write(self, frame: Frame) -> None:
        """Add a frame; raises `OSError`."""
        ...

    def close(self) -> None:
        """Finish what was written; raises `OSError`."""
        ...


class ArrayFile:
    """One `.npy` array of shape (frames, *shape of a frame): the pixels as sent."""

    def __init__(self, path: Path, first: Frame, _count: int | None) -> None:
        self._frames = 0
        self._shape, self._dtype = first.data.shape, first.data.dtype
        self._stream = path.open("xb")
        self._write_header()

    def write(self, frame: Frame) -> None:
        """Add a frame."""
        self._stream.seek(0, os.SEEK_END)
        self._stream.write(np.ascontiguousarray(frame.data).data)
        self._frames += 1
        self._write_header()

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def _write_header(self) -> None:
        # numpy leaves room in a header for its first axis to grow, so that it always has the same length.
        head = {"descr": np.lib.format.dtype_to_descr(self._dtype), "fortran_order": False}
        self._stream.flush()
        self._stream.seek(0)
        np.lib.format.write_array_header_1_0(self._stream, {**head, "shape": (self._frames, *self._shape)})
        self._stream.flush()


class TiffStack:
    """One `.tif` with a page for each frame: grey and mosaics as sent, colour as RGB, at the samples' own depth."""

    def __init__(self, path: Path, first: Frame, count: int | None) -> None:
        path.open("xb").close()
        grey = first.pixel_format.layout in (Layout.MONO, Layout.BAYER)
        self._photometric = "minisblack" if grey else "rgb"
        self._writer = self.backend().TiffWriter(path, bigtiff=count is None or count * first.data.nbytes > _TIFF_BYTES)

    @staticmethod
    def backend() -> Any:
        """Give tifffile; raises `MissingDependencyError` without it."""
        try:
            return importlib.import_module("tifffile")
        except ImportError as error:
            raise MissingDependencyError("a TIFF stack needs tifffile: pip install 'heliograph[record]'") from error

    def write(self, frame: Frame) -> None:
        """Add a page."""
        pixels: npt.NDArray[Any] = frame.data
        if self._photometric == "rgb":
            pixels = frame.to("RGB16" if frame.pixel_format.bits > 8 else "RGB8")
        # Not contiguous: each page is complete, so that a stack that was cut off can be read up to there.
        self._writer.write(pixels, photometric=self._photometric, contiguous=False, metadata=None)

    def close(self) -> None:
        """Close the file."""
        self._writer.close()


class PictureFolder:
    """A folder of `.png` pictures as `heliograph grab` writes them; frames may differ in size."""

    def __init__(self, path: Path, _first: Frame, _count: int | None) -> None:
        path.mkdir()
        self._path = path
        self._frames = 0

    def write(self, frame: Frame) -> None:
        """Add a picture."""
        content, file = encode_picture(frame, ".png"), self._path / f"frame_{self._frames:06d}.png"
        try:
            file.write_bytes(content)
        except OSError:
            file.unlink(missing_ok=True)
            raise
        self._frames += 1

    def close(self) -> None:
        """Do nothing: every picture is closed."""


class Uniform:
    """A medium all of whose frames must be like the first."""

    def __init__(self, medium: Medium, first: Frame) -> None:
        self._medium = medium
        self._shape, self._pixel_format = first.data.shape, first.pixel_format
        self.close = medium.close

    def write(self, frame: Frame) -> None:
        """Add a frame; raises `OutputError` when it is another kind."""
        if (frame.data.shape, frame.pixel_format) != (self._shape, self._pixel_format):
            told = f"a frame of {frame.width}x{frame.height} {frame.pixel_format.name} came after others"
            raise OutputError(f"{told}: only a folder of PNG holds frames of several kinds")
        self._medium.write(frame)


MEDIA: dict[str, Callable[[Path, Frame, int | None], Medium]] = {
    ".npy": ArrayFile,
    ".tif": TiffStack,
    ".tiff": TiffStack,
    ".mkv": LosslessVideo,
    "": PictureFolder,
}
"""Medium of each suffix; a name without one is a folder."""

_LIBRARIES: dict[str, Callable[[], Any]] = {
    ".tif": TiffStack.backend,
    ".tiff": TiffStack.backend,
    ".mkv": LosslessVideo.backend,
    "": opencv,
}


def check_medium(path: Path) -> None:
    """Raise `OutputError` when no recording can lie at `path`, `MissingDependencyError` without its library."""
    if path.suffix.lower() not in MEDIA:
        known = ", ".join(filter(None, MEDIA))
        raise OutputError(f"cannot record {path}: its name ends in {known}, or has no suffix for a folder of PNG")
    _LIBRARIES.get(path.suffix.lower(), lambda: None)()


def open_medium(path: Path, first: Frame, count: int | None) -> Medium:
    """Make the medium that the suffix of `path` names, for frames like `first`, `count` of them where that is known.

    Raises `OSError`, and `OutputError` from `write` for a frame of another size or format than the first.
    """
    suffix = path.suffix.lower()
    medium = MEDIA[suffix](path, first, count)
    return Uniform(medium, first) if suffix else medium
