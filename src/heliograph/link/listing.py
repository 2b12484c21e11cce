"""What files there are below a root, page by page, with sizes, times and digests."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress

import msgspec

from heliograph.core import HeliographError
from heliograph.link.digest import Digests
from heliograph.link.paths import DEEPEST, is_name, is_path, names_of
from heliograph.link.roots import Root, kind_of

_PAGE_BYTES = 40_000
"""Of entries as they travel: what a command gives is bounded."""
_HASHED_BYTES = 2 << 30
"""After so much hashing a page ends, so that whoever waits for it sees something."""
_ENTRY_BYTES = 160
"""Of an entry beside its path, at most."""


class ListingRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Asks for a file, or for a folder's files."""

    path: str = "."
    recursive: bool = False
    hashes: bool = False
    after: str = ""
    """The last path of the page before."""


class FileEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One file, folder, link or device."""

    path: str
    """From the root; what no name may hold is written as `\\\\n` or `\\\\xff`."""
    kind: str
    """`file`, `folder`, `link`, or `device` for pipes and sockets too."""
    size_bytes: int = 0
    modified_wall_ns: int = 0
    sha256: str = ""
    """64 hexadecimal digits of a file, when asked for."""
    unreachable: bool = False
    """Its name cannot be asked for: it has characters that were escaped, or lies too deep."""


class Listing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Entries in the order of their paths, name by name."""

    entries: tuple[FileEntry, ...]
    more: bool = False
    """There is another page after the last entry."""


def list_files(root: Root, request: ListingRequest, digests: Digests, cancelled: threading.Event) -> Listing:
    """Give one page of a listing; a folder's own entry is not in it, a file's is.

    Raises what `Root` raises, and `TransferError` when cancelled.
    """
    entries: list[FileEntry] = []
    page_bytes = hashed_bytes = 0
    with closing(_entries(root, request)) as found:
        for entry in found:
            entry_bytes = len(entry.path.encode()) + _ENTRY_BYTES
            if page_bytes + entry_bytes > _PAGE_BYTES or hashed_bytes > _HASHED_BYTES:
                return Listing(entries=tuple(entries), more=True)
            page_bytes += entry_bytes
            hashable = request.hashes and entry.kind == "file" and not entry.unreachable
            hashed_bytes += entry.size_bytes if hashable else 0
            entries.append(_hashed(root, entry, digests, cancelled) if hashable else entry)
    return Listing(entries=tuple(entries))


def _hashed(root: Root, entry: FileEntry, digests: Digests, cancelled: threading.Event) -> FileEntry:
    try:
        with root.open(entry.path) as stream:
            return msgspec.structs.replace(entry, sha256=digests.of(stream, cancelled).hex())
    except (HeliographError, OSError):
        if cancelled.is_set():
            raise
        # Gone, exchanged or written to since it was looked at: the others are listed all the same.
        return entry


def _entries(root: Root, request: ListingRequest) -> Generator[FileEntry]:
    names = names_of(request.path)
    path = "/".join(names)
    found = root.look(path) if names else None
    if found and not stat.S_ISDIR(found.st_mode):
        if not request.after:
            yield _entry(path, path, found)
        return
    after = tuple(request.after.split("/"))[len(names) :] if request.after else ()
    with root.folder(names) as folder:
        yield from _below(folder, (path, path), after, request.recursive)


def _below(folder: int, above: tuple[str, str], after: tuple[str, ...], recursive: bool) -> Iterator[FileEntry]:
    """Give what is in a folder, from behind `after` on; `above` is its path as it is and as it is shown."""
    for shown, name in sorted((_shown(name), name) for name in os.listdir(folder)):
        if after and shown < after[0]:
            continue
        path, shown_path = _join(above[0], name), _join(above[1], shown)
        try:
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            continue
        told = bool(after) and shown == after[0]
        if not told:
            yield _entry(path, shown_path, found)
        if recursive and stat.S_ISDIR(found.st_mode) and path.count("/") < DEEPEST:
            # Exchanged for a link meanwhile, or not for us to read: told as a folder, and not entered.
            with suppress(OSError), _entered(folder, name) as below:
                yield from _below(below, (path, shown_path), after[1:] if told else (), recursive)


def _join(above: str, name: str) -> str:
    return f"{above}/{name}" if above else name


@contextmanager
def _entered(folder: int, name: str) -> Iterator[int]:
    below = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        yield below
    finally:
        os.close(below)


def _entry(path: str, shown_path: str, found: os.stat_result) -> FileEntry:
    kind = kind_of(found.st_mode)
    return FileEntry(
        path=shown_path,
        kind=kind,
        size_bytes=found.st_size if kind == "file" else 0,
        modified_wall_ns=found.st_mtime_ns,
        unreachable=not is_path(path),
    )


def _shown(name: str) -> str:
    if is_name(name):
        return name
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
