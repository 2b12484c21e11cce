from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.cameras.footage import Stills, Video, is_picture, read_still
from heliograph.core import SourceError

COLOUR = np.random.default_rng(7).integers(0, 256, (60, 80, 3), np.uint8)


def written(file: Path, data: npt.NDArray[Any]) -> Path:
    cv2.imwrite(str(file), data)
    return file


@pytest.mark.parametrize(
    ("name", "data", "pixel_format"),
    [
        ("grey.png", COLOUR[..., 0], "Mono8"),
        ("grey16.png", COLOUR[..., 0].astype(np.uint16) * 251, "Mono16"),
        ("colour.png", COLOUR, "BGR8"),
        ("colour16.png", COLOUR.astype(np.uint16) * 251, "BGR16"),
        ("colour16.tif", COLOUR.astype(np.uint16) * 251, "BGR16"),
        ("colour.bmp", COLOUR, "BGR8"),
        ("colour.ppm", COLOUR, "BGR8"),
        ("grey.pgm", COLOUR[..., 0], "Mono8"),
        ("colour.webp", None, "BGR8"),
        ("colour.jpg", None, "BGR8"),
    ],
)
def test_picture_files_keep_their_depth_and_pixels(
    tmp_path: Path, name: str, data: npt.NDArray[Any] | None, pixel_format: str
) -> None:
    file = written(tmp_path / name, COLOUR if data is None else data)
    assert is_picture(file)
    picture = read_still(file)
    assert picture.pixel_format.name == pixel_format
    assert picture.pixel_format.size_of(picture.data.shape) == (80, 60)
    if data is not None:
        np.testing.assert_array_equal(picture.data, data)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_alpha_is_dropped(tmp_path: Path, dtype: type[np.uint8]) -> None:
    colour = COLOUR.astype(dtype)
    picture = read_still(written(tmp_path / "alpha.png", np.dstack([colour, colour[..., 0]])))
    np.testing.assert_array_equal(picture.data, colour)


def test_float_pictures_are_refused_by_name(tmp_path: Path) -> None:
    file = written(tmp_path / "float.tif", COLOUR[..., 0].astype(np.float32))
    with pytest.raises(SourceError, match=r"float\.tif: its samples are float32; convert it to 8 or 16 bits"):
        read_still(file)


@given(st.floats(0.05, 0.999))
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_cut_off_picture_is_an_error_and_never_half_a_picture(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, share: float
) -> None:
    file = written(tmp_path_factory.getbasetemp() / f"cut{suffix}", COLOUR)
    content = file.read_bytes()
    # The last bytes of a PNG are its end mark, without which its pixels are whole.
    file.write_bytes(content[: int(share * (len(content) - 16))])
    with pytest.raises(SourceError, match="cut"):
        read_still(file)


def test_bytes_after_the_end_of_a_jpeg_do_no_harm(tmp_path: Path) -> None:
    file = written(tmp_path / "trailer.jpg", COLOUR)
    whole = read_still(file)
    file.write_bytes(file.read_bytes() + b"\xff\xda and what a telephone appends")
    np.testing.assert_array_equal(read_still(file).data, whole.data)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"])
def test_files_that_are_no_pictures(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "x.png"
    file.write_bytes(content)
    with pytest.raises(SourceError, match=r"x\.png"):
        read_still(file)


def test_file_that_went_away(tmp_path: Path) -> None:
    file = written(tmp_path / "gone.png", COLOUR)
    stills = Stills([file])
    file.unlink()
    with pytest.raises(SourceError, match=r"gone\.png: No such file"):
        stills.read()


def test_file_that_is_neither(tmp_path: Path) -> None:
    file = tmp_path / "x.mp4"
    file.write_bytes(b"no film" * 50)
    with pytest.raises(SourceError, match="neither a picture nor a video"):
        Video(file)


def test_a_name_that_is_no_utf_8_is_refused_before_opencv_sees_it(tmp_path: Path) -> None:
    picture = written(tmp_path / "a.png", COLOUR)
    video = tmp_path / os.fsdecode(b"shot_\xff.avi")
    for name in (picture.rename(tmp_path / os.fsdecode(b"shot_\xff.png")), video):
        for use in (is_picture, Video):
            with pytest.raises(SourceError, match=r"shot_.udcff.*names in UTF-8 alone; rename it"):
                use(name)
