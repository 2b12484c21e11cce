"""The focus score: greatest where the picture is sharpest, whatever the light."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from heliograph.desk.focus import focus_score
from heliograph.sim.chart import chart

CHART = chart(400, 300)


def defocused(sigma_px: float) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.asarray(cv2.GaussianBlur(CHART, (0, 0), sigma_px), np.uint8) if sigma_px else CHART


def test_it_falls_with_every_step_out_of_focus() -> None:
    scores = [focus_score(defocused(sigma_px)) for sigma_px in (0, 0.7, 1.4, 2.8, 5.6)]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 3 * scores[-1] > 0


def test_neither_exposure_nor_depth_changes_it() -> None:
    score = focus_score(CHART)
    assert focus_score(CHART // 2) == pytest.approx(score, rel=0.05)
    assert focus_score(CHART.astype(np.uint16) * 257) == pytest.approx(score, rel=0.01)


def test_noise_does_not_make_up_for_blur() -> None:
    noisy = defocused(2.8).astype(int) + np.random.default_rng(1).normal(0, 4, CHART.shape).astype(int)
    assert focus_score(np.clip(noisy, 0, 255).astype(np.uint8)) < focus_score(CHART) / 2


def test_darkness_scores_nothing() -> None:
    assert focus_score(np.zeros((20, 20, 3), np.uint16)) == 0
