"""The `replay` camera: pictures and videos from files, as if they came from a sensor.

`replay:///folder/*.png`, `replay:///folder`, `replay://relative/video.mp4?loop=1&rate=10`
"""

from __future__ import annotations

import glob
import os
import re
import threading
import time
import zlib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from heliograph.cameras.footage import Canvas, Footage, Picture, Stills, Video, is_picture
from heliograph.cameras.url import CameraUrl
from heliograph.core import (
    Access,
    CameraBase,
    CameraLostError,
    CameraUrlError,
    Feature,
    FeatureKind,
    Features,
    FeatureValueError,
    Frame,
    FramePolicy,
    FrameTimeoutError,
    LocalFeatures,
    PixelFormat,
    SourceEndedError,
    SourceError,
    SourceNotFoundError,
    StreamStatistics,
    Visibility,
)

_MINIMUM_RATE_HZ = 1e-6
_MAXIMUM_RATE_HZ = 10_000.0
_TOO_SLOW = f"above 0, the slowest is {_MINIMUM_RATE_HZ:g} Hz"


def open_camera(url: CameraUrl) -> ReplayCamera:
    """Open the files that a `replay://` URL names: a file, a folder, or a pattern such as `*.png`.

    Parameters: `loop=1` begins again at the end; `rate` in Hz, 0 for a video's own rate and for stills as fast as
    asked; `canvas=2000x1500` puts every picture, as it is, in the middle of a black one of that size.
    Names sort as people count: `shot_9` before `shot_10`. Write `?` and `%` in a path as %3F and %25.

    Raises `CameraUrlError`, `SourceNotFoundError`, and `SourceError` naming the file that is no picture.
    """
    url.check_parameters("loop", "rate", "canvas")
    rate_hz = url.number("rate", 0)
    if not 0 <= rate_hz <= _MAXIMUM_RATE_HZ:
        raise CameraUrlError(f"rate in {url.text!r} cannot be {rate_hz:g}: possible is 0 to {_MAXIMUM_RATE_HZ:g} Hz")
    if 0 < rate_hz < _MINIMUM_RATE_HZ:
        raise CameraUrlError(f"rate in {url.text!r} cannot be {rate_hz:g}: {_TOO_SLOW}")
    if not url.location:
        raise CameraUrlError("replay:// needs a file, a folder or a pattern: for example replay:///pictures/*.png")
    try:
        files = _files(url.location)
    except SourceNotFoundError:
        raise
    except OSError as error:  # a name on the way that is too long, or a folder that nobody else may look into
        raise SourceError(f"cannot read {url.location}: {error.strerror or error}") from error
    footage: Footage = Video(files[0]) if len(files) == 1 and not is_picture(files[0]) else Stills(files)
    if "canvas" in url.parameters:
        footage = Canvas(footage, *_canvas_px(url))
    return ReplayCamera(url.location, footage, rate_hz, loop=url.number("loop", 0) != 0)


def _canvas_px(url: CameraUrl) -> tuple[int, int]:
    size = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", url.parameters["canvas"])
    if size is None:
        raise CameraUrlError(f"canvas in {url.text!r} is no size: write width and height in px, such as 2000x1500")
    return int(size[1]), int(size[2])


def _files(location: str) -> list[Path]:
    path = Path(location)
    if path.is_dir():
        found = [file for file in path.iterdir() if file.is_file() and is_picture(file)]
        if not found:
            raise SourceNotFoundError(f"no picture in folder {location}: replay needs files that OpenCV reads")
    elif path.exists():
        found = [path]
    else:
        found = [file for file in map(Path, glob.glob(location, recursive=True)) if file.is_file()]  # noqa: PTH207  # a whole pattern, absolute or not, which Path.glob refuses
        if not found:
            missing = "no file matches" if glob.has_magic(location) else "no such file:"
            raise SourceNotFoundError(f"{missing} {location}; check the path in the replay:// URL")
    return sorted(found, key=lambda file: _as_counted(str(file)))


def _as_counted(name: str) -> list[tuple[int, str]]:
    """Sort key that reads the numbers in a name as numbers."""
    return [(int(part), part) if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


class ReplayCamera(CameraBase):
    """A camera whose sensor is a series of files; `open_camera` makes one.

    `start` begins at the first picture. Every picture is delivered, in order, never faster than the rate; its
    timestamp is the moment of delivery. At the end `frames` ends and `grab` raises `SourceEndedError`.
    Pictures may differ in size: each frame has its own, the features tell that of the first. Whoever needs one size,
    as a stream on the network does, gives a canvas. The serial number is that of the path.
    """

    def __init__(self, name: str, footage: Footage, rate_hz: float = 0.0, *, loop: bool = False) -> None:
        self._name = name
        self._footage = footage
        self._rate_hz = rate_hz or footage.rate_hz
        self._loop = loop
        self._stopped = threading.Event()
        self._stopped.set()
        # OpenCV ends the process when a video is closed while it is read.
        self._reading = threading.Lock()
        self._delivered = 0
        self._due_ns: int | None = None
        self._features = _features(self, footage)

    @property
    def name(self) -> str:
        """The path or pattern that is replayed."""
        return self._name

    @cached_property  # IPython completes behind no plain property
    def features(self) -> Features:
        """Identity, size, format and rate; only the rate can be set."""
        return self._features

    @property
    def statistics(self) -> StreamStatistics:
        """Counts since `start`; a replay loses nothing."""
        return StreamStatistics(frames=self._delivered)

    @property
    def streaming(self) -> bool:
        """True between start and stop."""
        return not self._stopped.is_set()

    @property
    def rate_hz(self) -> float:
        """Pictures per second, 0 for as fast as asked."""
        return self._rate_hz

    @rate_hz.setter
    def rate_hz(self, rate_hz: float) -> None:
        if 0 < rate_hz < _MINIMUM_RATE_HZ:
            raise FeatureValueError(f"AcquisitionFrameRate cannot be {rate_hz:g}: {_TOO_SLOW}")
        self._rate_hz = rate_hz

    def start(self) -> None:
        """Begin at the first picture. Does nothing when it runs already."""
        with self._reading:
            if not self.streaming:
                self._footage.rewind()
                self._delivered, self._due_ns = 0, None
                self._stopped.clear()

    def stop(self) -> None:
        """Stop; the next start begins at the first picture."""
        self._stopped.set()

    def close(self) -> None:
        """Stop and close the files."""
        self.stop()
        with self._reading:
            self._footage.close()

    def grab(self, timeout_s: float = 5.0) -> Frame:
        """Give the next picture; raises `SourceEndedError` after the last, `FrameTimeoutError` if it is due too late.

        Raises `SourceError` naming a file that cannot be read, `CameraLostError` when another thread stops the camera.
        """
        self.start()
        return self._next(timeout_s)

    def _next(self, timeout_s: float) -> Frame:
        self._wait_until_due(timeout_s)
        with self._reading:
            if not self.streaming:
                raise CameraLostError(f"{self._name} was stopped by another thread")
            picture = self._read()
            self._delivered += 1
            return Frame(
                picture.data,
                picture.pixel_format,
                id=self._delivered,
                timestamp_ns=time.clock_gettime_ns(time.CLOCK_BOOTTIME),
                wall_time_ns=time.time_ns(),
                metadata={"file": picture.file},
            )

    def _latest(self, timeout_s: float) -> Frame:
        return self._next(timeout_s)

    def _read(self) -> Picture:
        picture = self._footage.read()
        if picture is None and self._loop:
            self._footage.rewind()
            picture = self._footage.read()
        if picture is None:
            raise SourceEndedError(f"{self._name} has no more pictures after {self._delivered}: add ?loop=1 to repeat")
        return picture

    def frames(self, count: int | None = None, timeout_s: float = 5.0, policy: FramePolicy = "all") -> Iterator[Frame]:
        """Give every picture in order, with either policy, `count` of them or up to the last."""
        return self._up_to_the_last(super().frames(count, timeout_s, policy))

    def _up_to_the_last(self, pictures: Iterator[Frame]) -> Iterator[Frame]:
        try:
            yield from pictures
        except SourceEndedError:
            return

    def _wait_until_due(self, timeout_s: float) -> None:
        now_ns = time.monotonic_ns()
        if not self._rate_hz:
            self._due_ns = None
            return
        period_ns = round(1e9 / self._rate_hz)
        due_ns = now_ns if self._due_ns is None else max(self._due_ns + period_ns, now_ns)
        wait_s = (due_ns - now_ns) / 1e9
        if wait_s > timeout_s:
            self._stopped.wait(timeout_s)
            raise FrameTimeoutError(
                f"the next picture of {self._name} is due in {wait_s:.1f} s, waited for {timeout_s:g} s: "
                f"raise the timeout or the rate of {self._rate_hz:g} Hz"
            )
        self._stopped.wait(wait_s)
        self._due_ns = due_ns


def _features(camera: ReplayCamera, footage: Footage) -> LocalFeatures:
    features = LocalFeatures()
    first = footage.first
    width, height = first.pixel_format.size_of(first.data.shape)
    # Who keeps anything of a camera keeps it by this: calibrations, user sets.
    serial = f"RPL{zlib.crc32(os.fsencode(Path(camera.name).absolute())):08X}"
    for name, text in (("VendorName", "Heliograph"), ("ModelName", "Replay"), ("SerialNumber", serial)):
        features.add(Feature(f"Device{name}", FeatureKind.STRING, access=Access.READ_ONLY), read=lambda text=text: text)  # type: ignore[misc]  # mypy cannot infer a lambda's default
    for name, size_px in (("SensorWidth", width), ("SensorHeight", height), ("Width", width), ("Height", height)):
        feature = Feature(
            name,
            FeatureKind.INTEGER,
            "ImageFormatControl",
            "Size of the first picture.",
            unit="px",
            access=Access.READ_ONLY,
            visibility=Visibility.EXPERT if name.startswith("Sensor") else Visibility.BEGINNER,
            minimum=size_px,
            maximum=size_px,
        )
        features.add(feature, read=lambda size_px=size_px: size_px)  # type: ignore[misc]  # as above
    formats = {name: int(PixelFormat.parse(name)) for name in ("Mono8", "Mono16", "BGR8", "BGR16")}
    features.add(
        Feature(
            "PixelFormat",
            FeatureKind.ENUMERATION,
            "ImageFormatControl",
            "Format of the first picture.",
            access=Access.READ_ONLY,
            entries=formats,
        ),
        read=lambda: first.pixel_format.name,
    )
    features.add(
        Feature(
            "AcquisitionFrameRate",
            FeatureKind.FLOAT,
            "AcquisitionControl",
            "Pictures per second; 0 gives them as fast as they are asked for.",
            unit="Hz",
            minimum=0.0,
            maximum=_MAXIMUM_RATE_HZ,
        ),
        read=lambda: camera.rate_hz,
        write=lambda rate_hz: setattr(camera, "rate_hz", rate_hz),
    )
    return features
