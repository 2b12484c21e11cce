"""Where a part of the node puts what it measures and what happens to it."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from heliograph.link.channel import Stream, Value
from heliograph.link.event import Severity


class Recorder(Protocol):
    """Takes the samples of one stream; never blocks for long, and counts what it cannot take."""

    def sample(self, values: tuple[Value, ...], boot_time_ns: int | None = None) -> None:
        """Take one sample, in the order of the stream's channels; of now unless a time is given."""

    def samples(self, boot_times_ns: npt.NDArray[np.int64], rows: npt.NDArray[Any]) -> None:
        """Take many samples: times of shape (n,), rows of `Stream.dtype`, shape (n,)."""


class Declare(Protocol):
    """Makes a stream known and gives the place for its samples."""

    def __call__(self, stream: Stream) -> Recorder:
        """Declare it once; raises `SettingError` for a name that is taken."""


class Emit(Protocol):
    """Lets something that happened be known, on board and on the ground."""

    def __call__(self, severity: Severity, name: str, message: str, **arguments: Any) -> None:
        """Never blocks for long, never raises."""
