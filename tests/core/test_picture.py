import errno
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from heliograph.core import Frame, OutputError, PixelFormat
from heliograph.core.picture import SUFFIXES, check_picture_path, encode_picture, save_picture


def mono12(height: int = 6, width: int = 8) -> Frame:
    pixels = np.arange(height * width, dtype=np.uint16).reshape(height, width) * 80
    return Frame(pixels, PixelFormat.Mono12, id=1, timestamp_ns=0)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_deep_grey_is_written_with_16_bits(tmp_path: Path, suffix: str) -> None:
    frame = mono12()
    save_picture(frame, tmp_path / f"a{suffix}")
    read = np.asarray(cv2.imread(str(tmp_path / f"a{suffix}"), cv2.IMREAD_UNCHANGED))
    assert read.dtype == np.uint16
    np.testing.assert_array_equal(read, frame.to("Mono16"))


def test_colour_is_written_in_the_right_order(tmp_path: Path) -> None:
    red = np.zeros((4, 4, 3), np.uint8)
    red[:, :, 0] = 200
    save_picture(Frame(red, PixelFormat.RGB8, id=1, timestamp_ns=0), tmp_path / "a.PNG")
    assert np.asarray(cv2.imread(str(tmp_path / "a.PNG")))[0, 0].tolist() == [0, 0, 200]


def test_npy_keeps_the_pixels_as_they_came(tmp_path: Path) -> None:
    save_picture(mono12(), tmp_path / "a.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), mono12().data)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_suffix_encodes(suffix: str) -> None:
    assert len(encode_picture(mono12(), suffix)) > 50


def test_impossible_paths_say_why(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").write_text("")
    for path, reason in {
        tmp_path / "a.jpg": "ends in .png",
        tmp_path / "a": "ends in .png",
        tmp_path / "none" / "a.png": "no folder",
        tmp_path / "file" / "a.png": "no folder",
        tmp_path / "folder.png": "it is a folder",
        tmp_path / f"{'a' * 250}.png": "give a shorter one",
        tmp_path / ("a" * 300) / "a.png": "File name too long",
    }.items():
        with pytest.raises(OutputError, match=reason):
            check_picture_path(path)


def test_a_full_disk_leaves_the_old_picture_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    file = tmp_path / "a.png"
    file.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        save_picture(mono12(), file)
    assert [each.name for each in tmp_path.iterdir()] == ["a.png"]
    assert file.read_bytes() == b"old"
