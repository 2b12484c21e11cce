"""What a command gives back, made fit to be stored and sent: plain data of bounded size, and words in one line."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from heliograph.core import CommandFailedError

LARGEST_RESULT_BYTES = 64 * 1024
_LONGEST_WORDS = 1_000


def plain(result: Any) -> Any:
    """Give a result as texts, numbers, booleans, None, and lists and maps of them.

    >>> plain({"sizes": (1, 2)})
    {'sizes': [1, 2]}

    Raises `CommandFailedError` for anything else, and for more than 64 KiB of it.
    """
    try:
        packed = msgspec.msgpack.encode(msgspec.to_builtins(result, str_keys=True))
        found = msgspec.msgpack.decode(packed)
    # The last for a text that is not valid UTF-8.
    except (TypeError, OverflowError, RecursionError, msgspec.MsgspecError, ValueError) as error:
        raise CommandFailedError(f"it ran, but what it gave cannot be sent ({words(str(error))})") from error
    if len(packed) > LARGEST_RESULT_BYTES:
        raise CommandFailedError(f"it ran, but gave {len(packed)} bytes: at most {LARGEST_RESULT_BYTES} can be sent")
    return found


def words(text: str) -> str:
    r"""Give a text of any origin as one valid line of at most 1000 characters.

    >>> words("first\nsecond \udcff")
    'first second \\udcff'
    """
    line = " ".join(text[: 2 * _LONGEST_WORDS].encode("utf-8", "backslashreplace").decode().split())
    return line if len(line) <= _LONGEST_WORDS else line[: _LONGEST_WORDS - 1] + "…"


def share(fraction: float | None) -> float | None:
    """Give a fraction between 0 and 1, or None for what is none."""
    return None if fraction is None or not math.isfinite(fraction) else min(max(float(fraction), 0.0), 1.0)
