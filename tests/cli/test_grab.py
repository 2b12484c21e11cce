from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_picture_arrives_without_loss(
    program: Callable[..., Any], camera: str, picture: Any, tmp_path: Path, suffix: str
) -> None:
    file = tmp_path / f"out{suffix}"
    ended = program("grab", camera, "-o", str(file))
    assert ended.code == 0
    assert "64x48" in ended.out
    np.testing.assert_array_equal(cv2.imread(str(file), cv2.IMREAD_UNCHANGED), picture)


def test_npy_holds_the_pixels_as_sent(program: Callable[..., Any], camera: str, picture: Any, tmp_path: Path) -> None:
    program("grab", camera, "-o", str(tmp_path / "out.npy"))
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), picture)


def test_an_impossible_file_is_told_before_the_camera_opens(program: Callable[..., Any], tmp_path: Path) -> None:
    ended = program("grab", "nope://", "-o", str(tmp_path / "nowhere" / "a.png"))
    assert ended.code == 7
    assert "there is no folder" in ended.err


def test_a_setting_is_made_first(program: Callable[..., Any], camera: str, tmp_path: Path) -> None:
    ended = program("grab", camera, "--set", "AcquisitionFrameRate=-1", "-o", str(tmp_path / "a.png"))
    assert ended.code == 5
    assert "AcquisitionFrameRate" in ended.err
    assert not (tmp_path / "a.png").exists()


def test_the_format_is_told_by_its_short_name(program: Callable[..., Any], tmp_path: Path) -> None:
    settings = ("--set", "PixelFormat=NV12", "--set", "Width=64", "--set", "Height=64")
    assert "64x64 NV12" in program("grab", "sim://bench", *settings, "-o", str(tmp_path / "a.png")).out
