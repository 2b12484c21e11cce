"""Lossless video: FFV1 in Matroska, written by PyAV, bit for bit what the camera sent."""

from __future__ import annotations

import importlib
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from heliograph.core import ColorMatrix, ColorRange, Frame, Layout, MissingDependencyError, PixelFormat
from heliograph.core.convert import opencv

# Matroska counts ms unless told otherwise; FFmpeg's muxer cannot be told.
_TICKS_HZ = 1000
# Four slices a frame are coded side by side, each with a checksum (FFV1 version 3, RFC 9043).
_OPTIONS = {"level": "3", "slices": "4", "slicecrc": "1", "threads": "auto", "thread_type": "slice"}
# FFmpeg's words for these, which players need to show YCbCr right.
_RANGES = {ColorRange.LIMITED: "tv", ColorRange.FULL: "pc"}
_MATRICES = {ColorMatrix.BT709: "bt709", ColorMatrix.BT601: "smpte170m"}


class LosslessVideo:
    """One `.mkv`; a frame's time is that since the first frame, rounded to ms."""

    def __init__(self, path: Path, first: Frame, _count: int | None) -> None:
        self._av = self.backend()
        self._begin_ns = first.timestamp_ns
        self._last_ms = -1
        self._container = self._av.open(str(path), "w", format="matroska")
        shown = {"color_range": _RANGES[first.color_range], "colorspace": _MATRICES[first.color_matrix]}
        self._stream = self._container.add_stream("ffv1", _TICKS_HZ, options=_OPTIONS | shown)
        self._stream.width, self._stream.height = first.width, first.height
        self._stream.pix_fmt = ffmpeg_format(first.pixel_format)
        self._container.metadata["PIXEL_FORMAT"] = first.pixel_format.name

    @staticmethod
    def backend() -> Any:
        """Give PyAV; raises `MissingDependencyError` without it."""
        try:
            return importlib.import_module("av")
        except ImportError as error:
            raise MissingDependencyError("a video needs PyAV: pip install 'heliograph[record]'") from error

    def write(self, frame: Frame) -> None:
        """Add a frame; raises `OSError`."""
        picture = self._av.VideoFrame(frame.width, frame.height, self._stream.pix_fmt)
        for plane, samples in zip(picture.planes, planes(frame), strict=True):
            rows = samples.reshape(samples.shape[0], -1).view(np.uint8)
            memory = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
            memory[: len(rows), : rows.shape[1]] = rows
        self._last_ms = max(self._last_ms + 1, round((frame.timestamp_ns - self._begin_ns) * _TICKS_HZ / 1e9))
        picture.pts, picture.time_base = self._last_ms, Fraction(1, _TICKS_HZ)
        self._container.mux(self._stream.encode(picture))

    def close(self) -> None:
        """Write what the encoder holds, and the index."""
        try:
            self._container.mux(self._stream.encode())
        finally:
            self._container.close()


def ffmpeg_format(pixel_format: PixelFormat) -> str:
    """Give the name of FFmpeg's format that holds these samples exactly.

    >>> ffmpeg_format(PixelFormat.BayerRG12), ffmpeg_format(PixelFormat.parse("NV12"))
    ('gray12le', 'yuv420p')
    """
    match pixel_format.layout:
        case Layout.MONO | Layout.BAYER:
            return "gray" if pixel_format.bits == 8 else f"gray{pixel_format.bits}le"
        case Layout.RGB | Layout.BGR:
            return "bgr0" if pixel_format.bits == 8 else "gbrp16le"
        case Layout.YUYV:
            return "yuv422p"
        case _:
            return "yuv420p"


def planes(frame: Frame) -> list[npt.NDArray[Any]]:
    """Take a frame apart into the planes of `ffmpeg_format`: samples are moved, never changed."""
    cv2, data = opencv(), np.ascontiguousarray(frame.data)
    match frame.pixel_format.layout:
        case Layout.MONO | Layout.BAYER:
            return [data]
        case Layout.RGB | Layout.BGR if frame.pixel_format.bits == 8:
            return [cv2.cvtColor(data, getattr(cv2, f"COLOR_{frame.pixel_format.layout.name}2BGRA"))]
        case Layout.RGB | Layout.BGR as order:
            first, green, last = cv2.split(data)
            return [green, first, last] if order is Layout.BGR else [green, last, first]
        case Layout.YUYV:
            luma, chroma = cv2.split(data)
            return [luma, np.ascontiguousarray(chroma[:, 0::2]), np.ascontiguousarray(chroma[:, 1::2])]
        case order:
            first, second = cv2.split(data[frame.height :].reshape(frame.height // 2, -1, 2))
            return [data[: frame.height], *((first, second) if order is Layout.NV12 else (second, first))]
