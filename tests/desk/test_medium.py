from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import tifffile

from heliograph.core import Frame, MissingDependencyError, OutputError, PixelFormat
from heliograph.desk.medium import check_medium, open_medium


def frames(pixel_format: PixelFormat, count: int = 3, width: int = 8) -> list[Frame]:
    rng = np.random.default_rng(width)
    shape = (count, *pixel_format.shape(width, 6))
    pixels = rng.integers(0, 1 << pixel_format.bits, shape).astype(pixel_format.dtype)
    return [Frame(data, pixel_format, id=k, timestamp_ns=k) for k, data in enumerate(pixels)]


def recorded(path: Path, series: list[Frame], count: int | None = None) -> npt.NDArray[Any]:
    medium = open_medium(path, series[0], count)
    for frame in series:
        medium.write(frame)
    medium.close()
    return np.stack([frame.data for frame in series])


@pytest.mark.parametrize("pixel_format", list(PixelFormat), ids=lambda pixel_format: pixel_format.name)
def test_an_array_holds_the_pixels_as_sent(tmp_path: Path, pixel_format: PixelFormat) -> None:
    sent = recorded(tmp_path / "a.npy", frames(pixel_format))
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), sent)


def test_an_array_can_be_read_while_it_grows(tmp_path: Path) -> None:
    series = frames(PixelFormat.Mono12, 20)
    medium = open_medium(tmp_path / "a.npy", series[0], None)
    for number, frame in enumerate(series, start=1):
        medium.write(frame)
        seen = np.load(tmp_path / "a.npy", mmap_mode="r")
        assert seen.shape == (number, 6, 8)
        np.testing.assert_array_equal(seen[-1], frame.data)
    medium.close()


@pytest.mark.parametrize("name", ["Mono8", "Mono10", "Mono12", "Mono16", "BayerRG8", "BayerGB12"])
def test_a_stack_holds_grey_and_mosaics_as_sent(tmp_path: Path, name: str) -> None:
    sent = recorded(tmp_path / "a.tif", frames(PixelFormat[name]))
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), sent)
    _, pages = cv2.imreadmulti(str(tmp_path / "a.tif"), flags=cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(np.stack(pages), sent)


@pytest.mark.parametrize("name", ["RGB8", "BGR8", "RGB16", "BGR16"])
def test_a_stack_holds_colour_as_rgb(tmp_path: Path, name: str) -> None:
    sent = recorded(tmp_path / "a.tiff", frames(PixelFormat[name]))
    rgb = sent if name.startswith("RGB") else sent[..., ::-1]
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tiff"), rgb)


def test_a_stack_holds_ycbcr_converted(tmp_path: Path) -> None:
    series = frames(PixelFormat.parse("NV12"), 1)
    recorded(tmp_path / "a.tif", series)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), series[0].to("RGB8"))


@pytest.mark.parametrize(("count", "big"), [(3, False), (None, True), (10**9, True)])
def test_only_a_stack_that_may_pass_4_gb_is_a_bigtiff(tmp_path: Path, count: int | None, big: bool) -> None:
    recorded(tmp_path / "a.tif", frames(PixelFormat.Mono8), count)
    with tifffile.TiffFile(tmp_path / "a.tif") as stack:
        assert stack.is_bigtiff is big
        assert len(stack.pages) == 3


def test_a_folder_holds_pictures_of_any_size(tmp_path: Path) -> None:
    series = [*frames(PixelFormat.Mono16, 2), *frames(PixelFormat.BGR8, 1, 10)]
    medium = open_medium(tmp_path / "shots", series[0], None)
    for frame in series:
        medium.write(frame)
    medium.close()
    files = sorted((tmp_path / "shots").iterdir())
    assert [file.name for file in files] == [f"frame_00000{k}.png" for k in range(3)]
    for file, frame in zip(files, series, strict=True):
        np.testing.assert_array_equal(cv2.imread(str(file), cv2.IMREAD_UNCHANGED), frame.data)


@pytest.mark.parametrize("suffix", [".npy", ".tif", ".mkv"])
def test_a_frame_of_another_kind_is_refused(tmp_path: Path, suffix: str) -> None:
    medium = open_medium(tmp_path / f"a{suffix}", frames(PixelFormat.Mono8)[0], None)
    with pytest.raises(OutputError, match="a frame of 10x6 Mono8 came after others: only a folder of PNG"):
        medium.write(frames(PixelFormat.Mono8, width=10)[0])
    with pytest.raises(OutputError, match="a frame of 8x6 BayerRG8"):
        medium.write(frames(PixelFormat.BayerRG8)[0])
    medium.close()


def test_a_suffix_that_nothing_is_written_by() -> None:
    with pytest.raises(OutputError, match=r"a\.mp4: its name ends in \.npy, \.tif, \.tiff, \.mkv, or has no suffix"):
        check_medium(Path("a.mp4"))


@pytest.mark.parametrize(("name", "library"), [("a.mkv", "av"), ("a.tif", "tifffile"), ("shots", "cv2")])
def test_a_missing_library_is_told_before_anything_is_recorded(
    monkeypatch: pytest.MonkeyPatch, name: str, library: str
) -> None:
    check_medium(Path(name))
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingDependencyError, match="pip install 'heliograph"):
        check_medium(Path(name))
    check_medium(Path("a.npy"))
