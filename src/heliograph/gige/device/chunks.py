"""Which chunks travel with the frames of a camera: the features that choose them, and their values in each frame."""

from __future__ import annotations

from types import MappingProxyType

from heliograph.core import Clock, Feature, FeatureKind, Frame, LocalFeatures, Visibility
from heliograph.gige.chunk import CHUNKS, Chunk

_CATEGORY = "ChunkDataControl"


class ChunkFeatures:
    """ChunkModeActive, ChunkSelector and ChunkEnable; all chunks are enabled until a client says otherwise."""

    def __init__(self, features: LocalFeatures) -> None:
        self._active = False
        self._selected = CHUNKS[0].name
        self._enabled = {chunk.name for chunk in CHUNKS}
        mode = Feature(
            "ChunkModeActive",
            FeatureKind.BOOLEAN,
            _CATEGORY,
            "Sends what is known about a frame behind its image.",
            visibility=Visibility.EXPERT,
            locks_while_streaming=True,
        )
        features.add(mode, read=lambda: self._active, write=lambda active: setattr(self, "_active", active))
        selector = Feature(
            "ChunkSelector",
            FeatureKind.ENUMERATION,
            _CATEGORY,
            "Chunk that ChunkEnable is about.",
            visibility=Visibility.EXPERT,
            entries=MappingProxyType({chunk.name: chunk.id for chunk in CHUNKS}),
        )
        features.add(selector, read=lambda: self._selected, write=lambda name: setattr(self, "_selected", name))
        enable = Feature(
            "ChunkEnable",
            FeatureKind.BOOLEAN,
            _CATEGORY,
            "Whether the selected chunk is sent with the frames it is known of.",
            visibility=Visibility.EXPERT,
            locks_while_streaming=True,
            selected_by="ChunkSelector",
        )
        features.add(enable, read=lambda: self._selected in self._enabled, write=self._enable)

    @property
    def chosen(self) -> tuple[Chunk, ...] | None:
        """Chunks to be sent; None when images travel without any."""
        if not self._active:
            return None
        return tuple(chunk for chunk in CHUNKS if chunk.name in self._enabled)

    def _enable(self, enabled: bool) -> None:
        if enabled:
            self._enabled.add(self._selected)
        else:
            self._enabled.discard(self._selected)


def chunk_values(chunks: tuple[Chunk, ...], frame: Frame, number: int, wall_offset_ns: int) -> dict[Chunk, float]:
    """Give the values of those chunks that are known of a frame; `number` is its FrameID.

    `wall_offset_ns` is CLOCK_REALTIME minus CLOCK_BOOTTIME, for cameras that do not tell their frames' wall time.
    """
    wall_time_ns = frame.wall_time_ns
    if wall_time_ns is None and frame.clock is Clock.BOOTTIME:
        wall_time_ns = frame.timestamp_ns + wall_offset_ns
    known = {
        "Timestamp": frame.timestamp_ns,
        "ExposureTime": frame.exposure_us,
        "Gain": frame.gain_db,
        "FrameID": number,
        "WallTime": wall_time_ns,
        "LineTime": frame.line_time_ns,
        "DeviceTemperature": frame.temperature_c,
    }
    return {chunk: value for chunk in chunks if (value := known[chunk.name]) is not None}
