from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import heliograph
from heliograph.core import Camera, Frame
from heliograph.payload import Ending, SeriesConfig, run_series

URL = "sim://red-giant?pass_s=8"
WIDTH_PX, HEIGHT_PX = 400, 300


def counted_down(rgb: npt.NDArray[Any], min_pixels: int = 64) -> tuple[int, int]:
    """The definition, by counting the pixels that reach t for one t after another, from the top."""
    red, green, blue = np.moveaxis(rgb.astype(np.int16), 2, 0)
    redness = np.maximum(0, np.minimum(red - green, red - blue))
    for threshold in range(int(redness.max()), -1, -1):
        pixels = int((redness >= threshold).sum())
        if pixels >= min_pixels:
            return threshold, pixels
    return 0, redness.size


def test_pick_in_a_simulated_pass_is_that_of_brute_force(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted: list[tuple[int, int]] = []
    fractions: list[float] = []

    def open_camera() -> Camera:
        """The middle of the field, with somebody who looks at every picture on its way to the job."""
        camera = heliograph.open(URL, width=WIDTH_PX, height=HEIGHT_PX, exposure_us=2_000, frame_rate_hz=60)
        camera.features.OffsetX = (int(camera.features.SensorWidth) - WIDTH_PX) // 4 * 2
        camera.features.OffsetY = (int(camera.features.SensorHeight) - HEIGHT_PX) // 4 * 2
        frames = camera.frames

        def watched(count: int | None = None, timeout_s: float = 5.0) -> Iterator[Frame]:
            for frame in frames(count, timeout_s):
                wanted.append(counted_down(frame.to("RGB8")))
                fractions.append(frame.metadata["pass_fraction"])
                yield frame

        monkeypatch.setattr(camera, "frames", watched)
        return camera

    result = run_series(SeriesConfig(URL, tmp_path, count=400), open_camera)
    assert result.ending is Ending.COMPLETE
    assert [(record.score.value, record.score.support) for record in result.records] == wanted[:400]
    winner = max(range(400), key=lambda k: (*wanted[k], -k))
    assert result.picks[0].number == winner
    assert (tmp_path / f"frame_{winner:03d}.png").exists()
    # The giant is nearest to the middle of the field at 0.6 of the pass; without it nothing is half as red.
    assert 0.5 < fractions[winner] < 0.7
    away = [threshold for (threshold, _), fraction in zip(wanted, fractions, strict=True) if fraction < 0.3]
    assert max(away) < wanted[winner][0] / 2
