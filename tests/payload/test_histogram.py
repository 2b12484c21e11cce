from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from heliograph.payload.histogram import draw_histogram


def decoded(png: bytes) -> npt.NDArray[Any]:
    return np.asarray(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR))[..., ::-1]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_drawing_shows_the_curves_where_the_values_are(dtype: type[np.uint8]) -> None:
    scale = int(np.iinfo(dtype).max) // 255
    rgb = np.zeros((90, 120, 3), dtype)
    rgb[..., 0] = 200 * scale
    rgb[..., 1] = 100 * scale
    rgb[..., 2] = 20 * scale
    page = decoded(draw_histogram(rgb, "Picture 007: 5 $", "cam $1 · 120 x 90")).astype(int)
    assert page.shape == (800, 1600, 3)
    left, width = 0.055 * 1600, 0.56 * 1600
    curves = page[140:700, : int(left + width)]
    for channel, value in enumerate((200, 100, 20)):
        others = np.delete(curves, channel, axis=2).max(axis=2)
        strong = (curves[..., channel] - others) > 70
        columns = np.nonzero(strong.sum(axis=0) > 200)[0]
        assert columns == pytest.approx(left + width * value / 256, abs=8)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_drawing_shows_the_picture_itself(dtype: type[np.uint8]) -> None:
    rgb = np.zeros((50, 50, 3), dtype)
    rgb[..., 0] = 251 * (int(np.iinfo(dtype).max) // 255)
    page = decoded(draw_histogram(rgb, "", ""))
    assert (page[140:600, 1040:1540] == (251, 0, 0)).all(axis=2).mean() > 0.9
