"""The RGB histogram of a picture, drawn for people."""

from __future__ import annotations

import importlib
import io
from typing import Any

import numpy as np
import numpy.typing as npt

from heliograph.core import MissingDependencyError
from heliograph.core.convert import opencv
from heliograph.core.measure import HISTOGRAM_BINS, rgb_histogram

_INK, _FAINT = "#1d2433", "#8a93a6"
_COLOURS = {"red": "#d5303e", "green": "#1f9d55", "blue": "#2f6fde"}


def matplotlib() -> Any:
    """Import matplotlib; raises `MissingDependencyError` with the line that installs it."""
    try:
        return importlib.import_module("matplotlib.figure")
    except ImportError as error:
        raise MissingDependencyError("histograms need matplotlib: pip install 'heliograph[payload]'") from error


def draw_histogram(rgb: npt.NDArray[Any], title: str, subtitle: str) -> bytes:
    """Draw the histogram of a picture, with the picture beside it; gives a PNG file of 1600x800 px.

    `rgb` has shape (h, w, 3), uint8 or uint16. Raises `MissingDependencyError` without matplotlib.
    """
    figure = matplotlib().Figure(figsize=(16, 8), dpi=100, facecolor="white")
    # A path or a camera's name may hold a $, which is no formula.
    figure.text(0.055, 0.93, title, fontsize=22, fontweight="bold", color=_INK, parse_math=False)
    figure.text(0.055, 0.885, subtitle, fontsize=13, color=_FAINT, parse_math=False)
    _draw_curves(figure.add_axes((0.055, 0.1, 0.56, 0.73)), rgb)
    _draw_picture(figure.add_axes((0.645, 0.1, 0.325, 0.73)), rgb)
    png = io.BytesIO()
    figure.savefig(png, format="png")
    return png.getvalue()


def _draw_curves(axes: Any, rgb: npt.NDArray[Any]) -> None:
    full_scale = int(np.iinfo(rgb.dtype).max)
    edges = np.linspace(0, full_scale + 1, HISTOGRAM_BINS + 1)
    for counts, (name, colour) in zip(rgb_histogram(rgb), _COLOURS.items(), strict=True):
        axes.stairs(counts, edges, fill=True, color=colour, alpha=0.13)
        axes.stairs(counts, edges, color=colour, linewidth=1.8, label=name)
    # A star field is nearly all sky: on a linear scale its stars would not show at all.
    axes.set_yscale("log")
    axes.set_ylim(0.7, rgb.shape[0] * rgb.shape[1])
    axes.set_xlim(0, full_scale + 1)
    ticks = np.linspace(0, full_scale + 1, 9)
    axes.set_xticks(ticks, [str(min(round(tick), full_scale)) for tick in ticks])
    axes.set_xlabel(f"Sample value ({rgb.itemsize * 8} bits)", fontsize=14, color=_INK, labelpad=8)
    axes.set_ylabel("Pixels per bin (log scale)", fontsize=14, color=_INK, labelpad=8)
    axes.tick_params(labelsize=12, colors=_INK)
    axes.grid(visible=True, which="major", color="#e4e8f0", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#c3cad8")
    axes.legend(fontsize=13, frameon=False, loc="upper right", labelcolor=_INK)


def _draw_picture(axes: Any, rgb: npt.NDArray[Any]) -> None:
    cv2 = opencv()
    scale = min(1.0, 1000 / max(rgb.shape[:2]))
    small = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    axes.imshow(small if small.dtype == np.uint8 else (small >> 8).astype(np.uint8), interpolation="antialiased")
    axes.set_anchor("N")
    axes.set_axis_off()
