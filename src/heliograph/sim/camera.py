"""The simulated camera: a free-running sensor that somebody may or may not be quick enough for."""

from __future__ import annotations

import threading
import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import NoReturn, Protocol

import numpy as np

from heliograph.core import (
    Access,
    CameraBase,
    CameraLostError,
    Feature,
    FeatureKind,
    Frame,
    FrameTimeoutError,
    LocalFeatures,
    StreamStatistics,
)
from heliograph.sim.automatic import automatic
from heliograph.sim.clock import BoottimeClock, SensorClock
from heliograph.sim.control import Control
from heliograph.sim.exposure import SettingsHistory
from heliograph.sim.light import add_light_features
from heliograph.sim.rendering import PictureSource
from heliograph.sim.sensor import (
    SensorModel,
    SensorSettings,
    line_time_ns,
    rate_hz,
    row_delay_ns,
    shortest_period_ns,
    whole_ns,
)
from heliograph.sim.thermal import Thermometer
from heliograph.sim.timeline import FrameSequence, Timeline


class Steering(Protocol):
    """What decides how long frames last, from when they began; whoever puts a camera together brings one."""

    enabled: bool

    def retime(self, period_ns: float, shortest_ns: float, longest_ns: float, line_time_ns: float) -> None:
        """Take the period that is wanted, and what the sensor can do."""
        ...

    def restart(self) -> None:
        """Forget what the sensor did before it was started."""
        ...

    def observe(self, start_ns: int) -> int | None:
        """Take the start of a frame as it was stamped; give a frame duration to ask the sensor for."""
        ...


@dataclass(frozen=True, slots=True)
class Oscillator:
    """What a simulated sensor's time is like."""

    phase_ns: int = 0
    """From the start of acquisition to that of the first exposure."""
    drift_ppm: float = 0.0
    """By how many millionths periods are too long."""
    jitter_ns: float = 0.0
    """Standard deviation of timestamps; what a frame's metadata call its true time has none."""


class SimCamera(CameraBase):
    """A camera whose sensor exposes by the clock, whether or not somebody takes its frames.

    Row r of frame k begins to expose at start + phase + (k-1) * period * (1 + drift) + r * line time; frames last whole
    lines, so a period that is none is kept on average. `grab` gives the oldest frame not yet taken of those the driver
    still holds: the newest whole ones, as many as it has buffers, and those to come. Frames that nobody took in time,
    because the program or the rendering was slow, are skipped: ids show a gap and `statistics.dropped_frames` counts
    them. Settings act on frames that begin after the change, frame durations some frames later.

    Frames are taken by one thread; features may be set by any.
    """

    def __init__(
        self,
        name: str,
        pictures: PictureSource,
        model: SensorModel,
        clock: SensorClock | None = None,
        seed: int = 1,
        oscillator: Oscillator | None = None,
        serial: str = "",
        steering: Steering | None = None,
    ) -> None:
        self._name = name
        self._pictures = pictures
        self._model = model
        self._clock = clock or BoottimeClock()
        self._seed = seed
        self._oscillator = oscillator or Oscillator()
        self._steering = steering
        self._thermometer = Thermometer(seed, self._clock.now_ns())
        self._acquisition_start_ns = 0
        self._sequence: FrameSequence | None = None
        # A frame of before a stop must not count as one of the series that has begun since.
        self._counting = threading.Lock()
        self._last_id = self._frames = self._dropped_frames = 0
        identity = {
            "DeviceVendorName": "Heliograph",
            "DeviceModelName": f"Sim {name} {model.name}".rstrip(),
            "DeviceSerialNumber": serial or f"SIM{zlib.crc32(f'{name}/{seed}'.encode()):08X}",
            "DeviceVersion": "1",
        }
        settings = SensorSettings(
            width=model.width_px,
            height=model.height_px,
            exposure_us=model.default_exposure_us,
            wanted_rate_hz=model.default_rate_hz,
        )
        self._control = Control(model, settings, identity, lambda: self.streaming)
        add_light_features(self._control)
        self._control.features.add(_TEMPERATURE, read=lambda: self._thermometer.celsius(self._clock.now_ns()))
        self._history = SettingsHistory(settings)

    @property
    def name(self) -> str:
        """The scene's name."""
        return self._name

    @cached_property  # IPython completes behind no plain property
    def features(self) -> LocalFeatures:
        """Identity, region, binning, mirroring, format, rate, exposure, gain, black level, white balance and more."""
        return self._control.features

    @property
    def statistics(self) -> StreamStatistics:
        """Counts since acquisition started."""
        return StreamStatistics(frames=self._frames, dropped_frames=self._dropped_frames)

    @property
    def streaming(self) -> bool:
        """True while the sensor runs."""
        return self._sequence is not None

    def start(self) -> None:
        """Start the sensor; frame 1 begins the phase after this. Does nothing when it runs already."""
        if self._sequence is None:
            self._started()

    def _started(self) -> FrameSequence:
        settings = self._control.settings
        self._pictures.prepare(settings)
        self._acquisition_start_ns = self._clock.now_ns()
        oscillator = self._oscillator
        start_ns = self._acquisition_start_ns + oscillator.phase_ns
        period_ns, line_ns = 1e9 / rate_hz(self._model, settings), line_time_ns(self._model, settings)
        timeline = Timeline(start_ns, period_ns, oscillator.drift_ppm, line_time_ns=line_ns)
        sequence = FrameSequence(timeline, self._model.pipeline_frames)
        with self._counting:
            self._sequence = sequence
            self._history = SettingsHistory(settings)
            self._retime_steering(settings)
            if self._steering:
                self._steering.restart()
            self._last_id = self._frames = self._dropped_frames = 0
        return sequence

    def stop(self) -> None:
        """Stop the sensor."""
        self._sequence = None

    def close(self) -> None:
        """Stop the sensor."""
        self.stop()

    def grab(self, timeout_s: float = 5.0) -> Frame:
        """Give the sensor's next frame when its last row is read out.

        Raises `FrameTimeoutError` when that is too late, `CameraLostError` when another thread stops the sensor.
        """
        return self._taken(timeout_s, self._model.buffers)

    def _latest(self, timeout_s: float) -> Frame:
        return self._taken(timeout_s, buffers=1)

    def _taken(self, timeout_s: float, buffers: int) -> Frame:
        """Give the oldest of the newest frames, as many as there are buffers, that was not taken, or the next."""
        sequence = self._sequence or self._started()
        now_ns = self._clock.now_ns()
        if self._control.settings is not self._history.newest:
            self._change(sequence, self._control.settings, now_ns)
        newest_id = sequence.newest_id(now_ns - whole_ns(self._model, self._history.newest))
        frame_id = max(self._last_id + 1, newest_id - buffers + 1)
        settings = self._history.of(frame_id)
        start_ns = sequence.exposure_start_ns(frame_id)
        ready_ns = start_ns + whole_ns(self._model, settings)
        if ready_ns - now_ns > timeout_s * 1e9:
            self._give_up(ready_ns - now_ns, timeout_s)
        # Rendered while the sensor exposes: its pixels follow from its number and its settings and from nothing else.
        data = self._pictures.picture(settings, frame_id, start_ns - self._acquisition_start_ns, start_ns)
        self._clock.sleep_until_ns(ready_ns)
        if not self._count(sequence, frame_id):
            return self._taken(timeout_s, buffers)
        stamp_ns = start_ns + self._stamp_error_ns(frame_id)
        self._meter(settings)
        self._steer(sequence, stamp_ns)
        return Frame(
            data,
            settings.pixel_format,
            id=frame_id,
            timestamp_ns=stamp_ns,
            clock=self._clock.source,
            exposure_us=settings.exposure_us,
            gain_db=settings.gain_db,
            wall_time_ns=self._clock.wall_time_ns(stamp_ns),
            line_time_ns=row_delay_ns(self._model, settings),
            temperature_c=self._thermometer.celsius(start_ns),
            metadata={"true_time_ns": start_ns, **self._pictures.truth(start_ns - self._acquisition_start_ns)},
        )

    def _count(self, sequence: FrameSequence, frame_id: int) -> bool:
        """Count a frame; False when its series has ended and another one begun."""
        with self._counting:
            if self._sequence is None:
                raise CameraLostError(f"{self._name} was stopped by another thread")
            if self._sequence is sequence:
                self._dropped_frames += frame_id - self._last_id - 1
                self._last_id = frame_id
                self._frames += 1
            return self._sequence is sequence

    def _change(self, sequence: FrameSequence, settings: SensorSettings, now_ns: int) -> None:
        """Give frames that begin after this other settings, and another period once it has passed the pipeline."""
        before, first_id = self._history.newest, sequence.newest_id(now_ns) + 1
        self._history.change(first_id, settings)
        shortest_ns, period_hz = shortest_period_ns(self._model, settings), rate_hz(self._model, settings)
        sequence.stretch(first_id, shortest_ns)
        if (shortest_ns, period_hz) == (shortest_period_ns(self._model, before), rate_hz(self._model, before)):
            return
        self._retime_steering(settings)
        if not (self._steering and self._steering.enabled):
            sequence.request(1e9 / period_hz, shortest_ns, now_ns)

    def _retime_steering(self, settings: SensorSettings) -> None:
        if self._steering:
            period_ns, line_ns = 1e9 / rate_hz(self._model, settings), line_time_ns(self._model, settings)
            self._steering.retime(period_ns, shortest_period_ns(self._model, settings), _LONGEST_FRAME_NS, line_ns)

    def _steer(self, sequence: FrameSequence, stamp_ns: int) -> None:
        duration_ns = self._steering.observe(stamp_ns) if self._steering else None
        if duration_ns is not None:
            shortest_ns = shortest_period_ns(self._model, self._history.newest)
            sequence.request(duration_ns, shortest_ns, self._clock.now_ns())

    def _meter(self, taken: SensorSettings) -> None:
        levels = self._pictures.levels
        if levels is not None:
            self._control.update(lambda settings: automatic(self._model, settings, taken, levels))

    def _stamp_error_ns(self, frame_id: int) -> int:
        if not self._oscillator.jitter_ns:
            return 0
        return round(np.random.default_rng([self._seed, 5, frame_id]).normal(0, self._oscillator.jitter_ns))

    def _give_up(self, wait_ns: int, timeout_s: float) -> NoReturn:
        self._clock.sleep_until_ns(self._clock.now_ns() + round(timeout_s * 1e9))
        raise FrameTimeoutError(
            f"the next frame of {self._name} is whole in {wait_ns / 1e9:.3g} s, waited for {timeout_s:g} s: "
            "raise the timeout or the frame rate, or shorten the exposure"
        )


# A longer frame than this, the lowest rate's, no request of anybody makes.
_LONGEST_FRAME_NS = 10_000_000_000
_TEMPERATURE = Feature(
    "DeviceTemperature",
    FeatureKind.FLOAT,
    "DeviceControl",
    "Temperature of the sensor: it warms up and follows a simulated room.",
    unit="C",
    access=Access.READ_ONLY,
    minimum=-40.0,
    maximum=125.0,
)
