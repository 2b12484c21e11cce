"""The simulated camera: a free-running sensor that somebody may or may not be quick enough for."""

from __future__ import annotations

import zlib
from typing import NoReturn

from heliograph.core import CameraBase, Features, Frame, FrameTimeoutError, StreamStatistics
from heliograph.sim.clock import BoottimeClock, SensorClock
from heliograph.sim.control import Control
from heliograph.sim.rendering import PictureSource
from heliograph.sim.sensor import SensorModel, SensorSettings, rate_hz, whole_ns
from heliograph.sim.timeline import Timeline


class SimCamera(CameraBase):
    """A camera whose sensor exposes by the clock, whether or not somebody takes its frames.

    Row r of frame k begins to expose at start + phase + (k-1) * period * (1 + drift) + r * line time. `grab` gives the
    oldest frame not yet taken of those the driver still holds: the newest whole ones, as many as it has buffers, and
    those to come. Frames that nobody took in time, because the program or the rendering was slow, are skipped: ids
    show a gap and `statistics.dropped_frames` counts them.

    Frames are taken by one thread; features may be set by any.
    """

    def __init__(
        self,
        name: str,
        pictures: PictureSource,
        model: SensorModel,
        clock: SensorClock | None = None,
        seed: int = 1,
        phase_ns: int = 0,
        drift_ppm: float = 0.0,
    ) -> None:
        self._name = name
        self._pictures = pictures
        self._model = model
        self._clock = clock or BoottimeClock()
        self._phase_ns = phase_ns
        self._drift_ppm = drift_ppm
        self._acquisition_start_ns = 0
        self._timeline: Timeline | None = None
        self._timed: SensorSettings | None = None
        self._whole_ns = 0
        self._last_id = self._frames = self._dropped_frames = 0
        identity = {
            "DeviceVendorName": "Heliograph",
            "DeviceModelName": f"Sim {name}",
            "DeviceSerialNumber": f"SIM{zlib.crc32(f'{name}/{seed}'.encode()):08X}",
            "DeviceVersion": "1",
        }
        settings = SensorSettings(
            width=model.width_px,
            height=model.height_px,
            exposure_us=model.default_exposure_us,
            wanted_rate_hz=model.default_rate_hz,
        )
        self._control = Control(model, settings, identity, lambda: self._timeline is not None)

    @property
    def name(self) -> str:
        """The scene's name."""
        return self._name

    @property
    def features(self) -> Features:
        """Identity, region, binning, mirroring, format, rate, exposure, gain and black level."""
        return self._control.features

    @property
    def statistics(self) -> StreamStatistics:
        """Counts since acquisition started."""
        return StreamStatistics(frames=self._frames, dropped_frames=self._dropped_frames)

    @property
    def streaming(self) -> bool:
        """True while the sensor runs."""
        return self._timeline is not None

    def start(self) -> None:
        """Start the sensor; frame 1 begins the phase after this. Does nothing when it runs already."""
        if self._timeline is None:
            self._started()

    def _started(self) -> Timeline:
        settings = self._control.settings
        self._pictures.prepare(settings)
        self._acquisition_start_ns = self._clock.now_ns()
        period_ns = 1e9 / rate_hz(self._model, settings)
        timeline = Timeline(self._acquisition_start_ns + self._phase_ns, period_ns, self._drift_ppm)
        self._timeline = timeline
        self._last_id = self._frames = self._dropped_frames = 0
        return timeline

    def stop(self) -> None:
        """Stop the sensor."""
        self._timeline = None

    def close(self) -> None:
        """Stop the sensor."""
        self.stop()

    def grab(self, timeout_s: float = 5.0) -> Frame:
        """Give the sensor's next frame when its last row is read out.

        Raises `FrameTimeoutError` when that is too late.
        """
        return self._taken(timeout_s, self._model.buffers)

    def _latest(self, timeout_s: float) -> Frame:
        return self._taken(timeout_s, buffers=1)

    def _taken(self, timeout_s: float, buffers: int) -> Frame:
        """Give the oldest of the newest frames, as many as there are buffers, that was not taken, or the next."""
        timeline = self._timeline or self._started()
        settings = self._control.settings
        if settings is not self._timed:
            timeline = self._retimed(timeline, settings)
        now_ns = self._clock.now_ns()
        newest_id = timeline.newest_id(now_ns - self._whole_ns)
        frame_id = max(self._last_id + 1, newest_id - buffers + 1)
        start_ns = timeline.exposure_start_ns(frame_id)
        ready_ns = start_ns + self._whole_ns
        if ready_ns - now_ns > timeout_s * 1e9:
            self._give_up(ready_ns - now_ns, timeout_s)
        # Rendered while the sensor exposes: its pixels follow from the settings at this moment and from nothing else.
        since_ns = start_ns - self._acquisition_start_ns
        data = self._pictures.picture(settings, frame_id, since_ns, start_ns)
        self._clock.sleep_until_ns(ready_ns)
        self._dropped_frames += frame_id - self._last_id - 1
        self._last_id = frame_id
        self._frames += 1
        return Frame(
            data,
            settings.pixel_format,
            id=frame_id,
            timestamp_ns=start_ns,
            clock=self._clock.source,
            exposure_us=settings.exposure_us,
            gain_db=settings.gain_db,
            metadata={"true_time_ns": start_ns, **self._pictures.truth(since_ns)},
        )

    def _retimed(self, timeline: Timeline, settings: SensorSettings) -> Timeline:
        """Give the timeline of changed settings: a new period begins with the last frame taken."""
        self._timed = settings
        self._whole_ns = whole_ns(self._model, settings)
        period_ns = 1e9 / rate_hz(self._model, settings)
        if timeline.period_ns != period_ns:
            timeline = self._timeline = timeline.retimed(max(1, self._last_id), period_ns)
        return timeline

    def _give_up(self, wait_ns: int, timeout_s: float) -> NoReturn:
        self._clock.sleep_until_ns(self._clock.now_ns() + round(timeout_s * 1e9))
        raise FrameTimeoutError(
            f"the next frame of {self._name} is whole in {wait_ns / 1e9:.3g} s, waited for {timeout_s:g} s: "
            "raise the timeout or the frame rate, or shorten the exposure"
        )
