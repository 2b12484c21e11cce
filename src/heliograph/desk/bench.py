"""Measures what a camera gives: frames and bytes per second, losses and CPU, for formats and sizes."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from heliograph.core import (
    Access,
    Camera,
    CameraLostError,
    Feature,
    FeatureValue,
    Frame,
    FrameTimeoutError,
    HeliographError,
    PixelFormat,
    SettingError,
)
from heliograph.core.settings import apply, snapshot

# The first frames come while buffers fill and clocks of processors rise.
_WARM_UP_S = 0.25
_PARTS = (1, 2, 4)
_PACKET_SIZE = "GevSCPSPacketSize"
_PACKET_BYTES = 1500
# IP, UDP and GVSP headers of a packet; and what a wire takes more: Ethernet header, FCS, preamble, gap.
_HEADER_BYTES = 20 + 8 + 8
_WIRE_BYTES = 14 + 4 + 8 + 12


@dataclass(frozen=True, slots=True)
class BenchConfig:
    """What is measured; raises `SettingError` when it cannot be."""

    duration_s: float = 2.0
    """Time for each format and size."""
    formats: tuple[PixelFormat, ...] = ()
    """All that the camera has, when empty."""
    sizes: tuple[tuple[int, int], ...] = ()
    """Widths and heights in px; the largest, its half and its quarter, when empty."""
    link_mbit_per_s: float = 1000.0
    timeout_s: float = 5.0

    def __post_init__(self) -> None:
        for name in ("duration_s", "link_mbit_per_s", "timeout_s"):
            if not getattr(self, name) > 0:
                raise SettingError(f"{name} cannot be {getattr(self, name)}: it must be above 0")


@dataclass(frozen=True, slots=True)
class Cell:
    """What one format at one size gave."""

    pixel_format: str
    width_px: int
    height_px: int
    frames: int = 0
    frame_rate_hz: float = 0.0
    mb_per_s: float = 0.0
    """Pixels, in 10**6 bytes per second."""
    link_percent: float = 0.0
    """Share of the most pixels that the link carries, see `link_mb_per_s`."""
    cpu_percent: float = 0.0
    """Of one core, by this process."""
    receiver_cpu_percent: float = 0.0
    """Of one core, by the processes that this one has started, such as the receiver of a network camera."""
    dropped_frames: int = 0
    incomplete_frames: int = 0
    missing_packets: int = 0
    error: str = ""
    """Why there is no measurement, if there is none."""


def link_mb_per_s(link_mbit_per_s: float, packet_bytes: int = _PACKET_BYTES) -> float:
    """Give the most pixels per second that GVSP brings over an Ethernet link, in MB.

    >>> round(link_mb_per_s(1000), 1), round(link_mb_per_s(1000, 9000), 1)
    (119.0, 124.0)

    An IP packet of `packet_bytes` (GevSCPSPacketSize) holds 36 bytes of headers and takes 38 more on the wire.
    """
    return link_mbit_per_s / 8 * (packet_bytes - _HEADER_BYTES) / (packet_bytes + _WIRE_BYTES)


def bench(
    camera: Camera,
    config: BenchConfig,
    progress: Callable[[int, int, Cell], None] | None = None,
    stop: threading.Event | None = None,
) -> list[Cell]:
    """Measure every format at every size, as fast as the camera goes, until done or `stop` is set.

    >>> with heliograph.open("gige://cam-1") as camera:                         # doctest: +SKIP
    ...     for cell in bench(camera, BenchConfig()):
    ...         print(cell.pixel_format, cell.width_px, cell.frame_rate_hz)

    `progress` is called with the number of cells done, that of all, and the cell. Settings are put back afterwards.
    Raises `CameraLostError` when the camera goes away.
    """
    camera.stop()
    before = snapshot(camera.features)
    cells: list[Cell] = []
    try:
        apply(camera.features, {name: 0 for name in ("OffsetX", "OffsetY") if name in before})
        asked = [(pixel_format, size) for pixel_format in _formats(camera, config) for size in _sizes(camera, config)]
        for pixel_format, size in asked:
            if stop is not None and stop.is_set():
                break
            step = pixel_format.size_increment
            width_px, height_px = (side // step * step for side in size)
            cells.append(_measure(camera, config, Cell(pixel_format.name, width_px, height_px)))
            if progress:
                progress(len(cells), len(asked), cells[-1])
    finally:
        camera.stop()
        apply(camera.features, before)
    return cells


def _formats(camera: Camera, config: BenchConfig) -> list[PixelFormat]:
    feature, present = camera.features.describe("PixelFormat"), str(camera.features["PixelFormat"])
    names = feature.entries if feature.access is Access.READ_WRITE else [present]
    has = [PixelFormat[name] for name in names if name in PixelFormat.__members__]
    for asked in config.formats:
        if asked not in has:
            raise SettingError(f"{camera.name} gives no {asked.name}; it has {', '.join(each.name for each in has)}")
    return list(config.formats) or has


def _sizes(camera: Camera, config: BenchConfig) -> list[tuple[int, int]]:
    widths, heights = (_sides(camera.features.describe(name), camera.features[name]) for name in ("Width", "Height"))
    return list(config.sizes) or list(dict.fromkeys(zip(widths, heights, strict=True)))


def _sides(feature: Feature, present: FeatureValue) -> list[int]:
    """Give the largest side, its half and its quarter, on the steps that the camera has."""
    if feature.access is not Access.READ_WRITE:
        return [int(present)] * len(_PARTS)
    least, most, step = (int(each or 1) for each in (feature.minimum, feature.maximum, feature.increment))
    return [max(least, least + (most // part - least) // step * step) for part in _PARTS]


def _measure(camera: Camera, config: BenchConfig, cell: Cell) -> Cell:
    camera.stop()
    features = camera.features
    wanted = {"PixelFormat": cell.pixel_format, "Width": cell.width_px, "Height": cell.height_px}
    try:
        apply(features, {name: value for name, value in wanted.items() if features[name] != value})
        if "AcquisitionFrameRate" in features:
            rate = features.describe("AcquisitionFrameRate")
            if rate.access is Access.READ_WRITE and rate.maximum is not None:
                features["AcquisitionFrameRate"] = rate.maximum
        return _counted(camera, config, cell)
    except CameraLostError:
        raise
    except HeliographError as error:
        return replace(cell, error=str(error))


def _counted(camera: Camera, config: BenchConfig, cell: Cell) -> Cell:
    frames = camera.frames(timeout_s=config.timeout_s)
    _pass(frames, _WARM_UP_S)
    before, own_s, others_s = camera.statistics, time.process_time(), _children_s()
    count, passed_s = _pass(frames, config.duration_s)
    own_s, others_s = time.process_time() - own_s, _children_s() - others_s
    after = camera.statistics
    packet_bytes = int(camera.features[_PACKET_SIZE]) if _PACKET_SIZE in camera.features else _PACKET_BYTES
    size_bytes = PixelFormat[cell.pixel_format].payload_bytes(cell.width_px, cell.height_px)
    mb_per_s = count * size_bytes / passed_s / 1e6
    return replace(
        cell,
        frames=count,
        frame_rate_hz=count / passed_s,
        mb_per_s=mb_per_s,
        link_percent=100 * mb_per_s / link_mb_per_s(config.link_mbit_per_s, packet_bytes),
        cpu_percent=100 * own_s / passed_s,
        receiver_cpu_percent=100 * others_s / passed_s,
        dropped_frames=after.dropped_frames - before.dropped_frames,
        incomplete_frames=after.incomplete_frames - before.incomplete_frames,
        missing_packets=after.missing_packets - before.missing_packets,
    )


def _pass(frames: Iterator[Frame], duration_s: float) -> tuple[int, float]:
    """Take frames for so long; give how many, and the seconds from before the first to after the last.

    Raises `FrameTimeoutError` when none comes.
    """
    begin_s, count = time.monotonic(), 0
    for _ in frames:
        count += 1
        passed_s = time.monotonic() - begin_s
        if passed_s >= duration_s:
            return count, passed_s
    if not count:
        raise FrameTimeoutError("the camera's pictures were used up before they could be counted")
    return count, time.monotonic() - begin_s


def _children_s() -> float:
    """Give the processor time of this process's children that run (proc(5): fields 4, 14 and 15 of stat)."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[1]) == os.getpid():
                ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
