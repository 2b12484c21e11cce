"""A frame number and a time as black and white cells in a picture, for machines to read back.

The code is 18 cells wide and 9 high, in the lower left corner of a picture of at least 320x240 px. A cell is a square
of an even number of pixels, whole cells of a mosaic, so that it survives demosaicing and chroma subsampling:

    row 0       white and black in turn: the levels that the other rows are judged by
    rows 1-7    one black cell, 16 bits, one white cell; white is 1, the most significant bit comes first:
                frame number (32 bits), time in ns (64 bits), CRC-16/CCITT-FALSE of both
    row 8       black and white in turn
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from heliograph.core import SourceError
from heliograph.core.convert import opencv

COLUMNS, ROWS = 18, 9
SMALLEST_WIDTH, SMALLEST_HEIGHT = 320, 240

_BITS = 16
_FRAME_ID_BYTES, _TIME_BYTES, _CRC_BYTES = 4, 8, 2
_LARGEST_CELL_PX = 20


@dataclass(frozen=True, slots=True)
class Place:
    """Where the code stands in a picture, in px."""

    left: int
    top: int
    cell: int

    @classmethod
    def in_picture(cls, width: int, height: int) -> Place:
        """Give the place of the code in a picture of this size in px."""
        cell = min(width // 40, height // 30, _LARGEST_CELL_PX) // 2 * 2
        return cls(cell, height // 2 * 2 - (ROWS + 1) * cell, cell)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a code says."""

    frame_id: int
    time_ns: int
    """Start of exposure of the first row, by the clock of the camera."""


def cells(reading: Reading) -> npt.NDArray[np.bool_]:
    """Give the code of a reading, shape (9, 18): True is white."""
    content = reading.frame_id.to_bytes(_FRAME_ID_BYTES, "big") + reading.time_ns.to_bytes(_TIME_BYTES, "big")
    content += _crc(content).to_bytes(_CRC_BYTES, "big")
    code = np.zeros((ROWS, COLUMNS), np.bool_)
    code[0, 0::2] = code[-1, 1::2] = True
    code[1:-1, 1:-1] = np.unpackbits(np.frombuffer(content, np.uint8)).reshape(-1, _BITS)
    code[1:-1, -1] = True
    return code


def read_cells(grey: npt.NDArray[Any]) -> Reading:
    """Read the code from a grey picture, shape (h, w).

    >>> picture = np.zeros((240, 320), np.uint8)
    >>> place = Place.in_picture(320, 240)
    >>> code = np.kron(cells(Reading(7, 123)), np.full((place.cell, place.cell), 200, np.uint8))
    >>> picture[place.top : place.top + len(code), place.left : place.left + code.shape[1]] = code
    >>> read_cells(picture)
    Reading(frame_id=7, time_ns=123)

    Raises `SourceError` when the picture is too small, has no code, or shows it too badly to be certain.
    """
    height, width = grey.shape
    if width < SMALLEST_WIDTH or height < SMALLEST_HEIGHT:
        raise SourceError(
            f"a picture of {width}x{height} px has no readable code: make it at least "
            f"{SMALLEST_WIDTH}x{SMALLEST_HEIGHT}"
        )
    place = Place.in_picture(width, height)
    area = grey[place.top :, place.left :][: ROWS * place.cell, : COLUMNS * place.cell]
    squares = area.reshape(ROWS, place.cell, COLUMNS, place.cell)
    # The rim of a cell is blurred by demosaicing; the middle is not.
    rim = place.cell // 4
    levels = squares[:, rim : place.cell - rim, :, rim : place.cell - rim].mean(axis=(1, 3))
    white, black = np.append(levels[0, 0::2], levels[-1, 1::2]), np.append(levels[0, 1::2], levels[-1, 0::2])
    code = levels[1:-1, 1:-1] > (white.mean() + black.mean()) / 2
    content = np.packbits(code).tobytes()
    if white.min() <= black.max() or _crc(content[:-_CRC_BYTES]) != int.from_bytes(content[-_CRC_BYTES:], "big"):
        raise SourceError("no readable code in this picture: show all of a test card, with enough light")
    time_at = _FRAME_ID_BYTES + _TIME_BYTES
    return Reading(
        int.from_bytes(content[:_FRAME_ID_BYTES], "big"), int.from_bytes(content[_FRAME_ID_BYTES:time_at], "big")
    )


def drawn(reading: Reading, width: int, height: int) -> npt.NDArray[np.uint8]:
    """Give the lower strip of a picture of this size in px with the code and the same as text; 255 is white.

    The strip begins one cell above the code; its shape is (11 cells, width).
    """
    cv2 = opencv()
    place = Place.in_picture(width, height)
    strip = np.zeros(((ROWS + 2) * place.cell, width), np.uint8)
    size = (COLUMNS * place.cell, ROWS * place.cell)
    strip[place.cell : place.cell + size[1], place.left : place.left + size[0]] = cv2.resize(
        cells(reading).astype(np.uint8) * 255, size, interpolation=cv2.INTER_NEAREST
    )
    left = place.left + size[0] + place.cell
    seconds, ns = divmod(reading.time_ns, 1_000_000_000)
    for line, text in enumerate((f"frame {reading.frame_id}", f"{seconds}.{ns:09d} s")):
        (full_px, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 1.0, 1)
        scale = min(place.cell / 9, (width - left - place.cell) / full_px)
        baseline = round(place.cell * (4.2 + 4.2 * line))
        thickness = max(1, place.cell // 8)
        cv2.putText(strip, text, (left, baseline), cv2.FONT_HERSHEY_SIMPLEX, scale, 255, thickness, cv2.LINE_AA)
    return strip


def _crc(content: bytes) -> int:
    """CRC-16/CCITT-FALSE: polynomial 0x1021, from 0xFFFF."""
    crc = 0xFFFF
    for byte in content:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ (0x1021 if crc & 0x8000 else 0)) & 0xFFFF
    return crc
