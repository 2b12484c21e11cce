"""The features of SFNC's AcquisitionControl that belong to the stream: modes, start and stop, triggers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from heliograph.core import Feature, FeatureAccessError, FeatureKind, LocalFeatures, Visibility
from heliograph.gige.device.trigger import MOST_TRIGGERS, TriggerGate

_CATEGORY = "AcquisitionControl"
_MOST_FRAMES = 65_535
_LONGEST_DELAY_US = 10_000_000.0


@dataclass(frozen=True, slots=True)
class Commands:
    """What the commands of AcquisitionControl do."""

    start: Callable[[], None]
    stop: Callable[[], None]
    abort: Callable[[], None]
    trigger: Callable[[str, int], bool]
    """Takes source and time in ns of CLOCK_BOOTTIME; False when too many triggers wait."""


class AcquisitionControl:
    """Which of the sensor's frames are sent, and how many."""

    def __init__(self, features: LocalFeatures, commands: Commands) -> None:
        self._features = features
        self._commands = commands
        self._values: dict[str, Any] = {
            "AcquisitionMode": "Continuous",
            "AcquisitionFrameCount": 1,
            "TriggerSelector": "FrameStart",
            "TriggerMode": "Off",
            "TriggerSource": "Software",
            "TriggerActivation": "RisingEdge",
            "TriggerDelay": 0.0,
        }
        self._add_mode()
        self._add_trigger()

    @property
    def frame_count(self) -> int | None:
        """Frames until acquisition stops by itself; None when it does not."""
        counts = {"SingleFrame": 1, "MultiFrame": int(self._values["AcquisitionFrameCount"])}
        return counts.get(self._values["AcquisitionMode"])

    def gate(self) -> TriggerGate | None:
        """Give what lets triggered frames pass; None when all pass."""
        if self._values["TriggerMode"] == "Off":
            return None
        return TriggerGate(self._values["TriggerSource"], round(self._values["TriggerDelay"] * 1e3))

    def _add_mode(self) -> None:
        modes = {"Continuous": 0, "SingleFrame": 1, "MultiFrame": 2}
        self._choice("AcquisitionMode", "Frames until AcquisitionStop, one, or AcquisitionFrameCount.", modes)
        count = Feature(
            "AcquisitionFrameCount",
            FeatureKind.INTEGER,
            _CATEGORY,
            "Frames of an acquisition in MultiFrame mode.",
            minimum=1,
            maximum=_MOST_FRAMES,
            increment=1,
            locks_while_streaming=True,
        )
        self._add(count)
        self._command("AcquisitionStart", "Starts the stream of frames.", self._commands.start)
        self._command("AcquisitionStop", "Stops the stream at the end of the present frame.", self._commands.stop)
        self._command("AcquisitionAbort", "Stops the stream within the present frame.", self._commands.abort)

    def _add_trigger(self) -> None:
        self._choice("TriggerSelector", "Kind of trigger that the Trigger features are about.", {"FrameStart": 0})
        on = "On: each trigger gives one frame, the first whose exposure starts at its time or after."
        self._choice("TriggerMode", on, {"Off": 0, "On": 1}, "TriggerSelector")
        sources = {"Software": 0, "Action0": 1, "Action1": 2}
        self._choice("TriggerSource", "What triggers.", sources, "TriggerSelector")
        self._choice("TriggerActivation", "What of the source triggers.", {"RisingEdge": 0}, "TriggerSelector")
        delay = Feature(
            "TriggerDelay",
            FeatureKind.FLOAT,
            _CATEGORY,
            "Added to the time of each trigger.",
            unit="us",
            visibility=Visibility.EXPERT,
            minimum=0.0,
            maximum=_LONGEST_DELAY_US,
            locks_while_streaming=True,
            selected_by="TriggerSelector",
        )
        self._add(delay)
        self._command("TriggerSoftware", "Triggers now.", self._trigger)

    def _trigger(self) -> None:
        if self._values["TriggerMode"] == "Off" or self._values["TriggerSource"] != "Software":
            raise FeatureAccessError("TriggerSoftware needs TriggerMode=On and TriggerSource=Software")
        if not self._commands.trigger("Software", time.clock_gettime_ns(time.CLOCK_BOOTTIME)):
            raise FeatureAccessError(f"{MOST_TRIGGERS} triggers wait for a frame already: trigger less often")

    def _choice(self, name: str, description: str, entries: Mapping[str, int], selected_by: str = "") -> None:
        feature = Feature(
            name,
            FeatureKind.ENUMERATION,
            _CATEGORY,
            description,
            entries=MappingProxyType(entries),
            locks_while_streaming=len(entries) > 1,
            selected_by=selected_by,
        )
        self._add(feature)

    def _add(self, feature: Feature) -> None:
        name = feature.name
        self._features.add(
            feature,
            read=lambda: self._values[name],
            write=lambda value: self._values.__setitem__(name, value),
        )

    def _command(self, name: str, description: str, run: Callable[[], None]) -> None:
        feature = Feature(name, FeatureKind.COMMAND, _CATEGORY, description)
        self._features.add(feature, write=lambda _: run())
