"""What a stream may look like, checked when it is declared."""

from __future__ import annotations

import re

from heliograph.core import SettingError
from heliograph.link.channel import TYPES, Channel, Stream
from heliograph.link.spooled import BLOCK_BYTES
from heliograph.link.telemetry import DROPS_STREAM, EVENTS_STREAM

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_MOST_CHANNELS = 200
_MOST_TEXT_BYTES = 4_096


def check_declaration(stream: Stream) -> None:
    """Raise `SettingError` for a stream that cannot be spooled and archived.

    >>> check_declaration(Stream(name="Health!", channels=()))
    Traceback (most recent call last):
        ...
    heliograph.core.errors.SettingError: stream 'Health!': a name is 1 to 64 of a-z, 0-9, '.', '_' and '-'
    """
    if not _NAME.fullmatch(stream.name):
        raise SettingError(f"stream {stream.name!r}: a name is 1 to 64 of a-z, 0-9, '.', '_' and '-'")
    if stream.name in (EVENTS_STREAM, DROPS_STREAM):
        raise SettingError(f"stream {stream.name!r}: the name is the node's own, choose another")
    names = [each.name for each in stream.channels]
    if not 1 <= len(names) <= _MOST_CHANNELS:
        raise SettingError(f"stream {stream.name!r}: it has {len(names)} channels, 1 to {_MOST_CHANNELS} are possible")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SettingError(f"stream {stream.name!r}: channel {twice[0]!r} is declared twice")
    for channel in stream.channels:
        if reason := _objection(channel):
            raise SettingError(f"stream {stream.name!r}, channel {channel.name!r}: {reason}")
    try:
        size_bytes, _ = stream.dtype.itemsize, stream.schema
    except (TypeError, ValueError) as error:
        raise SettingError(f"stream {stream.name!r}: it cannot be told to anybody ({error})") from error
    if size_bytes > BLOCK_BYTES:
        raise SettingError(
            f"stream {stream.name!r}: a sample has {size_bytes} bytes, at most {BLOCK_BYTES} are possible"
        )


def _objection(channel: Channel) -> str | None:
    if not channel.name:
        return "it needs a name"
    if channel.type not in (*TYPES, "text"):
        return f"type {channel.type!r} is none of {', '.join(TYPES)}, text"
    if channel.type == "text" and not 1 <= channel.size_bytes <= _MOST_TEXT_BYTES:
        return f"a text needs size_bytes from 1 to {_MOST_TEXT_BYTES}"
    if channel.type != "text" and channel.size_bytes:
        return "size_bytes is for texts"
    if channel.limits is None:
        return None
    if channel.type == "text":
        return "a text has no limits"
    limits = channel.limits
    rising = [limits.alarm_low, limits.warning_low, limits.warning_high, limits.alarm_high]
    given = [each for each in rising if each is not None]
    if given != sorted(given):
        return "limits must rise: alarm_low, warning_low, warning_high, alarm_high"
    return None
