"""`NODE:PATH`: files on a node, as words of the command line."""

from __future__ import annotations

from dataclasses import dataclass

from heliograph.core import SettingError


@dataclass(frozen=True, slots=True)
class Place:
    """A file or folder on a node."""

    node: str
    path: str
    """From the node's file root; empty for the root itself, with `/` at its end where a folder is meant."""

    @property
    def is_folder(self) -> bool:
        """Whether a file goes into it under its own name."""
        return not self.path or self.path.endswith("/")

    @property
    def name(self) -> str:
        """The last name of the path."""
        return self.path.rstrip("/").rpartition("/")[2]

    def __str__(self) -> str:
        return f"{self.node}:{self.path}"


def place(word: str) -> Place | None:
    """Take `NODE:PATH` apart; None for a word that is a file of this machine.

    >>> place("cam-1:images/one.png"), place("cam-1:/images/"), place("./a:b")
    (Place(node='cam-1', path='images/one.png'), Place(node='cam-1', path='images/'), None)
    """
    node, colon, path = word.partition(":")
    # As scp has it: a colon after a slash belongs to a file's name.
    if not colon or not node or "/" in node:
        return None
    # The root is where a node's files begin, so that a path from there may begin with a slash.
    return Place(node, path.lstrip("/"))


def needed_place(word: str) -> Place:
    """Take `NODE:PATH` apart; raises `SettingError` for a word that is none."""
    found = place(word)
    if found is None:
        raise SettingError(f"{word!r} is no place on a node: write NODE:PATH, for example cam-1:images/one.png")
    return found
