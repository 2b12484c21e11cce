"""How fast the red scorer is on one core: MB of RGB8 per second, on sky, on a gradient and on noise.

Run `python benchmarks/scorer.py`.
"""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from heliograph.core import Frame, PixelFormat
from heliograph.payload import red_threshold

WIDTH_PX, HEIGHT_PX = 2028, 1520
REPEATS = 41
WANTED_MB_PER_S = 600  # of the median, on one core

Picture = npt.NDArray[Any]


def sky(rng: np.random.Generator) -> Picture:
    """A dark field with noise, a red star and hot pixels, as a pass over the red giant gives."""
    rgb = rng.poisson(8, (HEIGHT_PX, WIDTH_PX, 3)).astype(np.uint8)
    y, x = np.mgrid[:HEIGHT_PX, :WIDTH_PX]
    star = 200 * np.exp(-((y - 700) ** 2 + (x - 900) ** 2) / 400)
    rgb[..., 0] = np.clip(rgb[..., 0] + star, 0, 255)
    rgb[rng.integers(0, HEIGHT_PX, 40), rng.integers(0, WIDTH_PX, 40)] = (255, 0, 0)
    return rgb


def gradient(rng: np.random.Generator) -> Picture:
    """Redness that grows from row to row: every strip beats all before it, the worst case."""
    rgb = rng.integers(0, 30, (HEIGHT_PX, WIDTH_PX, 3), np.uint8)
    rgb[..., 0] += np.linspace(0, 225, HEIGHT_PX).astype(np.uint8)[:, None]
    return rgb


def noise(rng: np.random.Generator) -> Picture:
    """Every value equally likely."""
    return rng.integers(0, 256, (HEIGHT_PX, WIDTH_PX, 3), np.uint8)


def milliseconds(call: Callable[[], object]) -> list[float]:
    """Time a call, sorted."""
    call()
    times_ms = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        call()
        times_ms.append((time.perf_counter() - begin) * 1e3)
    return sorted(times_ms)


def show(name: str, size_bytes: int, times_ms: list[float]) -> float:
    """Print one row; gives MB/s of the median."""
    median_ms = statistics.median(times_ms)
    speed = size_bytes / median_ms / 1e3
    slow_ms = times_ms[int(0.95 * len(times_ms))]
    print(f"| {name:30} | {median_ms:7.2f} ms | {slow_ms:7.2f} ms | {speed:7.0f} MB/s |")
    return speed


def main() -> None:
    """Print the table."""
    cv2.setNumThreads(1)
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next((line.split(":")[1].strip() for line in lines if "model name" in line), "")
    print(f"{cpu or platform.machine()}, Python {platform.python_version()}, OpenCV {cv2.__version__}, one thread")
    print(f"{WIDTH_PX}x{HEIGHT_PX} px, {REPEATS} runs\n")
    print(f"| {'picture':30} | {'median':>10} | {'95 %':>10} | {'median':>12} |")
    print(f"|{'-' * 32}|{'-' * 12}|{'-' * 12}|{'-' * 14}|")
    rng = np.random.default_rng(1)
    pictures = {"sky": sky(rng), "gradient": gradient(rng), "noise": noise(rng)}
    slowest = min(
        show(f"red on RGB8, {name}", rgb.nbytes, milliseconds(lambda rgb=rgb: red_threshold(rgb)))  # type: ignore[misc]  # mypy cannot infer a lambda's default
        for name, rgb in pictures.items()
    )
    deep = pictures["sky"].astype(np.uint16) * 257
    show("red on RGB16, sky", deep.nbytes, milliseconds(lambda: red_threshold(deep)))
    raw = Frame(np.ascontiguousarray(pictures["sky"][..., 0]), PixelFormat.BayerRG8, 1, 0)
    show("BayerRG8 to RGB8 and red, sky", raw.data.nbytes * 3, milliseconds(lambda: red_threshold(raw.to("RGB8"))))
    print(f"\nscorer: {slowest:.0f} MB/s of RGB8 at the least, wanted {WANTED_MB_PER_S}")


if __name__ == "__main__":
    main()
