"""The `picamera2` camera: a sensor at a Raspberry Pi's camera port."""

from __future__ import annotations

import importlib
import threading
from concurrent.futures import CancelledError
from functools import cached_property
from typing import Any

import numpy as np

from heliograph.cameras.picamera2.buffer import PROCESSED, Layout, Region, picture
from heliograph.cameras.picamera2.control import Control, Measured
from heliograph.cameras.picamera2.sensor import inspect, of_sensor, raw_configuration
from heliograph.cameras.picamera2.settings import Settings, controls, crop, decibels, frame_duration, shortest_frame_ns
from heliograph.cameras.picamera2.timing import (
    boottime_ahead_ns,
    exposure_shift_ns,
    line_time_ns_of,
    shutter_delay_ns,
)
from heliograph.cameras.setup import facts_of
from heliograph.cameras.steering import PhaseSteering, add_steering_features
from heliograph.core import (
    CameraBase,
    CameraLostError,
    Features,
    FeatureValueError,
    Frame,
    FrameTimeoutError,
    StreamStatistics,
)

# One exposes, one is processed, one waits for the program, one is being copied.
_BUFFERS = 4
_SETTLE_S = 1.0
_TOLD = (
    "ColourGains",
    "ColourTemperature",
    "DigitalGain",
    "FocusFoM",
    "FrameDuration",
    "LensPosition",
    "Lux",
    "SensorBlackLevels",
)


class PiCamera(CameraBase):
    """A camera at the Pi's own port.

    Frames are copied once, out of the buffer that the hardware writes, and the buffer goes back before `grab` returns.
    They are taken by one thread; features may be set by any.
    """

    def __init__(self, picam2: Any, packed: bool = False) -> None:
        self._picam2 = picam2
        self._packed = packed
        sensor = inspect(picam2, packed)
        self._facts = facts_of(sensor.model)
        self._control = Control(sensor, lambda: self._running, self._apply)
        self._running = self._closed = False
        self._duration_us = 0
        self._times_ns: tuple[float, ...] = ()
        self._steering = self._steered()
        self._statistics = StreamStatistics()
        # Buffers are libcamera's: they go when another thread stops the camera to set it another way.
        self._copying = threading.Lock()
        self._last_id = 0
        self._last_start_ns: int | None = None

    @property
    def name(self) -> str:
        """The sensor's model, such as imx477."""
        return self._control.sensor.model

    @cached_property  # IPython completes behind no plain property
    def features(self) -> Features:
        """Identity, format, region, binning, mirroring, rate, exposure, gain and white balance."""
        return self._control.features

    @property
    def streaming(self) -> bool:
        """True while acquisition runs."""
        return self._running

    @property
    def statistics(self) -> StreamStatistics:
        """Counts since acquisition started."""
        return self._statistics

    def start(self) -> None:
        """Start acquisition; does nothing when it runs.

        Raises `FeatureValueError` when no mode of the sensor holds the region, or libcamera makes another size of it;
        `CameraLostError` when it fails.
        """
        if self._running:
            return
        if self._closed:
            raise CameraLostError(f"{self.name} is closed: open it again")
        settings, known = self._control.settings, self._control.sensor.known_controls
        self._control.best_mode(settings)
        try:
            self._configure(settings)
            # What configure sets for itself comes first: its crop is replaced.
            area = settings.area(self._control.sensor.field)
            self._retime()
            self._picam2.set_controls(crop(area, known) | controls(settings, self._control.mode, known))
            self._picam2.start()
        except (RuntimeError, OSError) as error:
            raise CameraLostError(f"picamera2 cannot start {self.name}: {error}") from error
        self._statistics = StreamStatistics()
        self._last_id = self._duration_us = 0
        self._last_start_ns = None
        # A Pi does not fall asleep while it takes pictures.
        self._boottime_ahead_ns = boottime_ahead_ns()
        if self._steering is not None:
            self._steering.restart()
        self._running = True

    def _steered(self) -> PhaseSteering | None:
        """Let frames be steered where the sensor's line time is known."""
        line_time_ns = line_time_ns_of(self._control.mode, self._facts)
        if line_time_ns is None:
            return None
        steering = PhaseSteering(line_time_ns, 1e9 / float(self.features["AcquisitionFrameRate"]), line_time_ns)
        add_steering_features(self._control.features, steering)
        return steering

    def _configure(self, settings: Settings) -> None:
        mode = self._control.mode
        if settings.pixel_format not in PROCESSED:
            configuration = raw_configuration(self._picam2, mode, self._packed, buffer_count=_BUFFERS)
            self._stream = "raw"
        else:
            configuration = self._processed_configuration(settings)
            self._stream = "main"
        wanted = configuration[self._stream]["size"]
        self._picam2.configure(configuration)
        made = self._picam2.camera_configuration()[self._stream]
        if tuple(made["size"]) != tuple(wanted):
            raise FeatureValueError(
                f"{settings.width}x{settings.height} cannot be had of {mode.name}: libcamera makes "
                f"{made['size'][0]}x{made['size'][1]} of it; change Width, Height or SensorMode"
            )
        self._layout = Layout(made["format"], made["size"][0], made["size"][1], made["stride"])
        self._region = Region(0, 0, settings.width, settings.height)
        if self._stream == "raw":
            area = settings.area(self._control.sensor.field)
            x, y = (round(each / mode.scale) for each in (area.x - mode.area.x, area.y - mode.area.y))
            self._region = Region(x, y, settings.width, settings.height)

    def _processed_configuration(self, settings: Settings) -> dict[str, Any]:
        # picamera2 knows even sizes only (picamera2.py, check_stream_config): what is over is cut off with the padding.
        size = (settings.width + settings.width % 2, settings.height + settings.height % 2)
        others: dict[str, Any] = {}
        if settings.reverse_x or settings.reverse_y:
            transform = importlib.import_module("libcamera").Transform
            others["transform"] = transform(hflip=settings.reverse_x, vflip=settings.reverse_y)
        configuration: dict[str, Any] = self._picam2.create_still_configuration(
            main={"format": PROCESSED[settings.pixel_format], "size": size},
            raw=None,
            sensor=of_sensor(self._control.mode),
            buffer_count=_BUFFERS,
            **others,
        )
        return configuration

    def _apply(self) -> None:
        if self._running:
            self._retime()
            control = self._control
            given = controls(control.settings, control.mode, control.sensor.known_controls, self._duration_us)
            self._picam2.set_controls(given)

    def _retime(self) -> None:
        """Tell the steering of another period or other limits."""
        settings, mode = self._control.settings, self._control.mode
        line_time_ns = line_time_ns_of(mode, self._facts)
        if self._steering is None or line_time_ns is None:
            return
        period_ns = 1e9 / float(self.features["AcquisitionFrameRate"])
        times_ns = (period_ns, shortest_frame_ns(settings, mode, line_time_ns), line_time_ns)
        if times_ns != self._times_ns:
            self._times_ns = times_ns
            self._duration_us = 0
            self._steering.retime(*times_ns[:2], line_time_ns=line_time_ns)

    def _steer(self, start_ns: int) -> None:
        if self._steering is None:
            return
        duration_ns = self._steering.observe(start_ns)
        if duration_ns is not None:
            # libcamera rounds down to microseconds, the sensor's helper to lines.
            self._duration_us = round((duration_ns + self._steering.line_time_ns / 2) / 1e3)
            control = self._control
            self._picam2.set_controls(frame_duration(control.settings, control.mode, self._duration_us))

    def stop(self) -> None:
        """Stop acquisition."""
        if self._running:
            self._running = False
            # Whoever waits for a frame is told; and a stop would wait behind him for a frame that may never come.
            self._picam2.cancel_all_and_flush()
            with self._copying:
                self._picam2.stop()

    def close(self) -> None:
        """Stop, and give the camera back."""
        if not self._closed:
            self._closed = True
            try:
                self.stop()
            finally:
                self._picam2.close()

    def grab(self, timeout_s: float = 5.0) -> Frame:
        """Give the frame that waits, or the next one.

        Raises `FrameTimeoutError`, and `CameraLostError` when another thread stops the camera meanwhile.
        """
        self.start()
        layout = self._layout
        request = self._request(timeout_s)
        try:
            with self._copying:
                if not self._running or self._layout is not layout:
                    raise CameraLostError(f"{self.name} was stopped while a frame was waited for")
                metadata, data = request.get_metadata(), self._copied(request)
        finally:
            request.release()
        return self._frame(data, metadata)

    def _copied(self, request: Any) -> Any:
        mapped = importlib.import_module("picamera2").MappedArray(request, self._stream, reshape=False, write=False)
        with mapped as buffer:
            pixel_format = self._control.settings.pixel_format
            return picture(np.asarray(buffer.array), self._layout, self._region, pixel_format)

    def _request(self, timeout_s: float) -> Any:
        job = self._picam2.capture_request(wait=False)
        try:
            return job.get_result(timeout=timeout_s)
        except CancelledError:
            raise CameraLostError(f"{self.name} was stopped while a frame was waited for") from None
        except TimeoutError:
            # Else the job would take a frame later that nobody gives back; if it has one at this moment, that is ours.
            self._picam2.cancel_all_and_flush()
        try:
            return job.get_result(timeout=_SETTLE_S)
        except (TimeoutError, CancelledError):
            raise FrameTimeoutError(
                f"{self.name} gave no frame within {timeout_s:g} s: "
                "raise the timeout above the exposure, or check the cable"
            ) from None

    def _frame(self, data: Any, metadata: dict[str, Any]) -> Frame:
        settings = self._control.settings
        exposure_us, gain_db = float(metadata["ExposureTime"]), decibels(metadata["AnalogueGain"])
        self._control.measured = Measured(
            exposure_us, gain_db, metadata.get("ColourGains"), metadata.get("LensPosition")
        )
        mode, area = self._control.mode, settings.area(self._control.sensor.field)
        delay_ns = shutter_delay_ns(mode, self._facts)
        shift_ns = exposure_shift_ns(mode, area, exposure_us, delay_ns)
        start_ns = metadata["SensorTimestamp"] + self._boottime_ahead_ns + shift_ns
        self._steer(start_ns)
        frame_id = self._next_id(start_ns, metadata.get("FrameDuration", 0) * 1000)
        wall_ns = metadata.get("FrameWallClock")
        return Frame(
            data,
            settings.pixel_format,
            id=frame_id,
            timestamp_ns=start_ns,
            exposure_us=exposure_us,
            gain_db=gain_db,
            wall_time_ns=None if wall_ns is None else wall_ns + shift_ns,
            line_time_ns=None if delay_ns is None else round(delay_ns * settings.binning / mode.scale),
            temperature_c=metadata.get("SensorTemperature"),
            metadata={name: metadata[name] for name in _TOLD if name in metadata},
        )

    def _next_id(self, start_ns: int, duration_ns: int) -> int:
        """Count the frames that the sensor has given since the last one, taken or not."""
        steps = 1
        if self._last_start_ns is not None and duration_ns > 0:
            steps = max(1, round((start_ns - self._last_start_ns) / duration_ns))
        self._last_start_ns = start_ns
        self._last_id += steps
        before = self._statistics
        self._statistics = StreamStatistics(before.frames + 1, dropped_frames=before.dropped_frames + steps - 1)
        return self._last_id
