"""Files below a root as the ends of transfers (CCSDS 727.0-B-5 calls such a place a filestore)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import BinaryIO

from heliograph.core import TransferError
from heliograph.link.roots import Root

_SOURCE = re.compile(r"([0-9a-f]{64}) (.+)", re.DOTALL)
_TARGET = re.compile(r"([0-9-]+)([=:])(.+)", re.DOTALL)


def spoken(path: str) -> str:
    """Give a path as the metadata of a transfer can hold it: where it is too long, the file's own name.

    >>> spoken("images/one.png"), spoken("x" * 250 + "/one.png")
    ('images/one.png', 'one.png')
    """
    # CCSDS 727.0-B-5, 5.2.5: the length of a name is one byte.
    return path if len(path.encode()) < 256 else path.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class RootedSource:
    """A file to send, of known content: one that has other content by now is another source."""

    root: Root
    path: str
    sha256: bytes

    @property
    def name(self) -> str:
        """The digest and the path."""
        return f"{self.sha256.hex()} {self.path}"

    @classmethod
    def named(cls, root: Root, name: str) -> RootedSource:
        """Make it from its name; raises `TransferError` for what is none."""
        found = _SOURCE.fullmatch(name)
        if found is None:
            raise TransferError(f"the journal names a source {name[:80]!r}: it was written by another program")
        return cls(root, found[2], bytes.fromhex(found[1]))

    def open(self) -> BinaryIO:
        """Open it for reading; raises what `Root.open` raises."""
        return self.root.open(self.path)


@dataclass(frozen=True, slots=True)
class RootedTarget:
    """A place for a file that comes; until it is whole it lies beside that place as `.LABEL.part`."""

    root: Root
    path: str
    label: str
    """The transaction, so that no two write one part."""
    replace: bool = False

    @property
    def name(self) -> str:
        """The label and the path, with `=` between them where an older file is to be replaced and `:` where not."""
        return f"{self.label}{'=' if self.replace else ':'}{self.path}"

    @classmethod
    def named(cls, root: Root, name: str) -> RootedTarget:
        """Make it from its name; raises `TransferError` for what is none."""
        found = _TARGET.fullmatch(name)
        if found is None:
            raise TransferError(f"the journal names a target {name[:80]!r}: it was written by another program")
        return cls(root, found[3], found[1], found[2] == "=")

    def open(self) -> BinaryIO:
        """Open the part for reading and writing; raises what `Root.open_part` raises."""
        return self.root.open_part(self.path, self.label)

    def commit(self) -> None:
        """Give it its name; raises what `Root.publish_part` raises."""
        self.root.publish_part(self.path, self.label, replace=self.replace)

    def discard(self) -> None:
        """Remove the part."""
        self.root.discard_part(self.path, self.label)
