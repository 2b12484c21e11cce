"""Streams of telemetry and their channels, as they are declared; and how the values of samples are packed."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import Any

import msgspec
import numpy as np

Value = float | int | bool | str

TYPES = {
    "float64": "<f8",
    "float32": "<f4",
    "int64": "<i8",
    "int32": "<i4",
    "uint8": "<u1",
    "bool": "?",
}
"""Types of channels and how numpy packs them; `text` is UTF-8 in `size_bytes` bytes, padded with NUL."""


class Limits(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Values beyond which a channel is in warning or in alarm; None where there is no such limit."""

    alarm_low: float | None = None
    warning_low: float | None = None
    warning_high: float | None = None
    alarm_high: float | None = None


class Channel(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One value of a stream.

    >>> Channel(name="temperature", unit="degC", limits=Limits(warning_high=80.0)).type
    'float64'
    """

    name: str
    type: str = "float64"
    unit: str = ""
    """As it is shown: `degC`, `m/s`, `bytes`, `%`; empty for none."""
    size_bytes: int = 0
    """Room for a text; 0 for every other type."""
    limits: Limits | None = None
    description: str = ""


class Stream(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, dict=True):
    """What one source measures at one time, a few dozen values at most.

    >>> stream = Stream(name="health", channels=(Channel(name="cpu", unit="%"), Channel(name="ok", type="bool")))
    >>> rows = stream.pack([(12.5, True)])
    >>> stream.unpack(rows.tobytes())
    [(12.5, True)]
    """

    name: str
    channels: tuple[Channel, ...]
    description: str = ""
    stale_after_s: float = 0.0
    """After this long without a sample a page shows the values as old; 0 when samples come by chance."""

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """How one sample's values lie in memory, without gaps."""
        return np.dtype(
            [(each.name, f"S{each.size_bytes}" if each.type == "text" else TYPES[each.type]) for each in self.channels]
        )

    @cached_property
    def schema(self) -> str:
        """Name of this declaration: 16 hexadecimal digits that change with anything in it.

        Raises `ValueError` for one that cannot travel, such as a name that is no text.
        """
        # As it arrives at the other end, where a limit of 80 is one of 80.0.
        arrived = msgspec.msgpack.decode(msgspec.msgpack.encode(self), type=Stream)
        return hashlib.sha256(msgspec.msgpack.encode(arrived)).hexdigest()[:16]

    def pack(self, samples: list[tuple[Value, ...]]) -> np.ndarray[Any, np.dtype[Any]]:
        """Give samples as an array of `dtype`, shape (samples,). Raises `ValueError` for a value that does not fit."""
        texts = [index for index, each in enumerate(self.channels) if each.type == "text"]
        if texts:
            packed: list[tuple[Any, ...]] = [
                tuple(
                    pack_text(value, self.channels[at].size_bytes) if at in texts else value
                    for at, value in enumerate(sample)
                )
                for sample in samples
            ]
            return np.array(packed, self.dtype)
        return np.array(samples, self.dtype)

    def unpack(self, rows: bytes) -> list[tuple[Value, ...]]:
        """Give the values of packed samples, a tuple each. Raises `ValueError` for bytes of another size."""
        found: list[tuple[Any, ...]] = np.frombuffer(rows, self.dtype).tolist()
        if not any(each.type == "text" for each in self.channels):
            return found
        return [tuple(_shown(value) for value in row) for row in found]


def pack_text(value: Value, size_bytes: int) -> bytes:
    """Give the UTF-8 of a text, cut where a character ends.

    >>> pack_text("Größe", 3)
    b'Gr'
    """
    return str(value).encode("utf-8", "replace")[:size_bytes].decode("utf-8", "ignore").encode()


def _shown(value: Value | bytes) -> Value:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
