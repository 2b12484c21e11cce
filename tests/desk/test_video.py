"""PyAV's decoder reads the file back; what it gives is put together again here, by other means than the writer's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt
import pytest

from heliograph.core import ColorMatrix, ColorRange, Frame, Layout, PixelFormat
from heliograph.desk.video import LosslessVideo

WIDTH, HEIGHT = 66, 50


def noise(pixel_format: PixelFormat, seed: int, width: int = WIDTH) -> npt.NDArray[Any]:
    rng = np.random.default_rng(seed)
    shape = pixel_format.shape(width, HEIGHT)
    return rng.integers(0, 1 << pixel_format.bits, shape).astype(pixel_format.dtype)


def recorded(path: Path, pixel_format: PixelFormat, pictures: list[npt.NDArray[Any]], period_ns: int) -> None:
    frames = [Frame(data, pixel_format, id=1, timestamp_ns=7 + k * period_ns) for k, data in enumerate(pictures)]
    video = LosslessVideo(path, frames[0], None)
    for frame in frames:
        video.write(frame)
    video.close()


def decoded(path: Path) -> list[av.VideoFrame]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def sample_rows(plane: Any, dtype: Any, width: int, height: int) -> npt.NDArray[Any]:
    rows = np.frombuffer(bytes(plane), np.uint8).reshape(-1, plane.line_size)
    return np.stack([row[: width * np.dtype(dtype).itemsize].view(dtype) for row in rows[:height]])


def as_sent(picture: av.VideoFrame, pixel_format: PixelFormat) -> npt.NDArray[Any]:
    """Give the array that the camera sent, from FFmpeg's planes."""
    sizes = [(plane.width, plane.height) for plane in picture.planes]
    width, height = sizes[0]
    match pixel_format.layout:
        case Layout.MONO | Layout.BAYER:
            return sample_rows(picture.planes[0], pixel_format.dtype, width, height)
        case Layout.RGB | Layout.BGR if pixel_format.bits == 8:
            blue_first = sample_rows(picture.planes[0], np.uint8, width * 4, height).reshape(height, width, 4)[..., :3]
            return blue_first if pixel_format.layout is Layout.BGR else blue_first[..., ::-1]
        case Layout.RGB | Layout.BGR:
            green, blue, red = (sample_rows(plane, "<u2", width, height) for plane in picture.planes)
            return np.dstack([red, green, blue] if pixel_format.layout is Layout.RGB else [blue, green, red])
        case layout:
            luma, first, second = (
                sample_rows(plane, np.uint8, *size) for plane, size in zip(picture.planes, sizes, strict=True)
            )
            if layout is Layout.YUYV:
                return np.dstack([luma, np.dstack([first, second]).reshape(height, width)])
            pairs = [first, second] if layout is Layout.NV12 else [second, first]
            return np.vstack([luma, np.dstack(pairs).reshape(height // 2, width)])


@pytest.mark.parametrize("pixel_format", list(PixelFormat), ids=lambda pixel_format: pixel_format.name)
def test_every_format_comes_back_bit_for_bit(tmp_path: Path, pixel_format: PixelFormat) -> None:
    sent = [noise(pixel_format, seed) for seed in range(3)]
    recorded(tmp_path / "a.mkv", pixel_format, sent, 40_000_000)
    pictures = decoded(tmp_path / "a.mkv")
    assert len(pictures) == 3
    for data, picture in zip(sent, pictures, strict=True):
        np.testing.assert_array_equal(as_sent(picture, pixel_format), data)


def test_widths_that_ffmpeg_pads(tmp_path: Path) -> None:
    for width in (2, 7, 33):
        sent = noise(PixelFormat.Mono12, 5, width)
        recorded(tmp_path / f"{width}.mkv", PixelFormat.Mono12, [sent], 1)
        np.testing.assert_array_equal(as_sent(decoded(tmp_path / f"{width}.mkv")[0], PixelFormat.Mono12), sent)


def test_frames_have_their_times_and_the_file_says_what_they_are(tmp_path: Path) -> None:
    recorded(tmp_path / "a.mkv", PixelFormat.BayerRG12, [noise(PixelFormat.BayerRG12, 1)] * 4, 33_333_333)
    assert [round(picture.time * 1000) for picture in decoded(tmp_path / "a.mkv")] == [0, 33, 67, 100]
    with av.open(str(tmp_path / "a.mkv")) as container:
        assert container.streams.video[0].codec_context.name == "ffv1"
        assert container.metadata["PIXEL_FORMAT"] == "BayerRG12"


def test_frames_within_one_ms_stay_in_order(tmp_path: Path) -> None:
    sent = [noise(PixelFormat.Mono8, seed) for seed in range(6)]
    recorded(tmp_path / "a.mkv", PixelFormat.Mono8, sent, 100_000)
    pictures = decoded(tmp_path / "a.mkv")
    assert [as_sent(picture, PixelFormat.Mono8).tobytes() for picture in pictures] == [data.tobytes() for data in sent]


def test_players_are_told_matrix_and_range(tmp_path: Path) -> None:
    nv12 = PixelFormat.parse("NV12")
    frame = Frame(noise(nv12, 1), nv12, 1, 0, color_matrix=ColorMatrix.BT709, color_range=ColorRange.LIMITED)
    video = LosslessVideo(tmp_path / "a.mkv", frame, None)
    video.write(frame)
    video.close()
    (picture,) = decoded(tmp_path / "a.mkv")
    assert (int(picture.colorspace), int(picture.color_range)) == (1, 1)  # AVCOL_SPC_BT709, AVCOL_RANGE_MPEG


def test_opencv_reads_the_same_pixels(tmp_path: Path) -> None:
    sent = noise(PixelFormat.BGR8, 3)
    recorded(tmp_path / "a.mkv", PixelFormat.BGR8, [sent], 1)
    capture = cv2.VideoCapture(str(tmp_path / "a.mkv"))
    valid, picture = capture.read()
    assert valid
    np.testing.assert_array_equal(picture, sent)
