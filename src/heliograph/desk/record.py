"""Records every frame of a camera: a thread writes, so that a slow disk does not hold up the stream."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from heliograph.core import Camera, CameraLostError, Frame, FrameTimeoutError, OutputError, SettingError
from heliograph.core.settings import snapshot
from heliograph.desk.medium import check_medium
from heliograph.desk.spool import Spool, beside, part_of

# In turns, so that a Ctrl-C is obeyed while no frame comes.
_TURN_S = 0.5
_PAUSE_S = 0.1


@dataclass(frozen=True, slots=True)
class RecordConfig:
    """What is to be recorded; raises `SettingError` when it cannot.

    >>> RecordConfig(Path("flight.mkv"), count=100).duration_s
    inf
    """

    output: Path
    """`.npy`, `.tif`, `.mkv`, or a folder of PNG pictures when there is no suffix."""
    count: int | None = None
    duration_s: float = math.inf
    timeout_s: float = 5.0
    """How long to wait for a frame before the recording ends."""
    memory_bytes: int = 256_000_000
    """Frames that wait for the disk take up to this much memory; then frames are dropped, and counted."""

    def __post_init__(self) -> None:
        if self.count is not None and self.count < 1:
            raise SettingError(f"count cannot be {self.count}: it must be at least 1")
        for name in ("duration_s", "timeout_s", "memory_bytes"):
            if not getattr(self, name) > 0:
                raise SettingError(f"{name} cannot be {getattr(self, name)}: it must be above 0")


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording so far, or when it has ended."""

    path: Path
    pixel_format: str = ""
    """Format of the first frame."""
    width_px: int = 0
    height_px: int = 0
    frames: int = 0
    size_bytes: int = 0
    """Bytes of the frames as they came, before any compression."""
    lost_frames: int = 0
    """Gaps in the camera's frame ids."""
    dropped_frames: int = 0
    """Frames that found no room in memory because the disk or the encoder was too slow."""
    missing_packets: int = 0
    duration_s: float = 0.0
    reason: str = ""
    """Why it ended before what was asked for; empty when it did not."""


def check_output(path: Path) -> None:
    """Raise when there cannot be a recording at `path`: better said before the camera is opened.

    `OutputError` for a name that is taken or cannot be, `MissingDependencyError` when a library is not installed.
    """
    check_medium(path)
    if not path.parent.is_dir():
        raise OutputError(f"cannot record {path}: there is no folder {path.parent}; make it first")
    for taken in (path, *beside(path)):
        if taken.exists():
            raise OutputError(f"cannot record {path}: {taken} exists already; choose another name")
    if part_of(path).exists():
        raise OutputError(f"cannot record {path}: {part_of(path)} is left of one that was cut off; move it away first")


def record(
    camera: Camera,
    config: RecordConfig,
    progress: Callable[[Recording], None] | None = None,
    stop: threading.Event | None = None,
) -> Recording:
    """Record frames until there are as many as asked for, the time is over, or `stop` is set.

    >>> with heliograph.open("gige://cam-1") as camera:                         # doctest: +SKIP
    ...     record(camera, RecordConfig(Path("flight.mkv"), count=100)).lost_frames
    0

    The recording appears under its name when it is whole and on the disk; until then it is `NAME-part.SUFFIX`.
    Raises `OutputError` when it cannot be written, `FrameTimeoutError` or `CameraLostError` when not one frame came.
    """
    check_output(config.output)
    settings = snapshot(camera.features)
    state = Recording(config.output)
    with Spool(config.output, config.count, config.memory_bytes) as spool:
        for state in _offered(camera, config, spool, stop or threading.Event()):
            if progress:
                progress(state)
            if _complete(state, config) or spool.failed:
                break
        if not (state.reason or _complete(state, config)) and math.isfinite(config.count or config.duration_s):
            state = replace(state, reason=f"ended after {state.frames} frames")
        if state.frames:
            told = {"camera": camera.name, **asdict(state), "path": config.output.name, "settings": settings}
            spool.finish(told)
    return state


def _complete(state: Recording, config: RecordConfig) -> bool:
    return state.frames == config.count or state.duration_s >= config.duration_s


def _offered(camera: Camera, config: RecordConfig, spool: Spool, stop: threading.Event) -> Iterator[Recording]:
    """Offer every frame to the spool, and give what has been recorded after each."""
    state = Recording(config.output)
    last_id, begin_s = 0, 0.0
    try:
        for frame in _frames(camera, config.timeout_s, stop):
            if not state.pixel_format:
                begin_s, name = time.monotonic(), frame.pixel_format.name
                state = replace(state, pixel_format=name, width_px=frame.width, height_px=frame.height)
            kept = spool.offer(frame)
            state = replace(
                state,
                frames=state.frames + kept,
                size_bytes=state.size_bytes + kept * frame.data.nbytes,
                lost_frames=state.lost_frames + (max(0, frame.id - last_id - 1) if last_id else 0),
                dropped_frames=state.dropped_frames + (not kept),
                missing_packets=state.missing_packets + kept * frame.missing_packets,
                duration_s=time.monotonic() - begin_s,
            )
            last_id = frame.id
            del frame  # it may be a lease of the camera's buffer
            yield state
    except (FrameTimeoutError, CameraLostError) as error:
        if not state.frames:
            raise
        yield replace(state, reason=str(error))


def _frames(camera: Camera, timeout_s: float, stop: threading.Event) -> Iterator[Frame]:
    """Give every frame until `stop`, the source's end, or a camera that is silent or lost for `timeout_s`."""
    last_s = time.monotonic()
    while not stop.is_set():
        try:
            for frame in camera.frames(timeout_s=min(_TURN_S, timeout_s)):
                yield frame
                del frame
                if stop.is_set():
                    return
                last_s = time.monotonic()
            return
        except (FrameTimeoutError, CameraLostError):
            if time.monotonic() - last_s >= timeout_s:
                raise
            stop.wait(_PAUSE_S)
