"""Paths as they are said on the link: which names a file can be asked for by."""

from __future__ import annotations

import unicodedata

from heliograph.core import SettingError

DEEPEST = 64
"""Folders below each other at most: each costs a descriptor while it is walked."""
_LONGEST_PATH_BYTES = 1024
_LONGEST_NAME_BYTES = 255
# Control characters, halves of characters (bytes that are no UTF-8), and what ends a line.
_REFUSED = ("Cc", "Cs", "Zl", "Zp")


def names_of(path: str) -> tuple[str, ...]:
    """Take a relative path apart; `.` is the root itself.

    >>> names_of("images/one.png"), names_of(".")
    (('images', 'one.png'), ())

    Raises `SettingError` for a path that is absolute, goes up, or has names that no file should have.
    """
    if path.startswith("/"):
        raise SettingError(f"{path!r} is absolute: write it as seen from the file root, for example images/one.png")
    names = tuple(name for name in path.split("/") if name not in ("", "."))
    if ".." in names:
        raise SettingError(f"{path!r} goes up: no path leaves the file root")
    if len(names) > DEEPEST or len(path.encode("utf-8", "surrogateescape")) > _LONGEST_PATH_BYTES:
        raise SettingError(f"{path[:40]!r}… is too long: at most {DEEPEST} names and {_LONGEST_PATH_BYTES} bytes")
    for name in names:
        if not is_name(name):
            raise SettingError(f"{name[:80]!r} is no name to ask for: control characters, no UTF-8, or over 255 bytes")
    return names


def is_name(name: str) -> bool:
    r"""Tell whether a file of this name can be asked for.

    >>> is_name("Grüße 1.png"), is_name("two\nlines"), is_name("no utf-8 \udcff")
    (True, False, False)
    """
    # What is printable has none of them, and is told at once: folders may hold tens of thousands of names.
    if not name.isprintable() and any(unicodedata.category(each) in _REFUSED for each in name):
        return False
    return len(name.encode()) <= _LONGEST_NAME_BYTES


def is_path(path: str) -> bool:
    """Tell whether `names_of` takes a path."""
    try:
        names_of(path)
    except SettingError:
        return False
    return True
