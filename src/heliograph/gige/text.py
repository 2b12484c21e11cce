"""Texts in registers: UTF-8, up to the first NUL."""

from __future__ import annotations

from typing import Literal

from heliograph.core import RemoteProtocolError


def pack_text(text: str, length_bytes: int, *, terminated: bool = True) -> bytes:
    r"""Give a text as UTF-8 of exactly this length, cut at a whole character where it is too long.

    >>> pack_text("süd", 4)
    b's\xc3\xbc\x00'

    `terminated` has a NUL at the end of the longest text too.
    """
    encoded = text.encode("utf-8", "replace")[: length_bytes - terminated]
    return encoded.decode("utf-8", "ignore").encode().ljust(length_bytes, b"\0")


def unpack_text(data: bytes, errors: Literal["strict", "replace"] = "strict") -> str:
    """Give the text up to the first NUL; raises `RemoteProtocolError` when it is no UTF-8 and `errors` is strict."""
    try:
        return data.split(b"\0", 1)[0].decode("utf-8", errors)
    except UnicodeDecodeError:
        raise RemoteProtocolError("a text register takes UTF-8") from None
