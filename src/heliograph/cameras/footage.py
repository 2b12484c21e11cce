"""What the replay camera shows: still pictures and video files, read by OpenCV."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from heliograph.core import Layout, PixelFormat, SourceError
from heliograph.core.convert import convert, opencv

_FORMATS = {
    (1, "uint8"): PixelFormat.Mono8,
    (1, "uint16"): PixelFormat.Mono16,
    (3, "uint8"): PixelFormat.BGR8,
    (3, "uint16"): PixelFormat.BGR16,
}

# A JPEG marker is 0xFF and a byte that is neither 0 (a stuffed 0xFF) nor a restart (ITU-T T.81, table B.1).
_JPEG_MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")
_JPEG_END_OF_IMAGE = 0xD9


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One picture from a file: grey as Mono8 or Mono16, colour as BGR8 or BGR16 (OpenCV's own order), alpha dropped."""

    data: npt.NDArray[Any]
    pixel_format: PixelFormat
    file: str


class Footage(Protocol):
    """A finite series of pictures."""

    @property
    def first(self) -> Picture:
        """The first picture."""
        ...

    @property
    def rate_hz(self) -> float:
        """Own pace, 0 when it has none."""
        ...

    def rewind(self) -> None:
        """Go back to the first picture."""
        ...

    def read(self) -> Picture | None:
        """Give the next picture, None at the end; raises `SourceError` naming a file that cannot be read."""
        ...

    def close(self) -> None:
        """Close the files."""
        ...


def is_picture(file: Path) -> bool:
    """Whether a file begins like a still picture that OpenCV reads; raises `SourceError` for a name that it cannot."""
    return bool(opencv().haveImageReader(_opencv_name(file)))


def _opencv_name(file: Path) -> str:
    name = str(file)
    # OpenCV 5.0 ends the whole process with a segmentation fault.
    if any("\ud800" <= letter <= "\udfff" for letter in name):
        raise SourceError(f"cannot read {name!a}: OpenCV takes names in UTF-8 alone; rename it")
    return name


def read_still(file: Path) -> Picture:
    """Read a picture file of any kind that OpenCV knows, at its own depth, upright if its EXIF data says how.

    Raises `SourceError` for a file that is no picture, is cut off, or has neither 8 nor 16 bits a sample.
    """
    cv2 = opencv()
    try:
        content = file.read_bytes()
        flags = cv2.IMREAD_ANYDEPTH | cv2.IMREAD_ANYCOLOR
        data = cv2.imdecode(np.frombuffer(content, np.uint8), flags) if content else None
    except (OSError, cv2.error) as error:
        raise SourceError(f"cannot read picture {file}: {getattr(error, 'strerror', None) or error}") from error
    # OpenCV 4.10 fills what is missing of a cut JPEG with noise and calls it a success; 5.0 does not.
    if data is None or (content.startswith(b"\xff\xd8") and not _jpeg_is_whole(content)):
        raise SourceError(f"cannot read picture {file}: it is cut off, or no format that OpenCV knows")
    pixel_format = _FORMATS.get((data.shape[2] if data.ndim == 3 else 1, data.dtype.name))
    if pixel_format is None:
        raise SourceError(f"cannot use picture {file}: its samples are {data.dtype}; convert it to 8 or 16 bits")
    return Picture(data, pixel_format, str(file))


def _jpeg_is_whole(content: bytes) -> bool:
    position = 2
    while marker := _JPEG_MARKER.search(content, position):
        if marker[1][0] == _JPEG_END_OF_IMAGE:
            return True
        # A segment's length counts its own two bytes; coded data that follows a scan header holds no marker.
        position = marker.end() + int.from_bytes(content[marker.end() : marker.end() + 2], "big")
    return False


class Stills:
    """Picture files, read one by one as they are asked for."""

    def __init__(self, files: Sequence[Path]) -> None:
        for file in files:
            if not is_picture(file):
                raise SourceError(f"{file} is no picture that OpenCV reads: leave it out of the series")
        self._files = files
        self._next = 0
        self._first = read_still(files[0])

    @property
    def first(self) -> Picture:
        """The first picture."""
        return self._first

    @property
    def rate_hz(self) -> float:
        """0: stills have no pace of their own."""
        return 0.0

    def rewind(self) -> None:
        """Go back to the first picture."""
        self._next = 0

    def read(self) -> Picture | None:
        """Give the next picture, None at the end."""
        if self._next == len(self._files):
            return None
        self._next += 1
        return read_still(self._files[self._next - 1])

    def close(self) -> None:
        """Nothing stays open between pictures."""


class Canvas:
    """A series whose pictures all have one size: each in the middle of a black picture, none enlarged or reduced.

    The format is that of the first picture; grey ones among colour become colour. Raises `SourceError` naming a
    picture that is larger, or of another format.
    """

    def __init__(self, footage: Footage, width_px: int, height_px: int) -> None:
        self._footage = footage
        self._size_px = (width_px, height_px)
        self._pixel_format = footage.first.pixel_format
        self._first = self._placed(footage.first)

    @property
    def first(self) -> Picture:
        """The first picture."""
        return self._first

    @property
    def rate_hz(self) -> float:
        """Pace of the series."""
        return self._footage.rate_hz

    def rewind(self) -> None:
        """Go back to the first picture."""
        self._footage.rewind()

    def read(self) -> Picture | None:
        """Give the next picture, None at the end."""
        picture = self._footage.read()
        return None if picture is None else self._placed(picture)

    def close(self) -> None:
        """Close the series."""
        self._footage.close()

    def _placed(self, picture: Picture) -> Picture:
        data, wanted = picture.data, self._pixel_format
        if picture.pixel_format is not wanted:
            if wanted.layout is not Layout.BGR or picture.pixel_format.bits != wanted.bits:
                raise SourceError(f"{picture.file} is {picture.pixel_format.name}, the series began with {wanted.name}")
            data = convert(data, picture.pixel_format, wanted.name)
        width_px, height_px = self._size_px
        rows, columns = data.shape[:2]
        if columns > width_px or rows > height_px:
            told = f"{picture.file} has {columns}x{rows} px, more than the canvas of {width_px}x{height_px}"
            raise SourceError(f"{told}: give a larger one")
        placed = np.zeros(wanted.shape(width_px, height_px), data.dtype)
        top, left = (height_px - rows) // 2, (width_px - columns) // 2
        placed[top : top + rows, left : left + columns] = data
        return Picture(placed, wanted, picture.file)


class Video:
    """One video file, decoded by OpenCV as BGR8."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._capture: Any = opencv().VideoCapture(_opencv_name(file))
        rate_hz = float(self._capture.get(opencv().CAP_PROP_FPS))
        self._rate_hz = rate_hz if math.isfinite(rate_hz) and rate_hz > 0 else 0.0
        first = self.read()
        if first is None:
            raise SourceError(f"{file} is neither a picture nor a video that OpenCV reads")
        self._first = first

    @property
    def first(self) -> Picture:
        """The first picture."""
        return self._first

    @property
    def rate_hz(self) -> float:
        """Frames per second as the file says, 0 when it does not."""
        return self._rate_hz

    def rewind(self) -> None:
        """Go back to the first picture."""
        self.close()
        # Opened anew: seeking to frame 0 is not exact in every container.
        self._capture = opencv().VideoCapture(str(self._file))

    def read(self) -> Picture | None:
        """Give the next picture, None at the end."""
        valid, data = self._capture.read()
        return Picture(data, PixelFormat.BGR8, str(self._file)) if valid else None

    def close(self) -> None:
        """Close the file."""
        self._capture.release()
